"""Leases: what time ends of a hold, and what a restart or a clock that leaps does not."""

import pytest

from proxy.domain.errors import ExtensionsExhausted
from proxy.domain.reservation import OnExpiry, State
from proxy.ledger.journal import Kind
from proxy.ledger.records import Swept
from tests.ledger.builders import BOT, DEV, ask, balance_of, commit, declare, hold, line, usd
from tests.ledger.harness import HOUR_MS, MINUTE_MS, NOON_MS, SECOND_MS, Harness, Home

QUARTER_MS = 15 * MINUTE_MS


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """A tenant with 1000 and an agent with 500."""
    await declare(harness.ledger, line(DEV, 1000), line(BOT, 500))


async def state_of(ledger: Home, reservation_id: str) -> State:
    return (await ledger.reservation(reservation_id)).state


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
