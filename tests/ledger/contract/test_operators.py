"""What people do to budgets by hand, and what they find in the books."""

import pytest

from proxy.domain.errors import (
    BudgetRefused,
    Reason,
    Refused,
    ReservationNotFound,
)
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import OPEN
from proxy.domain.scope import Scope
from proxy.domain.subject import Subject
from proxy.ledger.journal import Kind, replay
from proxy.ledger.records import BudgetStatus
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    TOKENS,
    USD,
    ask,
    balance_of,
    charge_late,
    commit,
    declare,
    fund,
    grow,
    hold,
    line,
    spend,
    usd,
)
from tests.ledger.harness import DAY_MS, HOUR_MS, Harness, Home

LIFETIME = Period.LIFETIME


@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_a_stopped_budget_holds_nothing_new_and_settles_everything(
    ledger: Home, status: BudgetStatus
) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 100))
    first, second = await hold(ledger, 10), await hold(ledger, 10)
    (balance,) = await ledger.set_status(DEV, USD, status, actor="ops")
    assert balance.status is status
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(1))
    with pytest.raises(BudgetRefused):
        await grow(ledger, first, 1)
    assert (await commit(ledger, first, 15)).charged == usd(15)
    assert (await ledger.release(second, key="r")).released == usd(10)
    await ledger.set_status(DEV, USD, BudgetStatus.ACTIVE, actor="ops")
    assert (await ledger.reserve(ask(1))).amounts == usd(1)


async def test_a_status_holds_for_every_period_of_a_scope(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(DEV, 100, period=Period.DAY))
    balances = await ledger.set_status(DEV, USD, BudgetStatus.FROZEN, actor="ops")
    assert [balance.status for balance in balances] == [BudgetStatus.FROZEN] * 2
    harness.advance_ms(DAY_MS)
    assert (await balance_of(ledger, DEV, Period.DAY)).status is BudgetStatus.FROZEN


@pytest.mark.parametrize(
    ("scope", "unit", "period"),
    [(DEV, USD, LIFETIME), (BOT, TOKENS, LIFETIME), (BOT, USD, Period.DAY)],
)
async def test_a_budget_that_is_not_there_cannot_be_changed(
    ledger: Home, scope: Scope, unit: Unit, period: Period
) -> None:
    await declare(ledger, line("tenant:dev/agent:*", 100))
    with pytest.raises(Refused) as refusal:
        await fund(ledger, scope, 1, period=period, unit=unit)
    assert refusal.value.reason is Reason.BUDGET_NOT_FOUND
    if period is LIFETIME:
        with pytest.raises(Refused) as refusal:
            await ledger.set_status(scope, unit, BudgetStatus.FROZEN, actor="ops")
        assert refusal.value.reason is Reason.BUDGET_NOT_FOUND
    assert await ledger.all_balances() == ()


async def test_the_budgets_of_one_tenant_are_those_of_all_that_are_its_own(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 50), line("tenant:devil", 20))
    dev, bot, devil = await ledger.all_balances()
    assert await ledger.all_balances("dev") == (dev, bot)
    assert await ledger.all_balances("devil") == (devil,)
    assert await ledger.all_balances("nobody") == ()


async def test_a_row_that_is_not_there_is_not_found(ledger: Home) -> None:
    with pytest.raises(ReservationNotFound, match="rsv_unknown"):
        await ledger.reservation("rsv_unknown")


async def test_uncertain_holds_are_counted_until_somebody_decides(ledger: Home) -> None:
    assert await ledger.count_uncertain() == 0
    other = Scope("tenant:other")
    await declare(ledger, line(DEV, 100), line(other, 100))
    held = [await hold(ledger, 10) for _ in range(3)]
    elsewhere = await ledger.reserve(ask(10, subject=Subject(tenant="other")))
    held.append(elsewhere.reservation_id)
    assert await ledger.count_uncertain() == 0
    for reservation_id in held:
        await ledger.mark_uncertain(reservation_id)
    assert await ledger.count_uncertain() == 4
    await commit(ledger, held[0], 10)
    await ledger.release(held[1], key="end", actor="ops")
    assert await ledger.count_uncertain() == 2


async def test_the_journal_tells_the_story_of_a_call(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(BOT, 50))
    reservation_id = await hold(ledger, 20)
    await commit(ledger, reservation_id, 15)
    entries = await ledger.journal("dev", after_seq=0, limit=100)
    assert [entry.kind for entry in entries] == [
        Kind.OPEN,
        Kind.OPEN,
        Kind.RESERVE,
        Kind.DISPATCH,
        Kind.COMMIT,
    ]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4, 5]
    remaining = [
        sorted(amounts.remaining for amounts in windows.values()) for _, windows in replay(entries)
    ]
    assert remaining == [[100], [50, 100], [30, 80], [30, 80], [35, 85]]


async def test_the_journal_is_read_page_by_page(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100))
    for _ in range(3):
        await spend(ledger, 1)
    whole = await ledger.journal("dev", after_seq=0, limit=100)
    pages = [await ledger.journal("dev", after_seq=after, limit=4) for after in (0, 4, 8)]
    assert tuple(entry for page in pages for entry in page) == whole
    assert await ledger.journal("nobody", after_seq=0, limit=4) == ()


async def test_each_tenant_has_a_journal_of_its_own(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line("tenant:other", 100))
    (entry,) = await ledger.journal("other", after_seq=0, limit=10)
    assert (entry.seq, entry.kind) == (1, Kind.OPEN)
    audit = await ledger.verify()
    assert (audit.entries, audit.reservations, audit.differences) == (2, 0, ())


async def test_verify_adds_up_what_is_in_dollars(ledger: Home) -> None:
    await declare(ledger, line(DEV, 100), line(DEV, 100, unit=TOKENS))
    await spend(ledger, 30)
    await spend(ledger, {TOKENS: 50})
    audit = await ledger.verify()
    assert (audit.charged, audit.reservations) == (30, 2)


async def test_a_freeze_stops_the_next_reserve_and_lists_what_is_open_below(ledger: Home) -> None:
    """The kill switch: nothing new from the moment it has returned; what runs is shown."""
    await declare(ledger, line(DEV, 100), line(BOT, 100), line(CLI, 100))
    await spend(ledger, 1)
    first = await hold(ledger, 10)
    other = await hold(ledger, 10, agent="cli")
    second = await hold(ledger, 10, run="1")
    await ledger.mark_uncertain(second)
    await ledger.set_status(BOT, None, BudgetStatus.FROZEN, actor="ops")
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(0))
    assert refusal.value.reason is Reason.BUDGET_FROZEN
    running = await ledger.reservations(states=OPEN, limit=10, scope=BOT)
    assert [row.reservation_id for row in running] == [second, first]
    assert (await ledger.reserve(ask(1, agent="cli"))).amounts == usd(1)
    await ledger.set_status(DEV, None, BudgetStatus.FROZEN, actor="ops")
    running = await ledger.reservations(states=OPEN, limit=3, scope=DEV)
    assert [row.reservation_id for row in running[1:]] == [second, other]


async def test_rows_are_listed_at_a_scope_and_below_it_and_nowhere_else(ledger: Home) -> None:
    await declare(ledger, line("tenant:*", 100))
    tenants = [Subject(tenant="dev"), Subject(tenant="device"), Subject(tenant="dev", app="a")]
    ids = [(await ledger.reserve(ask(1, subject=tenant))).reservation_id for tenant in tenants]
    rows = await ledger.reservations(states=OPEN, limit=10, scope=DEV)
    assert [row.reservation_id for row in rows] == [ids[2], ids[0]]
    below = Scope("tenant:dev/app:a")
    (row,) = await ledger.reservations(states=OPEN, limit=10, scope=below)
    assert row.reservation_id == ids[2]
    assert await ledger.reservations(states=OPEN, limit=10, scope=BOT) == ()


async def test_every_entry_of_a_hold_names_its_trace_and_its_prices(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100), line(BOT, 50))
    request = ask(40, trace_id="trace 7", price_version="prices 3", ttl_ms=HOUR_MS)
    reservation_id = (await ledger.reserve(request)).reservation_id
    await ledger.dispatch(reservation_id)
    await grow(ledger, reservation_id, 5)
    await ledger.extend(reservation_id, by_ms=1, key="beat")
    await ledger.mark_uncertain(reservation_id)
    harness.advance_ms(HOUR_MS)
    await ledger.expire(limit=10)
    await charge_late(ledger, reservation_id, 60)
    await fund(ledger, BOT, 100)
    entries = [
        entry
        for entry in await ledger.journal("dev", after_seq=0, limit=100)
        if entry.reservation_id is not None
    ]
    assert [entry.kind for entry in entries] == [
        *(Kind.RESERVE, Kind.DISPATCH, Kind.GROW, Kind.EXTEND, Kind.MARK_UNCERTAIN),
        *(Kind.COMMIT, Kind.CHARGE_LATE, Kind.REPAY),
    ]
    said = {(e.reservation_id, e.scope, e.trace_id, e.price_version) for e in entries}
    assert said == {(reservation_id, BOT, "trace 7", "prices 3")}
    row = await ledger.reservation(reservation_id)
    assert (row.trace_id, row.price_version) == ("trace 7", "prices 3")


async def test_every_entry_of_a_budget_names_it(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(BOT, 50, period=Period.DAY))
    await ledger.set_status(BOT, None, BudgetStatus.FROZEN, actor="ops")
    await declare(ledger, line(BOT, 60, period=Period.DAY))
    harness.advance_ms(DAY_MS)
    await declare(ledger, line(BOT, 70, period=Period.DAY))
    entries = await ledger.journal("dev", after_seq=0, limit=100)
    assert [(entry.kind, entry.actor, entry.scope) for entry in entries] == [
        (Kind.OPEN, "", BOT),
        (Kind.SET_STATUS, "ops", BOT),
        (Kind.DECLARE, "config", BOT),
        (Kind.OPEN, "", BOT),
        (Kind.DECLARE, "config", BOT),
    ]


async def test_tenants_are_those_with_a_journal(ledger: Home) -> None:
    await declare(ledger, line("tenant:b", 1), line("tenant:a", 1), line("workspace:w", 1))
    assert await ledger.tenants() == ("", "a", "b")
