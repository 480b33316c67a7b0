"""Who is measured, and how each is started."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.benchmarks.instruments.exchange import MODEL
from tests.benchmarks.instruments.processes import HOST, free_port, python
from tests.benchmarks.protocol.requests import LEVELS

_PROXY = ("proxy",)


@dataclass(frozen=True, slots=True)
class Launch:
    """How to run a contender: its command, where it takes calls, what says it is ready."""

    command: list[str]
    port: int
    ready_url: str


@dataclass(frozen=True, slots=True)
class Contender:
    """Somebody who is measured. `launch(directory, upstream_port)`; None is the upstream itself."""

    name: str
    title: str
    about: str
    launch: Callable[[Path, int], Launch] | None


def _launch_passthrough(directory: Path, upstream_port: int) -> Launch:
    port = free_port()
    command = python(
        "tests.benchmarks.contenders.passthrough", str(port), f"http://{HOST}:{upstream_port}"
    )
    return Launch(command, port, f"http://{HOST}:{port}/readyz")


def _launch_proxy(
    directory: Path, upstream_port: int, budgets: Mapping[str, Any], program: Sequence[str]
) -> Launch:
    port, admin_port = free_port(), free_port()
    config = {
        "listen": {
            "proxy": f"{HOST}:{port}",
            "authority": f"{HOST}:0",
            "admin": f"{HOST}:{admin_port}",
        },
        "ledger": {"url": f"sqlite:///{directory / 'ledger.db'}"},
        "upstreams": [
            {
                "name": "bench",
                "base_url": f"http://{HOST}:{upstream_port}/v1",
                "api_key": "sk-upstream",
                "api": "openai",
                "models": ["*"],
            }
        ],
        "identity": {"default": {level: "bench" for level in LEVELS}},
        **budgets,
    }
    file = directory / "config.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    command = python(*program, "serve", "-c", str(file))
    return Launch(command, port, f"http://{HOST}:{admin_port}/readyz")


def _launch_without_budgets(directory: Path, upstream_port: int) -> Launch:
    free = {"pricing": {"overrides": [{"model": MODEL, "free": True}]}}
    return _launch_proxy(directory, upstream_port, free, _PROXY)


def launch_with_budgets(
    directory: Path, upstream_port: int, program: Sequence[str] = _PROXY
) -> Launch:
    """Six budgets on the way of each call, all in SQLite. `program` stands for the proxy."""
    return _launch_proxy(directory, upstream_port, {"budgets": six_budgets()}, program)


def six_budgets() -> list[dict[str, str]]:
    """One for each level of a subject, and more in it than any run can spend."""
    scopes = [
        "/".join(f"{level}:bench" for level in LEVELS[: depth + 1]) for depth in range(len(LEVELS))
    ]
    return [{"scope": scope, "allocated": "$1000000.00", "period": "month"} for scope in scopes]


DIRECT = Contender("direct", "direct", "the generator calls the upstream itself", None)
PASSTHROUGH = Contender(
    "passthrough", "A", "a bare aiohttp application and client session", _launch_passthrough
)
WITHOUT_BUDGETS = Contender(
    "without_budgets", "no budgets", "the proxy, a free model, no budget", _launch_without_budgets
)
WITH_BUDGETS = Contender(
    "with_budgets", "budgets", "the proxy, exact tokens, 6 budgets in SQLite", launch_with_budgets
)

CONTENDERS = (DIRECT, PASSTHROUGH, WITHOUT_BUDGETS, WITH_BUDGETS)
