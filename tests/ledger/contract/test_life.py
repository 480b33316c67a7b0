"""The life of a hold, from the reserve to its one end."""

import pytest

from proxy.domain.errors import (
    ActorRequired,
    BudgetRefused,
    ExtensionsExhausted,
    Reason,
    ReservationFinalized,
)
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
from tests.ledger.harness import (
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    SECOND_MS,
    Harness,
    Home,
)

QUARTER_MS = 15 * MINUTE_MS


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """A tenant with 1000 and an agent with 500."""
    await declare(harness.ledger, line(DEV, 1000), line(BOT, 500))


async def state_of(ledger: Home, reservation_id: str) -> State:
    return (await ledger.reservation(reservation_id)).state


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
    assert await state_of(ledger, reservation_id) is State.UNCERTAIN

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


# Leases


async def test_a_lease_that_ends_unused_is_given_back_only_if_nothing_left(
    harness: Harness,
) -> None:
    """LiteLLM #27639: a hold nobody settles must not block for ever, nor be free."""
    ledger = harness.ledger
    stayed = await hold(ledger, 100, dispatched=False)
    left = await hold(ledger, 100, dispatched=True)
    protocol = (await ledger.reserve(ask(100, on_expiry=OnExpiry.RELEASE))).reservation_id
    harness.advance_ms(MINUTE_MS)
    assert await ledger.expire(limit=10) == Swept(), "its last millisecond still counts"
    harness.advance_ms(1)
    swept = await ledger.expire(limit=10)
    assert swept == Swept(expired=(protocol,), released=(stayed,), uncertain=(left,))
    assert await state_of(ledger, protocol) is State.EXPIRED
    assert (await balance_of(ledger, BOT)).reserved == 100


async def test_the_grace_comes_after_the_lease(harness: Harness) -> None:
    request = ask(100, grace_ms=5 * SECOND_MS, on_expiry=OnExpiry.RELEASE)
    grant = await harness.ledger.reserve(request)
    harness.advance_ms(MINUTE_MS + 5 * SECOND_MS)
    assert (await harness.ledger.expire(limit=10)).expired == ()
    harness.advance_ms(1)
    assert (await harness.ledger.expire(limit=10)).expired == (grant.reservation_id,)


async def test_a_sweep_ends_no_more_than_it_may(harness: Harness) -> None:
    for _ in range(5):
        await hold(harness.ledger, 10, dispatched=False)
    harness.advance_ms(HOUR_MS)
    ended = [len((await harness.ledger.expire(limit=2)).released) for _ in range(4)]
    assert ended == [2, 2, 1, 0]


async def test_an_extended_lease_is_not_swept(harness: Harness) -> None:
    ledger = harness.ledger
    reservation_id = await hold(ledger, 100)
    lease = await ledger.extend(reservation_id, by_ms=MINUTE_MS, key="beat 1")
    assert lease.expires_at_ms == NOON_MS + 2 * MINUTE_MS
    assert lease.remaining_ttl_ms == 2 * MINUTE_MS
    harness.advance_ms(2 * MINUTE_MS)
    assert await ledger.expire(limit=10) == Swept()
    harness.advance_ms(1)
    assert (await ledger.expire(limit=10)).uncertain == (reservation_id,)


async def test_the_last_millisecond_of_a_lease_is_enough_to_extend_it(harness: Harness) -> None:
    reservation_id = await hold(harness.ledger, 100)
    harness.advance_ms(MINUTE_MS)
    lease = await harness.ledger.extend(reservation_id, by_ms=SECOND_MS, key="beat")
    assert lease.remaining_ttl_ms == SECOND_MS


async def test_an_extension_counts_from_the_end_of_the_lease(harness: Harness) -> None:
    reservation_id = await hold(harness.ledger, 100)
    harness.advance_ms(40 * SECOND_MS)
    lease = await harness.ledger.extend(reservation_id, by_ms=SECOND_MS, key="beat")
    assert lease.expires_at_ms == NOON_MS + MINUTE_MS + SECOND_MS
    assert lease.remaining_ttl_ms == 21 * SECOND_MS


async def test_extensions_run_out_where_there_is_a_limit(ledger: Home) -> None:
    grant = await ledger.reserve(ask(1, max_extensions=2))
    for beat in range(2):
        await ledger.extend(grant.reservation_id, by_ms=1, key=f"beat {beat}")
    with pytest.raises(ExtensionsExhausted):
        await ledger.extend(grant.reservation_id, by_ms=1, key="beat 2")


@pytest.mark.parametrize("by_ms", [0, -1, 86_400_001])
async def test_an_extension_is_a_millisecond_to_a_day(ledger: Home, by_ms: int) -> None:
    reservation_id = await hold(ledger, 1)
    with pytest.raises(ValueError, match="extension"):
        await ledger.extend(reservation_id, by_ms=by_ms, key="beat")


async def test_the_proxy_settles_its_own_hold_even_after_the_lease(harness: Harness) -> None:
    reservation_id = await hold(harness.ledger, 100)
    harness.advance_ms(HOUR_MS)
    settled = await commit(harness.ledger, reservation_id, 60)
    assert settled.charged == usd(60)


async def test_what_stays_uncertain_is_charged_in_full_as_an_estimate(harness: Harness) -> None:
    ledger = harness.ledger
    reservation_id = await hold(ledger, 100)
    await ledger.mark_uncertain(reservation_id)
    harness.advance_ms(QUARTER_MS - 1)
    assert await ledger.expire(limit=10) == Swept()
    harness.advance_ms(1)
    assert (await ledger.expire(limit=10)).committed == (reservation_id,)
    row = await ledger.reservation(reservation_id)
    assert (row.state, row.charged, row.estimated) == (State.COMMITTED, usd(100), True)
    (*_, entry) = await ledger.journal("dev", after_seq=0, limit=100)
    assert (entry.kind, entry.actor) == (Kind.COMMIT, "settle.uncertain")


async def test_a_sweep_counts_all_that_it_ends(harness: Harness) -> None:
    ledger = harness.ledger
    for _ in range(2):
        await ledger.mark_uncertain(await hold(ledger, 1))
    harness.advance_ms(QUARTER_MS)
    for _ in range(2):
        await hold(ledger, 1, dispatched=False)
    harness.advance_ms(MINUTE_MS + 1)
    swept = await ledger.expire(limit=3)
    assert (len(swept.released), len(swept.committed)) == (2, 1)
    assert len((await ledger.expire(limit=3)).committed) == 1


async def test_one_sweep_does_not_end_a_hold_that_it_has_just_found_lost(
    harness: Harness,
) -> None:
    reservation_id = await hold(harness.ledger, 100)
    harness.advance_ms(HOUR_MS)
    assert await harness.ledger.expire(limit=10) == Swept(uncertain=(reservation_id,))
    assert await harness.ledger.expire(limit=10) == Swept()


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


# Restarts and clocks


async def test_a_restart_forgets_nothing(harness: Harness) -> None:
    reservation_id = await hold(harness.ledger, 100)
    before = await harness.ledger.all_balances()
    await harness.restart()
    assert await harness.ledger.all_balances() == before
    settled = await commit(harness.ledger, reservation_id, 5)
    assert settled.charged == usd(5)


async def test_a_crash_leaves_what_was_dispatched_uncertain_and_nothing_else(
    harness: Harness, is_shared: bool
) -> None:
    """hardcap and LiteLLM forgot the spend after kill -9; inferrail locked the budget for ever.

    Where others hold in the same books, leases end what a killed process held.
    """
    stayed = await hold(harness.ledger, 100, dispatched=False)
    left = await hold(harness.ledger, 100, dispatched=True)
    protocol = await harness.ledger.reserve(ask(100, on_expiry=OnExpiry.RELEASE, ttl_ms=HOUR_MS))
    await harness.crash()
    swept = await harness.ledger.recover()
    if is_shared:
        assert swept == Swept()
        harness.advance_ms(MINUTE_MS + 1)
        swept = await harness.ledger.expire(limit=10)
    assert swept == Swept(released=(stayed,), uncertain=(left,))
    assert await state_of(harness.ledger, protocol.reservation_id) is State.ACTIVE
    assert (await harness.ledger.verify()).differences == ()
    assert await harness.ledger.recover() == Swept(), "what is uncertain stays so"


async def test_a_clock_that_steps_back_stands_still(harness: Harness) -> None:
    ledger = harness.ledger
    first = await ledger.reserve(ask(1))
    harness.advance_ms(-HOUR_MS)
    second = await ledger.reserve(ask(1))
    assert second.expires_at_ms == first.expires_at_ms
    harness.advance_ms(HOUR_MS + 5)
    assert (await ledger.reserve(ask(1))).expires_at_ms == first.expires_at_ms + 5


async def test_a_clock_that_leaps_forward_costs_nobody_a_lease(harness: Harness) -> None:
    ledger = harness.ledger
    reservation_id = await hold(ledger, 100)
    harness.advance_ms(HOUR_MS + 1)
    assert await ledger.expire(limit=10) == Swept(), "it has one more lease"
    assert harness.leaps_ms == [HOUR_MS + 1]
    row = await ledger.reservation(reservation_id)
    assert row.expires_at_ms == NOON_MS + HOUR_MS + 1 + MINUTE_MS
    harness.advance_ms(MINUTE_MS)
    assert await ledger.expire(limit=10) == Swept()
    harness.advance_ms(1)
    assert (await ledger.expire(limit=10)).uncertain == (reservation_id,)


async def test_a_leap_shortens_no_lease(harness: Harness) -> None:
    ledger = harness.ledger
    reservation_id = await hold(ledger, 100)
    await ledger.extend(reservation_id, by_ms=3 * HOUR_MS, key="long")
    harness.advance_ms(HOUR_MS + 1)
    await ledger.expire(limit=10)
    row = await ledger.reservation(reservation_id)
    assert row.expires_at_ms == NOON_MS + 3 * HOUR_MS + MINUTE_MS


async def test_an_hour_is_no_leap(harness: Harness) -> None:
    reservation_id = await hold(harness.ledger, 100)
    harness.advance_ms(HOUR_MS)
    assert (await harness.ledger.expire(limit=10)).uncertain == (reservation_id,)
    assert harness.leaps_ms == []


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
