"""The Python of the migration guide that talks to the runtime plane, run as it is printed.

The stored text lost its fences and its indentation: `BLOCKS` says which lines are a program,
and how deep each stands. Redis, OpenAI and the cost of a call are stand-ins; of the text
itself only the address of the server is replaced.
"""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from proxy.domain.money import Unit, written
from proxy.domain.reservation import State
from tests.authority.clients.listener import Listener, listening

USD = Unit.USD_MICROCENTS
GUIDE = (
    Path(__file__).resolve().parents[4] / "shared/seeds/migrating-from-a-custom-rate-limiter.txt"
)

needs_guide = pytest.mark.skipif(not GUIDE.is_file(), reason=f"the guide is not at {GUIDE}")

BLOCKS = {
    "decide beside the old limiter": (72, "0011000011100011112112333322221221111"),
    "reserve and commit": (120, "00110011110001000110"),
    "without the old limiter": (140, "0001111111122221121111221"),
    "the decorator": (165, "0000111110012221"),
}
"""The first line of each program, and for every line from there on how deep it stands."""

_PROSE = re.compile("(What to watch|Step [23]:|Or use the decorator|The decorator handles).*")
"""What follows a program on its last line."""


def program(name: str, url: str) -> str:
    """A program of the guide, for the server at this address."""
    first, depths = BLOCKS[name]
    lines = GUIDE.read_text("utf-8").splitlines()[first - 1 :]
    code = [
        "    " * int(depth) + _PROSE.sub("", line)
        for line, depth in zip(lines, depths, strict=False)
    ]
    return "\n".join(code).replace("http://localhost:7878", url)


class Counters:
    """The Redis of the guide: the counters that its limiter keeps."""

    def __init__(self) -> None:
        self.kept: dict[str, int] = {}

    def get(self, name: str) -> int | None:
        return self.kept.get(name)

    def incrby(self, name: str, amount: int) -> None:
        self.kept[name] = self.kept.get(name, 0) + amount


def _module(name: str, **members: Any) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(members)
    return module


def _complete(**asked: Any) -> Any:
    message = SimpleNamespace(content="x" * asked["max_tokens"])
    return SimpleNamespace(choices=[SimpleNamespace(message=message)])


@pytest.fixture
async def guided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Listener]:
    """The tenant, the key and the budget of the guide."""
    completions = SimpleNamespace(completions=SimpleNamespace(create=_complete))
    monkeypatch.setitem(sys.modules, "redis", _module("redis", Redis=Counters))
    monkeypatch.setitem(sys.modules, "openai", _module("openai", chat=completions))
    monkeypatch.setenv("HOME", str(tmp_path))
    budgets = [{"scope": "tenant:acme-corp", "allocated": 50_000_000, "period": "none"}]
    async with listening(
        tmp_path, secret="cyc_live_...", tenant="acme-corp", budgets=budgets
    ) as started:
        yield started


@needs_guide
async def test_the_guide_runs_from_its_shadow_to_its_decorator(guided: Listener) -> None:
    names: dict[str, Any] = {
        "get_actual_cost": lambda: 700,
        "user_id": "user-1",
        "idempotency_key": "first",
        "estimated_cost": 1_000,
        "actual_cost": 900,
    }

    def run() -> None:
        try:
            exec(program("decide beside the old limiter", guided.url), names)
            names["check_and_charge"]("user-1", 1_000)
            assert names["r"].kept == {"budget:user-1": 700}
            exec(program("reserve and commit", guided.url), names)
            exec(program("without the old limiter", guided.url), names)
            names["check_and_charge"]("user-2", 1_000)
            with pytest.raises(Exception, match="Budget exceeded"):
                names["check_and_charge"]("user-2", 50_000_001)
            exec(program("the decorator", guided.url), names)
            assert names["call_llm"]("hello", 30) == "x" * 30
        finally:
            names["client"].close()

    await asyncio.to_thread(run)
    rows = await guided.rows()
    assert [(row.subject.agent, row.charged) for row in rows] == [
        ("user-1", {USD: 900}),
        ("user-2", {USD: 700}),
        (None, {USD: 150}),
    ]
    assert {row.state for row in rows} == {State.COMMITTED}
    operations = [line["operation"] for line in guided.stack.log.events("authority_request")]
    assert operations[0] == "decide"


@needs_guide
async def test_fifty_million_of_the_guide_are_fifty_cents(guided: Listener) -> None:
    """docs/protocol.md, "First use": 10**8 microcents are a dollar."""
    (balance,) = await guided.stack.books.all_balances()
    assert written(balance.allocated, USD) == "$0.50"
