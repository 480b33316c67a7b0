"""What was spent without a hold: charged at once in all its budgets, and only once."""

import pytest
from msgspec.structs import replace

from proxy.domain.errors import (
    AmountOutOfRange,
    BudgetRefused,
    CommitRejected,
    IdempotencyMismatch,
    Reason,
    Refused,
    ReservationFinalized,
    UnitMismatch,
)
from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period
from proxy.domain.reservation import Overage, State
from proxy.domain.subject import Subject
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.records import BudgetStatus
from tests.ledger.builders import (
    BOT,
    DEV,
    TOKENS,
    USD,
    ask,
    balance_of,
    charge_late,
    declare,
    event,
    fund,
    hold,
    line,
    usd,
)
from tests.ledger.harness import DAY_MS, NOON_MS, Harness, Home


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """A tenant with 1000 and an agent with 500."""
    await declare(harness.ledger, line(DEV, 1_000), line(BOT, 500))


async def test_an_event_is_charged_in_every_budget_of_its_subject(ledger: Home) -> None:
    applied = await ledger.apply(event(30, trace_id="trace", price_version="prices 1"))
    settlement = applied.settlement
    assert (settlement.state, settlement.charged) == (State.COMMITTED, usd(30))
    assert (settlement.released, settlement.uncovered) == (usd(0), usd(0))
    assert [(b.scope, b.spent, b.reserved) for b in settlement.balances] == [
        (DEV, 30, 0),
        (BOT, 30, 0),
    ]
    (*_, entry) = await ledger.journal("dev", after_seq=0, limit=100)
    assert (entry.kind, entry.scope) == (Kind.EVENT, BOT)
    assert entry.reservation_id == applied.reservation_id
    assert (entry.trace_id, entry.price_version) == ("trace", "prices 1")
    assert [posting.change for posting in entry.postings] == [Amounts(spent=30)] * 2
    assert (await ledger.verify()).differences == ()


async def test_an_event_is_a_row_that_held_nothing(ledger: Home) -> None:
    applied = await ledger.apply(event(30, key="call 7", estimated=True))
    row = await ledger.reservation(applied.reservation_id)
    assert (row.key, row.state, row.scope_path) == ("call 7", State.COMMITTED, BOT)
    assert (row.amounts, row.charged, row.uncovered) == (usd(0), usd(30), usd(0))
    assert (row.estimated, row.created_at_ms, row.finalized_at_ms) == (True, NOON_MS, NOON_MS)
    (listed,) = await ledger.reservations(states=frozenset({State.COMMITTED}), limit=5)
    assert listed == row


async def test_an_event_is_charged_in_several_units_at_once(ledger: Home) -> None:
    await declare(ledger, line(DEV, 1_000), line(BOT, 50, unit=TOKENS))
    applied = await ledger.apply(event({USD: 30, TOKENS: 60}))
    assert applied.settlement.charged == {USD: 30, TOKENS: 50}
    assert applied.settlement.uncovered == {USD: 0, TOKENS: 10}


async def test_the_same_event_is_charged_once(ledger: Home) -> None:
    """LiteLLM #30460: a retry of a write that had landed counted again."""
    first = await ledger.apply(event(30, key="call 7"))
    await ledger.apply(event(5))
    assert await ledger.apply(event(30, key="call 7")) == first
    assert (await balance_of(ledger, DEV)).spent == 35


async def test_a_key_is_of_one_event_or_one_hold(ledger: Home) -> None:
    await ledger.apply(event(30, key="call 7"))
    await ledger.reserve(ask(30, key="call 8"))
    with pytest.raises(IdempotencyMismatch):
        await ledger.apply(event(30, key="call 7", payload_hash="other"))
    with pytest.raises(IdempotencyMismatch):
        await ledger.reserve(ask(30, key="call 7"))
    with pytest.raises(IdempotencyMismatch):
        await ledger.apply(event(30, key="call 8"))
    assert (await balance_of(ledger, DEV)).spent == 30


@pytest.mark.parametrize("is_spent", [True, False])
async def test_what_no_budget_can_fund_is_uncovered_and_paid_later(
    ledger: Home, is_spent: bool
) -> None:
    applied = await ledger.apply(event(530, is_spent=is_spent))
    assert applied.settlement.charged == usd(500)
    assert applied.settlement.uncovered == usd(30)
    assert (await balance_of(ledger, BOT)).is_over_limit
    await fund(ledger, BOT, 30)
    row = await ledger.reservation(applied.reservation_id)
    assert (row.charged, row.uncovered) == (usd(530), usd(0))
    assert (await ledger.verify()).differences == ()


@pytest.mark.parametrize(
    ("overage", "reason"),
    [
        (Overage.REJECT, Reason.BUDGET_EXCEEDED),
        (Overage.ALLOW_WITH_OVERDRAFT, Reason.OVERDRAFT_LIMIT_EXCEEDED),
    ],
)
async def test_the_overage_rule_refuses_an_event_unless_it_is_spent(
    ledger: Home, overage: Overage, reason: Reason
) -> None:
    await declare(ledger, line(DEV, 1_000), line(BOT, 500, overdraft_limit=10))
    before = await ledger.all_balances()
    with pytest.raises(CommitRejected) as rejection:
        await ledger.apply(event(511, overage=overage))
    assert rejection.value.reason is reason
    assert await ledger.all_balances() == before
    applied = await ledger.apply(event(511, overage=overage, is_spent=True))
    charged = applied.settlement.charged[USD] + applied.settlement.uncovered[USD]
    assert charged == 511


async def test_an_overdraft_lends_to_an_event(ledger: Home) -> None:
    await declare(ledger, line(DEV, 1_000), line(BOT, 500, overdraft_limit=40))
    applied = await ledger.apply(event(530, overage=Overage.ALLOW_WITH_OVERDRAFT))
    assert applied.settlement.charged == usd(530)
    assert (await balance_of(ledger, BOT)).debt == 30


@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_a_stopped_budget_refuses_an_event_unless_it_is_spent(
    ledger: Home, status: BudgetStatus
) -> None:
    await ledger.set_status(BOT, USD, status, actor="ops")
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.apply(event(30))
    assert refusal.value.reason.value == f"budget_{status.value.lower()}"
    assert (refusal.value.shortage.scope, refusal.value.shortage.required) == (BOT, 30)
    assert (await balance_of(ledger, DEV)).spent == 0
    assert (await ledger.apply(event(30, is_spent=True))).settlement.charged == usd(30)


async def test_debt_and_a_limit_that_is_passed_do_not_stop_an_event(ledger: Home) -> None:
    """Source: cycles-protocol-v0.yaml, /v1/events; a reserve is refused there."""
    await ledger.apply(event(530))
    with pytest.raises(BudgetRefused):
        await ledger.reserve(ask(0))
    again = await ledger.apply(event(5))
    assert (again.settlement.charged, again.settlement.uncovered) == (usd(0), usd(5))


async def test_an_event_without_a_budget_is_refused_unless_it_is_spent(ledger: Home) -> None:
    stranger = Subject(tenant="stranger")
    with pytest.raises(Refused) as refusal:
        await ledger.apply(event(30, subject=stranger))
    assert refusal.value.reason is Reason.BUDGET_NOT_FOUND
    with pytest.raises(UnitMismatch):
        await ledger.apply(event({TOKENS: 30}))
    for subject in (stranger, Subject()):
        applied = await ledger.apply(event(30, subject=subject, is_spent=True))
        assert (applied.settlement.charged, applied.settlement.balances) == (usd(30), ())
    applied = await ledger.apply(event({TOKENS: 30}, is_spent=True))
    assert applied.settlement.charged == {TOKENS: 30}
    audit = await ledger.verify()
    assert (audit.charged, audit.reservations, audit.differences) == (60, 3, ())


async def test_an_event_makes_the_budgets_of_templates(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/agent:*/run:*", 100), templates_max=1)
    applied = await ledger.apply(event(30, run="1"))
    assert [b.remaining for b in applied.settlement.balances] == [970, 470, 70]
    with pytest.raises(Refused) as refusal:
        await ledger.apply(event(30, run="2"))
    assert refusal.value.reason is Reason.TEMPLATE_LIMIT
    spent = await ledger.apply(event(30, run="2", is_spent=True))
    assert [b.remaining for b in spent.settlement.balances] == [940, 440, 70]
    with pytest.raises(Refused):
        await ledger.reserve(ask(1, run="3"))


async def test_a_refused_event_makes_no_budget(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/agent:*/run:*", 100))
    with pytest.raises(CommitRejected):
        await ledger.apply(event(101, run="1", overage=Overage.REJECT))
    assert len(await ledger.all_balances()) == 2


async def test_an_event_that_was_estimated_is_brought_up_to_its_actual(ledger: Home) -> None:
    estimated = await ledger.apply(event(30, estimated=True))
    late = await charge_late(ledger, estimated.reservation_id, 50)
    assert (late.charged, late.state) == (usd(50), State.COMMITTED)
    known = await ledger.apply(event(30, key="call 7"))
    with pytest.raises(ReservationFinalized):
        await charge_late(ledger, known.reservation_id, 50)
    for key in ("settle", "call 7"):
        with pytest.raises(ReservationFinalized):
            await ledger.commit(known.reservation_id, actual=usd(30), key=key, payload_hash="body")
    assert (await balance_of(ledger, DEV)).spent == 80


async def test_an_event_belongs_to_the_windows_of_its_moment(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=Period.DAY))
    await hold(ledger, 90)
    harness.advance_ms(DAY_MS)
    applied = await ledger.apply(event(90))
    (today,) = [b for b in applied.settlement.balances if b.period == Period.DAY]
    assert (today.window_start_ms, today.remaining) == (NOON_MS + DAY_MS // 2, 10)


async def test_an_event_is_an_amount(ledger: Home) -> None:
    for amount in (-1, INT64_MAX + 1):
        with pytest.raises(AmountOutOfRange):
            await ledger.apply(event(amount, is_spent=True))
    largest = event(INT64_MAX, is_spent=True)
    assert (await ledger.apply(largest)).settlement.uncovered == usd(INT64_MAX - 500)
    with pytest.raises(AmountOutOfRange):
        await ledger.apply(replace(largest, key="another"))
