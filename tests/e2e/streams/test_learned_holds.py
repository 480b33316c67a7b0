"""Holds that fit: what many agents leave each other, and how a hold follows a long answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proxy.ledger.journal import Kind, WindowName
from simulator.behaviour import Behaviour, Cut, Wire
from simulator.server import Simulator
from tests.e2e.redis.conftest import Section, store_ledger
from tests.e2e.stack import TOKENS, USD, Stack, charged, held, running
from tests.e2e.streams.cutting import CLAUDE, EAGER, SEEN_CLAUDE
from tests.e2e.test_outage import Away, ledger_of
from tests.e2e.wire import answered
from tests.servers.fixtures import server, valkey

__all__ = ["server", "store_ledger", "valkey"]

AGENTS = 20
BUDGET_MICROCENTS = 20 * 10**8
LIMIT_TOKENS = 64_000
QUESTION = {
    "model": CLAUDE,
    "max_tokens": LIMIT_TOKENS,
    "stream": True,
    "messages": [{"role": "user", "content": "Go on."}],
}


@asynccontextmanager
async def at_15_dollars(folder: Path, **changes: Any) -> AsyncIterator[Stack]:
    """A proxy before a model that takes $15 for a million tokens of its answers."""
    async with Simulator() as simulator:
        upstream = {"name": "claude", "base_url": simulator.base_url, "api_key": "none"}
        config = {
            "upstreams": [upstream | {"api": "anthropic"}],
            "pricing": {"overrides": SEEN_CLAUDE},
            "hold": "learned",
        }
        async with running(folder, simulator, **(config | changes)) as stack:
            yield stack


async def ask(stack: Stack, agent: str, **fields: object) -> bytes:
    """The stream that an agent gets, who asks for as much as its library asks by default."""
    header = f"X-Cycles-Agent: {agent}"
    answer = await answered(stack.base_url, QUESTION | fields, header, path="/v1/messages")
    assert (answer.status, answer.whole) == (200, True), answer
    return answer.body


async def reserved_at_once(stack: Stack) -> int:
    """What twenty agents hold in the tenant's budget when all their calls have left."""
    seen = len(stack.simulator.requests_seen)
    stack.simulator.behave(Behaviour(output_tokens=300, gate="all"))
    async with asyncio.TaskGroup() as group:
        for number in range(AGENTS):
            group.create_task(ask(stack, f"a{number}"))
        await stack.simulator.until(lambda: len(stack.simulator.requests_seen) == seen + AGENTS)
        reserved = (await stack.balance()).reserved
        stack.simulator.open_gate("all")
    return reserved


@pytest.mark.parametrize(
    ("hold", "least_pct", "most_pct"), [("worst_case", 0, 4), ("learned", 90, 100)]
)
async def test_twenty_agents_with_long_limits_and_short_answers_leave_a_budget_usable(
    hold: str, least_pct: int, most_pct: int, tmp_path: Path
) -> None:
    budgets = [{"scope": "tenant:dev", "allocated": "$20.00", "period": "none"}]
    learning = {"answers_min": 5}
    async with at_15_dollars(tmp_path, hold=hold, budgets=budgets, learning=learning) as stack:
        stack.simulator.behave(Behaviour(output_tokens=300))
        for _ in range(5):
            for number in range(AGENTS):
                await ask(stack, f"a{number}")
        left = (await stack.balance()).remaining

        usable = left - await reserved_at_once(stack)

        assert least_pct <= 100 * usable // left <= most_pct


@pytest.fixture(params=["file", "store"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Section:
    """Both homes of our own."""
    if request.param == "store":
        section: Section = request.getfixturevalue("store_ledger")
        return section
    return {"url": f"sqlite:///{tmp_path / 'ledger.db'}", "journal_dir": str(tmp_path / "outbox")}


BUDGETS = [
    {"scope": "tenant:dev", "allocated": "$0.12", "period": "none"},
    {"scope": "tenant:dev", "unit": "TOKENS", "allocated": 12_000, "period": "day"},
    {"scope": "tenant:dev/agent:*", "unit": "TOKENS", "allocated": 1_300, "period": "none"},
]


async def test_no_scope_is_ever_below_zero_while_streams_grow_and_end(
    ledger: Section, tmp_path: Path
) -> None:
    learning = {**EAGER, "lookahead_tokens": 60}
    async with at_15_dollars(tmp_path, ledger=ledger, budgets=BUDGETS, learning=learning) as stack:
        # The first call of an agent is limited: it holds the worst case.
        stack.simulator.behave(Behaviour(output_tokens=10))
        for number in range(8):
            await ask(stack, f"a{number}", max_tokens=600)

        stack.simulator.behave(Behaviour(output_tokens=2_000, wire=Wire(pace_ms=5)))
        streams = await asyncio.gather(
            *(ask(stack, f"a{number}", max_tokens=4_000) for number in range(8))
        )
        await stack.log.until("call", 16)

        assert all(stream.count(b"event: message_stop") == 1 for stream in streams)
        cut = [b'"stop_reason":"max_tokens"' in stream for stream in streams]
        assert all(cut)
        journal = await stack.journal()
        assert [entry.kind for entry in journal].count(Kind.GROW) > 8
        rows = (await stack.rows())[8:]
        for row, bill in zip(rows, sorted(stack.simulator.bills[8:], key=str), strict=True):
            assert row.estimated
            assert not any(row.uncovered.values())
            assert charged(row) <= held(row)
            assert charged(row, TOKENS) <= held(row, TOKENS)
            assert bill.outcome == "aborted"
        billed = sum(bill.amount_microcents for bill in stack.simulator.bills)
        assert billed <= sum(map(charged, await stack.rows()))
        assert all(balance.remaining >= 0 for balance in await stack.books.all_balances())
        assert (await stack.books.verify()).differences == ()


async def test_the_books_never_hold_more_than_there_is(ledger: Section, tmp_path: Path) -> None:
    learning = {**EAGER, "lookahead_tokens": 60}
    async with at_15_dollars(tmp_path, ledger=ledger, budgets=BUDGETS, learning=learning) as stack:
        stack.simulator.behave(Behaviour(output_tokens=10))
        await ask(stack, "a", max_tokens=600)
        stack.simulator.behave(Behaviour(output_tokens=2_000, wire=Wire(pace_ms=1)))
        await ask(stack, "a", max_tokens=4_000)
        await stack.log.until("call", 2)

        left: dict[WindowName, int] = {}
        for entry in await stack.journal():
            for posting in entry.postings:
                change = posting.change
                taken = change.reserved + change.spent + change.debt
                left[posting.window] = left.get(posting.window, 0) + change.allocated - taken
                assert left[posting.window] >= 0, entry
        assert {window.unit for window in left} == {USD, TOKENS}


@pytest.mark.parametrize("step", ["reserve", "dispatch"])
async def test_a_stream_that_left_without_a_hold_is_charged_the_worst_where_nobody_knows(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is held that could grow: what it can come to at most is all that is known."""
    section = ledger_of(tmp_path, "allow")
    async with at_15_dollars(tmp_path, ledger=section, learning=EAGER) as stack:
        stack.simulator.behave(Behaviour(output_tokens=10))
        await ask(stack, "a")
        stack.simulator.behave(Behaviour(cut=Cut(at="before_headers")))
        away = Away(monkeypatch, step, "release", "apply")
        header = "X-Cycles-Agent: a"
        answer = await answered(stack.base_url, QUESTION, header, path="/v1/messages")
        assert answer.status == 502
        away.is_on = False
        await stack.log.until("ledger_back")

        paid = [row for row in await stack.rows() if row.estimated]
        assert [charged(row, TOKENS) > LIMIT_TOKENS for row in paid] == [True]
