"""The ledger is away at each step of a call, and calls are refused meanwhile, or let leave."""

import asyncio
from pathlib import Path
from typing import Any, Final

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.domain.reservation import State
from proxy.gateway.outbox.outbox import Outbox
from proxy.ledger.records import BudgetStatus
from proxy.ledger.sqlite.ledger import SqliteLedger
from simulator.behaviour import Behaviour, Refusal
from simulator.server import Simulator
from tests.e2e.program import books_of, serving, write_config
from tests.e2e.stack import TENANT, running
from tests.e2e.wire import RawAnswer, answered

BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Say something."}],
}
BODIES: Final = {"json": BODY, "stream": BODY | {"stream": True}}
each_body = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
BEFORE: Final = ("reserve", "dispatch")
AFTER: Final = ("commit", "extend")


def ledger_of(folder: Path, mode: str) -> dict[str, object]:
    return {
        "url": f"sqlite:///{folder / 'ledger.db'}",
        "journal_dir": str(folder / "outbox"),
        "when_unavailable": mode,
        "reservation_ttl_ms": 1_000,
    }


class Away:
    """Operations of the ledger that fail until they are let through."""

    def __init__(self, patch: pytest.MonkeyPatch, *operations: str) -> None:
        self.is_on = True
        for operation in operations:
            patch.setattr(SqliteLedger, operation, self._failing(getattr(SqliteLedger, operation)))

    def _failing(self, operation: Any) -> Any:
        async def fail(*arguments: Any, **named: Any) -> Any:
            if self.is_on:
                raise LedgerUnavailable
            return await operation(*arguments, **named)

        return fail


def assert_refused_for_now(answer: RawAnswer) -> None:
    assert (answer.status, answer.error()["code"]) == (503, "authority_unavailable")
    assert answer.headers["x-budget-decision"] == "DENY"


@each_body
@pytest.mark.parametrize("step", BEFORE)
async def test_what_cannot_be_held_is_refused(
    tmp_path: Path,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    body: dict[str, Any],
) -> None:
    async with running(tmp_path, simulator, ledger=ledger_of(tmp_path, "deny")) as stack:
        away = Away(monkeypatch, step)
        assert_refused_for_now(await answered(stack.base_url, body))
        away.is_on = False
        assert (await answered(stack.base_url, body)).status == 200
        assert len(simulator.bills) == 1
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


@each_body
@pytest.mark.parametrize("step", BEFORE)
async def test_where_that_is_allowed_it_leaves_and_is_charged_later(
    tmp_path: Path,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    body: dict[str, Any],
) -> None:
    async with running(tmp_path, simulator, ledger=ledger_of(tmp_path, "allow")) as stack:
        away = Away(monkeypatch, step, "release", "apply")
        answer = await answered(stack.base_url, body)
        assert (answer.status, answer.whole) == (200, True)
        assert answer.headers["x-budget-decision"] == "ALLOW"
        assert answer.headers["x-budget-held"] == "false"
        assert "x-budget-reservation-id" not in answer.headers
        assert await stack.charged_and_uncovered() == (0, 0)
        away.is_on = False
        await stack.log.until("ledger_back")

        (line,) = stack.log.events("call")
        assert (line["unheld"], line["held_microcents"]) == (True, None)
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
        assert (await stack.balance()).reserved == 0
        paid = [row for row in await stack.rows() if row.state == "COMMITTED"]
        assert [(row.estimated, row.trace_id) for row in paid] == [(False, line["trace_id"])]


@each_body
@pytest.mark.parametrize("mode", ["deny", "allow"])
@pytest.mark.parametrize("step", AFTER)
async def test_what_has_left_is_charged_in_any_case(
    tmp_path: Path,
    simulator: Simulator,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    mode: str,
    body: dict[str, Any],
) -> None:
    async with running(tmp_path, simulator, ledger=ledger_of(tmp_path, mode)) as stack:
        away = Away(monkeypatch, step)
        answer = await answered(stack.base_url, body)
        away.is_on = False
        if step == "commit":
            await stack.log.until("ledger_back")
        assert (answer.status, "x-budget-held" in answer.headers) == (200, False)
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


@pytest.mark.parametrize("mode", ["deny", "allow"])
async def test_what_cost_nothing_goes_back_in_any_case(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    simulator.behave(Behaviour(refusal=Refusal(status=429)))
    async with running(tmp_path, simulator, ledger=ledger_of(tmp_path, mode)) as stack:
        away = Away(monkeypatch, "release")
        assert (await answered(stack.base_url, BODY)).status == 429
        away.is_on = False
        await stack.log.until("ledger_back")
        assert await stack.charged_and_uncovered() == (0, 0)
        assert (await stack.balance()).reserved == 0


async def test_an_empty_budget_stops_nobody_then_and_shows_it_afterwards(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    budgets = [{"scope": "tenant:dev", "allocated": "$0.00", "period": "none"}]
    ledger = ledger_of(tmp_path, "allow")
    async with running(tmp_path, simulator, ledger=ledger, budgets=budgets) as stack:
        away = Away(monkeypatch, "reserve", "apply")
        assert (await answered(stack.base_url, BODY)).status == 200
        away.is_on = False
        (uncovered,) = await stack.log.until("uncovered")
        assert uncovered["uncovered_microcents"] == simulator.total_microcents
        assert (await answered(stack.base_url, BODY)).status == 429
        assert await stack.charged_and_uncovered() == (0, simulator.total_microcents)


async def test_a_frozen_budget_is_charged_all_the_same(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The money is gone; nobody could know."""
    async with running(tmp_path, simulator, ledger=ledger_of(tmp_path, "allow")) as stack:
        await stack.books.set_status(TENANT, None, BudgetStatus.FROZEN, actor="operator")
        away = Away(monkeypatch, "reserve", "apply")
        assert (await answered(stack.base_url, BODY)).status == 200
        away.is_on = False
        await stack.log.until("ledger_back")
        assert stack.log.events("settlement_refused") == []
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


async def test_a_hold_whose_answer_was_lost_does_not_stand_in_its_way(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was never sent, so it goes back when its lease is over."""
    reserve = SqliteLedger.reserve

    async def lose(*arguments: Any, **named: Any) -> Any:
        await reserve(*arguments, **named)
        raise LedgerUnavailable

    async with running(tmp_path, simulator, ledger=ledger_of(tmp_path, "allow")) as stack:
        monkeypatch.setattr(SqliteLedger, "reserve", lose)
        assert (await answered(stack.base_url, BODY)).status == 200
        await stack.log.until("ledger_back")
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
        assert {row.state: row.dispatched for row in await stack.rows()}[State.ACTIVE] is False


async def test_what_left_without_a_hold_and_cost_nothing_is_not_charged(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.behave(Behaviour(refusal=Refusal(status=429)))
    async with running(tmp_path, simulator, ledger=ledger_of(tmp_path, "allow")) as stack:
        Away(monkeypatch, "reserve")
        assert (await answered(stack.base_url, BODY)).status == 429
        await stack.log.until("ledger_back")
        assert await stack.charged_and_uncovered() == (0, 0)
        assert await stack.rows() == ()


async def test_while_too_much_waits_no_call_begins(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the ledger may be there again."""
    async with running(tmp_path, simulator) as stack:
        with monkeypatch.context() as patched:
            patched.setattr(Outbox, "is_full", True)
            assert_refused_for_now(await answered(stack.base_url, BODY))
        assert simulator.requests_seen == []
        assert (await answered(stack.base_url, BODY)).status == 200


async def test_what_cannot_be_written_down_does_not_leave(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "outbox").touch()
    async with running(tmp_path, simulator, ledger=ledger_of(tmp_path, "allow")) as stack:
        away = Away(monkeypatch, "reserve")
        assert_refused_for_now(await answered(stack.base_url, BODY))
        away.is_on = False
        assert simulator.requests_seen == []


@each_body
async def test_a_process_that_dies_with_it_leaves_its_estimate_to_the_next(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any]
) -> None:
    file, away = tmp_path / "ledger.db", tmp_path / "away.db"
    config = write_config(tmp_path, simulator.base_url, ledger=ledger_of(tmp_path, "allow"))
    simulator.behave(Behaviour(gate="never"))
    async with serving(config) as proxy:
        file.rename(away)
        call = asyncio.ensure_future(answered(proxy.base_url, body))
        await simulator.until(lambda: simulator.in_flight == 1)
        proxy.process.kill()
        await proxy.until_it_ends()
        await asyncio.gather(call, return_exceptions=True)
    away.rename(file)
    async with serving(config) as proxy:
        assert [line["records"] for line in proxy.events("settlements_adopted")] == [1]
    async with books_of(tmp_path) as books:
        audit = await books.verify()
        (balance,) = await books.all_balances()
    assert (audit.differences, balance.reserved) == ((), 0)
    assert audit.charged >= simulator.total_microcents
    assert audit.charged > 0
