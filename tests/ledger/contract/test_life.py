"""The life of a hold, from the reserve to its one end."""

import pytest

from proxy.domain.errors import ActorRequired, BudgetRefused, Reason, ReservationFinalized
from proxy.domain.reservation import OnExpiry, Overage, State
from proxy.ledger.journal import Kind
from proxy.ledger.records import Swept
from tests.ledger.builders import (
    BOT,
    CLI,
    DEV,
    USD,
    ask,
    balance_of,
    charge_late,
    commit,
    declare,
    grow,
    hold,
    line,
    rung,
    usd,
)
from tests.ledger.harness import MINUTE_MS, NOON_MS, Harness, Home

QUARTER_MS = 15 * MINUTE_MS


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """A tenant with 1000 and an agent with 500."""
    await declare(harness.ledger, line(DEV, 1000), line(BOT, 500))


async def test_a_hold_takes_room_in_every_budget_of_its_subject(ledger: Home) -> None:
    grant = await ledger.reserve(ask(100, metadata={"model": "gpt"}))
    assert [(b.scope, b.reserved, b.remaining) for b in grant.balances] == [
        (DEV, 100, 900),
        (BOT, 100, 400),
    ]
    assert (grant.amounts, grant.rung) == (usd(100), 0)
    assert grant.affected_scopes == (DEV, BOT)
    assert grant.expires_at_ms == NOON_MS + MINUTE_MS
    assert grant.remaining_ttl_ms == MINUTE_MS
    row = await ledger.reservation(grant.reservation_id)
    assert (row.state, row.amounts, row.charged) == (State.ACTIVE, usd(100), None)
    assert (row.scope_path, row.tenant) == (BOT, "dev")
    assert row.metadata == {"model": "gpt"}


async def test_no_other_agent_is_touched(ledger: Home) -> None:
    await declare(ledger, line(DEV, 1000), line(BOT, 500), line(CLI, 500))
    await hold(ledger, 100)
    assert (await balance_of(ledger, CLI)).reserved == 0


async def test_the_granted_rung_is_the_one_that_fits(ledger: Home) -> None:
    grant = await ledger.reserve(ask(plan=[rung(600, 600), rung(10, 600)], max_share_pct=50))
    assert (grant.rung, grant.amounts) == (1, usd(250))
    assert (await ledger.reservation(grant.reservation_id)).amounts == usd(250)


async def test_a_commit_charges_the_actual_and_gives_back_the_rest(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    settled = await ledger.commit(
        reservation_id,
        actual=usd(30),
        key="settle",
        payload_hash="",
        estimated=True,
        metadata={"served_model": "mini"},
    )
    assert settled.state is State.COMMITTED
    assert (settled.charged, settled.released, settled.uncovered) == (usd(30), usd(70), usd(0))
    assert [(b.spent, b.reserved, b.remaining) for b in settled.balances] == [
        (30, 0, 970),
        (30, 0, 470),
    ]
    row = await ledger.reservation(reservation_id)
    assert (row.charged, row.estimated, row.finalized_at_ms) == (usd(30), True, NOON_MS)
    assert row.settled_metadata == {"served_model": "mini"}


async def test_a_release_gives_back_everything(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    settled = await ledger.release(reservation_id, key="give back")
    assert (settled.state, settled.charged, settled.released) == (State.RELEASED, usd(0), usd(100))
    assert [balance.remaining for balance in settled.balances] == [1000, 500]


async def test_whoever_knows_that_nothing_is_billed_gives_a_dispatched_hold_back(
    ledger: Home,
) -> None:
    """The upstream answered 4xx or 5xx: no operator is needed for that."""
    reservation_id = await hold(ledger, 100, dispatched=True)
    assert (await ledger.release(reservation_id, key="give back")).state is State.RELEASED


async def test_only_a_person_gives_up_an_uncertain_hold(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    await ledger.mark_uncertain(reservation_id)
    with pytest.raises(ActorRequired):
        await ledger.release(reservation_id, key="give back")
    assert (await ledger.reservation(reservation_id)).state is State.UNCERTAIN

    settled = await ledger.release(reservation_id, key="give back", actor="ops")
    assert settled.state is State.RELEASED
    (*_, entry) = await ledger.journal("dev", after_seq=0, limit=100)
    assert (entry.kind, entry.actor, entry.reservation_id) == (Kind.RELEASE, "ops", reservation_id)


async def test_an_uncertain_hold_stays_reserved_and_is_listed(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    await ledger.mark_uncertain(reservation_id)
    balance = await balance_of(ledger, BOT)
    assert (balance.reserved, balance.uncertain, balance.remaining) == (100, 100, 400)
    (row,) = await ledger.reservations(states=frozenset({State.UNCERTAIN}), limit=10)
    assert row.reservation_id == reservation_id
    assert (await ledger.verify()).uncertain == 100


async def test_marking_twice_is_marking_once(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    await ledger.mark_uncertain(reservation_id)
    await ledger.mark_uncertain(reservation_id)
    assert (await balance_of(ledger, BOT)).uncertain == 100


async def test_dispatching_twice_is_dispatching_once(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    await ledger.dispatch(reservation_id)
    kinds = [entry.kind for entry in await ledger.journal("dev", after_seq=0, limit=100)]
    assert kinds.count(Kind.DISPATCH) == 1
    assert (await ledger.reservation(reservation_id)).dispatched


@pytest.mark.parametrize(("actual", "remaining"), [(40, 460), (100, 400), (130, 370), (0, 500)])
async def test_the_cost_of_an_uncertain_call_lands_whenever_it_is_known(
    harness: Harness, actual: int, remaining: int
) -> None:
    ledger = harness.ledger
    reservation_id = await hold(ledger, 100)
    await ledger.mark_uncertain(reservation_id)
    harness.advance_ms(14 * MINUTE_MS)
    assert await ledger.expire(limit=10) == Swept()
    settled = await commit(ledger, reservation_id, actual)
    assert settled.charged == usd(actual)
    balance = await balance_of(ledger, BOT)
    assert (balance.remaining, balance.uncertain, balance.reserved) == (remaining, 0, 0)


async def test_an_uncertain_hold_does_not_make_a_budget_busy(ledger: Home) -> None:
    reservation_id = await hold(ledger, 450)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(100))
    assert refusal.value.reason is Reason.BUDGET_BUSY
    await ledger.mark_uncertain(reservation_id)
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.reserve(ask(100))
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED


# Growing


async def test_a_hold_grows_in_all_its_budgets(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    grant = await grow(ledger, reservation_id, 50)
    assert grant.amounts == usd(150)
    assert [balance.reserved for balance in grant.balances] == [150, 150]
    settled = await commit(ledger, reservation_id, 140)
    assert (settled.charged, settled.released, settled.uncovered) == (usd(140), usd(10), usd(0))


async def test_a_hold_grows_in_none_if_one_has_no_room(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    with pytest.raises(BudgetRefused) as refusal:
        await grow(ledger, reservation_id, 401)
    assert refusal.value.shortage.scope == BOT
    assert refusal.value.reason is Reason.BUDGET_EXCEEDED
    assert (await balance_of(ledger, DEV)).reserved == 100
    assert (await grow(ledger, reservation_id, 400)).amounts == usd(500)


async def test_a_free_hold_that_grows_holds_nothing(ledger: Home) -> None:
    grant = await ledger.reserve(ask(0, free=[USD]))
    assert (await grow(ledger, grant.reservation_id, 5)).balances == ()
    assert (await balance_of(ledger, BOT)).reserved == 0


async def test_other_calls_in_flight_make_growing_busy(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    await hold(ledger, 400)
    with pytest.raises(BudgetRefused) as refusal:
        await grow(ledger, reservation_id, 1)
    assert refusal.value.reason is Reason.BUDGET_BUSY
    assert refusal.value.retry_after_ms == 1_000


# Costs that turn up late


async def test_a_call_that_an_operator_gave_up_is_charged_when_its_cost_turns_up(
    ledger: Home,
) -> None:
    reservation_id = await hold(ledger, 100)
    await ledger.release(reservation_id, key="give up", actor="ops")
    with pytest.raises(ReservationFinalized):
        await commit(ledger, reservation_id, 70)
    late = await charge_late(ledger, reservation_id, 70, key="settle")
    assert (late.state, late.charged, late.uncovered) == (State.RELEASED, usd(70), usd(0))
    assert (await balance_of(ledger, BOT)).spent == 70
    row = await ledger.reservation(reservation_id)
    assert (row.charged, row.estimated) == (usd(70), False)


async def test_a_late_cost_is_never_refused(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    await ledger.release(reservation_id, key="give up", actor="ops")
    await hold(ledger, 480)
    late = await charge_late(ledger, reservation_id, 70, key="settle")
    assert (late.charged, late.uncovered) == (usd(20), usd(50))
    assert (await balance_of(ledger, BOT)).is_over_limit
    again = await charge_late(ledger, reservation_id, 75, key="more")
    assert (again.charged, again.uncovered) == (usd(20), usd(55)), "only what was not known before"


async def test_a_lapsed_hold_is_ended_before_it_is_charged_late(harness: Harness) -> None:
    ledger = harness.ledger
    request = ask(100, on_expiry=OnExpiry.RELEASE, overage=Overage.REJECT)
    reservation_id = (await ledger.reserve(request)).reservation_id
    harness.advance_ms(MINUTE_MS + 1)
    late = await charge_late(ledger, reservation_id, 120)
    assert (late.state, late.charged) == (State.EXPIRED, usd(120))
    assert (await balance_of(ledger, BOT)).reserved == 0


@pytest.mark.parametrize(("actual", "charged", "estimated"), [(130, 130, False), (40, 100, True)])
async def test_an_estimate_is_raised_to_the_actual_and_never_lowered(
    harness: Harness, actual: int, charged: int, estimated: bool
) -> None:
    ledger = harness.ledger
    reservation_id = await hold(ledger, 100)
    await ledger.mark_uncertain(reservation_id)
    harness.advance_ms(QUARTER_MS)
    await ledger.expire(limit=10)
    late = await charge_late(ledger, reservation_id, actual)
    assert (late.charged, late.uncovered) == (usd(charged), usd(0))
    assert (await balance_of(ledger, BOT)).spent == charged
    assert (await ledger.reservation(reservation_id)).estimated is estimated


async def test_operators_see_the_newest_rows_of_the_states_they_ask_for(ledger: Home) -> None:
    first, second, third = [await hold(ledger, 1) for _ in range(3)]
    await ledger.release(second, key="give back")
    open_states = frozenset({State.ACTIVE, State.UNCERTAIN})
    await ledger.mark_uncertain(first)
    rows = await ledger.reservations(states=open_states, limit=10)
    assert [row.reservation_id for row in rows] == [third, first]
    (newest,) = await ledger.reservations(states=frozenset(State), limit=1)
    assert newest.reservation_id == third
    assert await ledger.balances([DEV, CLI], USD) == (await balance_of(ledger, DEV),)
