"""More than the hold, and more than the budget: what cannot be funded is shown, never lost."""

from pathlib import Path
from typing import Any

import pytest

from proxy.domain.errors import Reason
from proxy.domain.money import MICROCENTS_PER_USD
from proxy.ledger.records import FundOperation
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.hostile.outcomes import Mode, body_of, run
from tests.e2e.stack import BUDGET, Stack, charged, held, paid, running
from tests.e2e.wire import answered, exchange, request_bytes

# gpt-4o: the dearest call below holds its input and 200 tokens at $10 a million: about $0.002.
CENT = MICROCENTS_PER_USD // 100
LIMITLESS = Behaviour(output_tokens=4_000, ignore_limit=True, tokens_per_event=100)

HOSTILE = {
    "more than the limit": LIMITLESS,
    "more input than we counted": Behaviour(extra_prompt_tokens=50_000),
    "more answers than n": Behaviour(extra_choices=9, output_tokens=199),
    "a dearer model": Behaviour(model="gpt-4", output_tokens=199, extra_prompt_tokens=1_000),
    "a dearer tier": Behaviour(service_tier="priority", extra_prompt_tokens=9_000),
}


def a_cent(**more: object) -> list[dict[str, object]]:
    return [{"scope": "tenant:dev", "allocated": CENT, "period": "none", **more}]


async def uncovered_metric(stack: Stack) -> float:
    came = await exchange(stack.admin_url, request_bytes(method="GET", path="/metrics"))
    lines = [line for line in came.decode().splitlines() if "uncovered_usd_total " in line]
    return float(lines[-1].split(" ")[1])


@pytest.mark.parametrize("mode", [Mode.JSON, Mode.STREAM])
@pytest.mark.parametrize("name", HOSTILE)
async def test_what_no_budget_can_fund_is_uncovered(
    tmp_path: Path, simulator: Simulator, name: str, mode: Mode
) -> None:
    """Semantics 1.2: charged + uncovered is the bill, and uncovered is shown everywhere."""
    async with running(tmp_path, simulator, budgets=a_cent()) as stack:
        outcome = await run(stack, mode, HOSTILE[name], body_of(mode))

        bill, row = outcome.bill.amount_microcents, outcome.row
        assert bill > CENT
        assert (charged(row), paid(row), row.estimated) == (CENT, bill, False)
        balance = await stack.balance()
        assert (balance.spent, balance.reserved, balance.debt) == (CENT, 0, 0)
        assert (balance.uncovered, balance.is_over_limit) == (bill - CENT, True)
        assert await stack.charged_and_uncovered() == (CENT, bill - CENT)
        (line,) = stack.log.events("call")
        assert line["uncovered_microcents"] == bill - CENT
        shown = await uncovered_metric(stack)
        assert round(shown * MICROCENTS_PER_USD) == bill - CENT


async def test_the_budget_has_room_then_nothing_is_uncovered(
    tmp_path: Path, simulator: Simulator
) -> None:
    """The same upstream, and a budget that can pay more than the hold."""
    async with running(tmp_path, simulator) as stack:
        outcome = await run(stack, Mode.JSON, LIMITLESS, body_of(Mode.JSON))

        bill, row = outcome.bill.amount_microcents, outcome.row
        assert held(row) < bill
        assert (charged(row), paid(row)) == (bill, bill)
        assert not (await stack.balance()).is_over_limit


async def test_nothing_leaves_from_a_budget_that_could_not_pay_until_it_is_funded(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with running(tmp_path, simulator, budgets=a_cent()) as stack:
        outcome = await run(stack, Mode.JSON, LIMITLESS, body_of(Mode.JSON))
        simulator.behave(Behaviour())

        refused = await answered(stack.base_url, body_of(Mode.JSON))
        seen = len(simulator.requests_seen)
        await stack.books.fund(BUDGET, FundOperation.CREDIT, 10 * CENT, actor="operator")
        # Another question: the answer to the first one is remembered for a moment.
        allowed = await answered(stack.base_url, body_of(Mode.JSON, max_tokens=150))

        budget: dict[str, Any] = refused.error()["budget"]
        assert refused.status == 429
        assert budget["reason"] == Reason.OVERDRAFT_LIMIT_EXCEEDED
        assert seen == 1
        assert allowed.status == 200
        balance = await stack.balance()
        assert not balance.is_over_limit
        assert balance.spent + balance.uncovered >= outcome.bill.amount_microcents
        charged, uncovered = await stack.charged_and_uncovered()
        assert charged + uncovered == simulator.total_microcents


@pytest.mark.parametrize(("limit", "debt_cents"), [("$0.02", 2), ("$5.00", None)])
async def test_an_overdraft_takes_what_it_may_into_debt(
    tmp_path: Path, simulator: Simulator, limit: str, debt_cents: int | None
) -> None:
    """What is beyond the limit stays uncovered."""
    async with running(
        tmp_path,
        simulator,
        budgets=a_cent(overdraft_limit=limit),
        settle={"overage": "ALLOW_WITH_OVERDRAFT"},
    ) as stack:
        outcome = await run(stack, Mode.JSON, LIMITLESS, body_of(Mode.JSON))

        bill = outcome.bill.amount_microcents
        debt = bill - CENT if debt_cents is None else debt_cents * CENT
        balance = await stack.balance()
        assert (balance.spent, balance.debt) == (CENT, debt)
        assert charged(outcome.row) == CENT + debt
        assert paid(outcome.row) == bill
