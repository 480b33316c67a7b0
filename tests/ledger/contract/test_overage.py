"""Costs above the hold, through a home: what is charged, owed, and charged later."""

import pytest

from proxy.domain.errors import BudgetRefused, CommitRejected, Reason
from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage
from proxy.ledger.journal import Kind
from proxy.ledger.records import Balance, Settlement
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    USD,
    ask,
    balance_of,
    commit,
    declare,
    fund,
    hold,
    line,
    usd,
)
from tests.ledger.harness import DAY_MS, Harness, Home


async def settle(
    ledger: Home,
    *,
    held: int,
    actual: int,
    agent: str = "bot",
    overage: Overage = Overage.ALLOW_IF_AVAILABLE,
    on_expiry: OnExpiry = OnExpiry.UNCERTAIN,
) -> tuple[str, Settlement]:
    request = ask(held, agent=agent, overage=overage, on_expiry=on_expiry)
    grant = await ledger.reserve(request)
    settlement = await commit(ledger, grant.reservation_id, actual)
    return grant.reservation_id, settlement


def figures(balance: Balance) -> tuple[int, int, int, int, bool]:
    return (
        balance.spent,
        balance.debt,
        balance.uncovered,
        balance.remaining,
        balance.is_over_limit,
    )


async def test_what_no_budget_can_fund_is_uncovered(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 50))
    reservation_id, settled = await settle(ledger, held=40, actual=65)
    assert (settled.charged, settled.uncovered, settled.released) == (usd(50), usd(15), usd(0))
    assert figures(await balance_of(ledger, DEV)) == (50, 0, 15, 50, False)
    assert figures(await balance_of(ledger, BOT)) == (50, 0, 15, 0, True)
    row = await ledger.reservation(reservation_id)
    assert (row.charged, row.uncovered) == (usd(50), usd(15))
    audit = await ledger.verify()
    assert (audit.charged, audit.uncovered, audit.differences) == (50, 15, ())


async def test_only_the_budget_that_lacked_the_money_is_blocked(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 50), line(CLI, 50))
    await settle(ledger, held=40, actual=65)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0))
    assert refusal.value.reason is Reason.OVERDRAFT_LIMIT_EXCEEDED
    assert refusal.value.shortage.scope == BOT
    assert (await ledger.reserve(ask(10, agent="cli"))).amounts == usd(10)


async def test_an_overdraft_lends_up_to_its_limit(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 50, overdraft_limit=10))
    overdraft = Overage.ALLOW_WITH_OVERDRAFT
    _, settled = await settle(ledger, held=40, actual=65, overage=overdraft)
    assert (settled.charged, settled.uncovered) == (usd(60), usd(5))
    assert figures(await balance_of(ledger, BOT)) == (50, 10, 5, -10, True)
    assert figures(await balance_of(ledger, DEV)) == (60, 0, 5, 40, False)


async def test_debt_within_the_limit_blocks_nothing(ledger: Home) -> None:
    await declare(ledger, line(DEV, 50, overdraft_limit=10))
    await settle(ledger, held=40, actual=55, overage=Overage.ALLOW_WITH_OVERDRAFT)
    await fund(ledger, DEV, 20)
    assert figures(await balance_of(ledger, DEV)) == (55, 0, 0, 15, False)


async def test_a_full_overdraft_refuses_a_commit_over_the_protocol(ledger: Home) -> None:
    await declare(ledger, line(DEV, 50, overdraft_limit=10))
    before = await balance_of(ledger, DEV)
    with pytest.raises(CommitRejected) as rejection:
        await settle(
            ledger,
            held=40,
            actual=65,
            overage=Overage.ALLOW_WITH_OVERDRAFT,
            on_expiry=OnExpiry.RELEASE,
        )
    assert rejection.value.reason is Reason.OVERDRAFT_LIMIT_EXCEEDED
    after = await balance_of(ledger, DEV)
    assert (after.reserved, after.spent) == (before.reserved + 40, before.spent)


@pytest.mark.parametrize(
    ("gives", "paid"),
    [("release", True), ("release little", False), ("fund", True), ("declare", True)],
)
async def test_what_is_owed_is_charged_once_there_is_room(
    ledger: Home, gives: str, paid: bool
) -> None:
    """A microcent never blocks a tenant for ever."""
    await declare(ledger, line(DEV, 100))
    much, little = await hold(ledger, 30), await hold(ledger, 14)
    reservation_id, settled = await settle(ledger, held=50, actual=71)
    assert (settled.charged, settled.uncovered) == (usd(56), usd(15))
    match gives:
        case "release":
            await ledger.release(much, key="give back")
        case "release little":
            await ledger.release(little, key="give back")
        case "fund":
            await fund(ledger, DEV, 15)
        case "declare":
            await declare(ledger, line(DEV, 115))
    row = await ledger.reservation(reservation_id)
    assert (row.charged, row.uncovered) == ((usd(71), usd(0)) if paid else (usd(56), usd(15)))
    balance = await balance_of(ledger, DEV)
    assert balance.is_over_limit is not paid
    assert balance.uncovered == (0 if paid else 15)
    assert (await ledger.verify()).differences == ()


async def test_the_row_of_the_charge_keeps_its_first_answer(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    reservation_id, settled = await settle(ledger, held=50, actual=115)
    await fund(ledger, DEV, 15)
    again = await commit(ledger, reservation_id, 115)
    assert again == settled


async def test_the_oldest_is_paid_first(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    first = await ledger.reserve(ask(50))
    second = await ledger.reserve(ask(50))
    for grant, actual in ((second, 58), (first, 60)):
        await commit(ledger, grant.reservation_id, actual)
    await fund(ledger, DEV, 17)
    assert (await ledger.reservation(first.reservation_id)).uncovered == usd(0)
    assert (await ledger.reservation(second.reservation_id)).uncovered == usd(8)
    kinds = [entry.kind for entry in await ledger.journal("dev", after_seq=0, limit=100)]
    assert kinds.count(Kind.REPAY) == 1


async def test_of_very_many_the_oldest_are_paid_first(ledger: Home) -> None:
    """One operation pays at most a hundred, the next one more."""
    await declare(ledger, line(DEV, 0))
    grants = [await ledger.reserve(ask(0)) for _ in range(103)]
    for grant in grants:
        await commit(ledger, grant.reservation_id, 1)
    for funds, owed in ((1, 102), (101, 2), (1, 0)):
        await fund(ledger, DEV, funds)
        rows = [await ledger.reservation(grant.reservation_id) for grant in grants]
        assert [row.uncovered[USD] for row in rows] == [0] * (103 - owed) + [1] * owed
    assert (await balance_of(ledger, DEV)).remaining == 0


async def test_what_two_budgets_owe_waits_for_both(ledger: Home) -> None:
    await declare(ledger, line(DEV, 50), line(BOT, 50))
    reservation_id, _ = await settle(ledger, held=40, actual=60)
    await fund(ledger, DEV, 100)
    assert (await ledger.reservation(reservation_id)).uncovered == usd(10)
    assert not (await balance_of(ledger, DEV)).is_over_limit, "funding ends it"
    assert (await balance_of(ledger, BOT)).is_over_limit
    await fund(ledger, BOT, 10)
    assert (await ledger.reservation(reservation_id)).uncovered == usd(0)
    assert figures(await balance_of(ledger, BOT)) == (60, 0, 0, 0, False)


async def test_a_budget_is_relieved_when_it_covers_what_it_owes(ledger: Home) -> None:
    """The agent cannot pay its part yet; the tenant can, and is not blocked for it."""
    await declare(ledger, line(DEV, 110), line(BOT, 50), line(CLI, 100))
    waiting = await hold(ledger, 40, agent="cli")
    await settle(ledger, held=40, actual=60)
    assert (await balance_of(ledger, DEV)).is_over_limit is False
    late = await ledger.reserve(ask(0, agent="cli"))
    await commit(ledger, late.reservation_id, 29)
    tenant = await balance_of(ledger, DEV)
    assert (tenant.uncovered, tenant.remaining, tenant.is_over_limit) == (19, 0, True)
    await ledger.release(waiting, key="give back")
    tenant = await balance_of(ledger, DEV)
    assert (tenant.uncovered, tenant.remaining, tenant.is_over_limit) == (10, 31, False)
    kinds = [entry.kind for entry in await ledger.journal("dev", after_seq=0, limit=100)]
    assert kinds[-3:] == [Kind.RELEASE, Kind.REPAY, Kind.RELIEVE]


async def test_a_new_window_is_not_over_its_limit(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 50, period=Period.DAY))
    await settle(ledger, held=40, actual=60)
    harness.advance_ms(DAY_MS)
    assert (await ledger.reserve(ask(50))).amounts == usd(50)
    balance = await balance_of(ledger, DEV)
    assert (balance.is_over_limit, balance.uncovered) == (False, 0)
    assert (await ledger.verify()).uncovered == 10, "the old window still shows it"
