"""Ledgers with a past, as commands find them. Budgets last for ever: no test sees midnight."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from io import StringIO
from pathlib import Path
from typing import Any, Final, TypeVar

import jsonschema
import pytest
import yaml

from proxy.config.convert import budget_lines
from proxy.config.load import load
from proxy.config.model import Config
from proxy.domain.clock import SystemClock
from proxy.domain.money import Unit
from proxy.domain.subject import Subject
from proxy.ledger.journal import Entry
from proxy.ledger.records import ReserveRequest, Span
from proxy.observe.logs import JsonLog
from proxy.opening import Home, open_beside, open_to_serve
from tests.cli.commands import write_config

LASTING: Final = """
  - {scope: "tenant:dev", allocated: $10.00}
  - {scope: "tenant:dev/agent:*", allocated: $1.00}
"""
CENT: Final = 1_000_000
USD, TOKENS = Unit.USD_MICROCENTS, Unit.TOKENS
SPEC: Final = Path(__file__).parents[4] / "shared" / "spec" / "cycles-protocol-v0.yaml"

Result = TypeVar("Result")


def make_ledger(folder: Path, *, budgets: str = LASTING, ledger_url: str | None = None) -> Path:
    """A configuration, and the ledger that its first start makes."""
    config_file = write_config(folder, budgets=budgets, ledger_url=ledger_url)
    config = load(config_file, {})

    async def declare() -> None:
        ledger = await open_as_serve_does(config)
        await ledger.declare(budget_lines(config), templates_max=10)
        await ledger.close()

    asyncio.run(declare())
    return config_file


async def open_as_serve_does(config: Config) -> Home:
    """The ledger of a configuration, as a proxy holds it."""
    clock = SystemClock()
    return await open_to_serve(config, clock=clock, log=JsonLog(StringIO(), clock))


def on_ledger(config_file: Path, work: Callable[[Home], Awaitable[Result]]) -> Result:
    """What the ledger of a configuration answers."""

    async def run() -> Result:
        ledger = await open_beside(load(config_file, {}).ledger.url)
        try:
            return await work(ledger)
        finally:
            await ledger.close()

    return asyncio.run(run())


def hold(
    config_file: Path,
    amount: int,
    *,
    tokens: int = 100,
    key: str = "1",
    agent: str = "bot",
    run: str = "7",
    uncertain: bool = False,
) -> str:
    """Hold money and tokens for a call; perhaps nobody knows what became of it."""

    async def work(ledger: Home) -> str:
        request = ReserveRequest(
            key=key,
            payload_hash=key,
            subject=Subject(tenant="dev", agent=agent, dimensions={"run": run}),
            plan=({USD: Span(amount, amount), TOKENS: Span(tokens, tokens)},),
            ttl_ms=60_000,
            action_name="gpt-4o",
            trace_id="ab",
            price_version="a list of prices",
            metadata={"model": "gpt-4o"},
        )
        grant = await ledger.reserve(request)
        if uncertain:
            await ledger.dispatch(grant.reservation_id)
            await ledger.mark_uncertain(grant.reservation_id)
        return grant.reservation_id

    return on_ledger(config_file, work)


def last_entry(config_file: Path) -> Entry:
    """The newest entry of the tenant's journal."""
    entries = on_ledger(config_file, lambda each: each.journal("dev", after_seq=0, limit=10_000))
    return entries[-1]


def is_valid(name: str, value: Any) -> None:
    """Hold a value against a schema of the protocol."""
    if not SPEC.exists():
        pytest.skip(f"the protocol is not at {SPEC}: JSON was not held against its schemas")
    schemas = yaml.safe_load(SPEC.read_text(encoding="utf-8"))["components"]
    document = {"$ref": f"#/components/schemas/{name}", "components": schemas}
    jsonschema.Draft202012Validator(document).validate(json.loads(json.dumps(value)))
