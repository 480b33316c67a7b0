"""Budgets in risk points beside money: both are held, and points pay for nothing."""

import pytest

from proxy.domain.errors import UnitMismatch
from tests.ledger.builders import DEV, POINTS, TOKENS, USD, ask, commit, declare, line
from tests.ledger.harness import Home

RISKY = {USD: 1, TOKENS: 1, POINTS: 5}


async def test_points_pay_for_nothing_that_costs_money_or_tokens(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100, unit=POINTS))

    with pytest.raises(UnitMismatch):
        await ledger.reserve(ask(RISKY))
    assert (await ledger.reserve(ask({POINTS: 5}))).amounts == {POINTS: 5}


async def test_a_call_without_a_budget_in_points_is_as_one_without_risk(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))

    grant = await ledger.reserve(ask(RISKY))
    settled = await commit(ledger, grant.reservation_id, {USD: 1, TOKENS: 1, POINTS: 50})

    assert [balance.unit for balance in settled.balances] == [USD]
    assert (settled.charged[USD], settled.uncovered[USD]) == (1, 0)
    assert (settled.charged[POINTS], settled.uncovered[POINTS]) == (50, 0)


async def test_points_beyond_the_hold_are_charged_as_far_as_they_are_there(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(DEV, 12, unit=POINTS))

    grant = await ledger.reserve(ask(RISKY))
    settled = await commit(ledger, grant.reservation_id, {USD: 1, TOKENS: 1, POINTS: 15})

    assert (settled.charged[POINTS], settled.uncovered[POINTS]) == (12, 3)
    (points,) = [balance for balance in settled.balances if balance.unit is POINTS]
    assert (points.remaining, points.is_over_limit) == (0, True)
