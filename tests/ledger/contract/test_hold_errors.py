"""What a hold says no to: one row per error of the operations after the reserve."""

from collections.abc import Awaitable, Callable

import pytest

from proxy.domain.errors import (
    AmountOutOfRange,
    CommitRejected,
    IdempotencyMismatch,
    LedgerError,
    Reason,
    ReservationExpired,
    ReservationFinalized,
    ReservationNotFound,
)
from proxy.domain.reservation import OnExpiry, Overage
from proxy.ledger.records import ReserveRequest
from tests.ledger.builders import BOT, DEV, ask, declare, line, usd
from tests.ledger.harness import SECOND_MS, Harness, Home


async def active(harness: Harness) -> str:
    return (await harness.ledger.reserve(over_protocol(10))).reservation_id


async def rejecting(harness: Harness) -> str:
    request = over_protocol(10, overage=Overage.REJECT)
    return (await harness.ledger.reserve(request)).reservation_id


async def committed(harness: Harness) -> str:
    reservation_id = await active(harness)
    await harness.ledger.commit(reservation_id, actual=usd(1), key="first", payload_hash="body")
    return reservation_id


async def released(harness: Harness) -> str:
    reservation_id = await active(harness)
    await harness.ledger.release(reservation_id, key="first")
    return reservation_id


async def lapsed(harness: Harness) -> str:
    reservation_id = await active(harness)
    harness.advance_ms(11 * SECOND_MS + 1)
    return reservation_id


async def in_grace(harness: Harness) -> str:
    reservation_id = await active(harness)
    harness.advance_ms(10 * SECOND_MS + 1)
    return reservation_id


async def expired(harness: Harness) -> str:
    reservation_id = await lapsed(harness)
    assert (await harness.ledger.expire(limit=10)).expired == (reservation_id,)
    return reservation_id


async def uncertain(harness: Harness) -> str:
    reservation_id = await active(harness)
    await harness.ledger.mark_uncertain(reservation_id)
    return reservation_id


async def unknown(harness: Harness) -> str:
    return "rsv_unknown"


def over_protocol(amount: int, *, overage: Overage = Overage.ALLOW_IF_AVAILABLE) -> ReserveRequest:
    """A lease of 10 s and a grace of 1 s, made over the protocol."""
    return ask(
        amount,
        ttl_ms=10 * SECOND_MS,
        grace_ms=SECOND_MS,
        on_expiry=OnExpiry.RELEASE,
        overage=overage,
    )


async def do_dispatch(ledger: Home, reservation_id: str) -> None:
    await ledger.dispatch(reservation_id)


async def do_grow(ledger: Home, reservation_id: str) -> None:
    await ledger.grow(reservation_id, by=usd(1), key="grow")


async def do_overgrow(ledger: Home, reservation_id: str) -> None:
    await ledger.grow(reservation_id, by=usd(-1), key="grow")


async def do_extend(ledger: Home, reservation_id: str) -> None:
    await ledger.extend(reservation_id, by_ms=1, key="extend")


async def do_commit(ledger: Home, reservation_id: str) -> None:
    await ledger.commit(reservation_id, actual=usd(11), key="second", payload_hash="body")


async def do_commit_other(ledger: Home, reservation_id: str) -> None:
    await ledger.commit(reservation_id, actual=usd(11), key="first", payload_hash="other")


async def do_commit_negative(ledger: Home, reservation_id: str) -> None:
    await ledger.commit(reservation_id, actual=usd(-1), key="second", payload_hash="body")


async def do_release(ledger: Home, reservation_id: str) -> None:
    await ledger.release(reservation_id, key="second")


async def do_charge_late(ledger: Home, reservation_id: str) -> None:
    await ledger.charge_late(reservation_id, actual=usd(1), key="late", payload_hash="")


async def do_charge_late_beyond(ledger: Home, reservation_id: str) -> None:
    await ledger.charge_late(reservation_id, actual=usd(2**63), key="late", payload_hash="")


async def do_mark_uncertain(ledger: Home, reservation_id: str) -> None:
    await ledger.mark_uncertain(reservation_id)


@pytest.mark.parametrize(
    ("arrange", "act", "error"),
    [
        (unknown, do_dispatch, ReservationNotFound),
        (unknown, do_grow, ReservationNotFound),
        (unknown, do_extend, ReservationNotFound),
        (unknown, do_commit, ReservationNotFound),
        (unknown, do_release, ReservationNotFound),
        (unknown, do_charge_late, ReservationNotFound),
        (unknown, do_mark_uncertain, ReservationNotFound),
        (active, do_overgrow, AmountOutOfRange),
        (active, do_commit_negative, AmountOutOfRange),
        (active, do_charge_late_beyond, AmountOutOfRange),
        (active, do_charge_late, ReservationFinalized),
        (rejecting, do_commit, CommitRejected),
        (uncertain, do_dispatch, ReservationFinalized),
        (uncertain, do_grow, ReservationExpired),
        (uncertain, do_extend, ReservationExpired),
        (uncertain, do_charge_late, ReservationFinalized),
        (committed, do_dispatch, ReservationFinalized),
        (committed, do_grow, ReservationFinalized),
        (committed, do_extend, ReservationFinalized),
        (committed, do_commit, ReservationFinalized),
        (committed, do_commit_other, IdempotencyMismatch),
        (committed, do_release, ReservationFinalized),
        (committed, do_charge_late, ReservationFinalized),
        (committed, do_mark_uncertain, ReservationFinalized),
        (released, do_dispatch, ReservationFinalized),
        (released, do_grow, ReservationFinalized),
        (released, do_extend, ReservationFinalized),
        (released, do_commit, ReservationFinalized),
        (released, do_commit_other, ReservationFinalized),
        (released, do_release, ReservationFinalized),
        (released, do_mark_uncertain, ReservationFinalized),
        (in_grace, do_extend, ReservationExpired),
        (lapsed, do_grow, ReservationExpired),
        (lapsed, do_extend, ReservationExpired),
        (lapsed, do_commit, ReservationExpired),
        (lapsed, do_release, ReservationExpired),
        (expired, do_dispatch, ReservationFinalized),
        (expired, do_grow, ReservationExpired),
        (expired, do_extend, ReservationExpired),
        (expired, do_commit, ReservationExpired),
        (expired, do_release, ReservationExpired),
        (expired, do_mark_uncertain, ReservationFinalized),
    ],
)
async def test_a_hold_says_no(
    harness: Harness,
    arrange: Callable[[Harness], Awaitable[str]],
    act: Callable[[Home, str], Awaitable[None]],
    error: type[LedgerError],
) -> None:
    await declare(harness.ledger, line(DEV, 100), line(BOT, 100))
    reservation_id = await arrange(harness)
    before = await harness.ledger.all_balances()
    with pytest.raises(error):
        await act(harness.ledger, reservation_id)
    assert await harness.ledger.all_balances() == before
    assert (await harness.ledger.verify()).differences == ()


@pytest.mark.parametrize("act", [do_grow, do_commit, do_release])
async def test_the_grace_still_lets_a_hold_be_used(
    harness: Harness, act: Callable[[Home, str], Awaitable[None]]
) -> None:
    await declare(harness.ledger, line(DEV, 100))
    await act(harness.ledger, await in_grace(harness))
    assert (await harness.ledger.verify()).differences == ()


async def test_a_rejected_commit_leaves_the_hold_as_it_was(harness: Harness) -> None:
    await declare(harness.ledger, line(DEV, 100))
    reservation_id = await rejecting(harness)
    with pytest.raises(CommitRejected) as rejection:
        await do_commit(harness.ledger, reservation_id)
    assert rejection.value.reason is Reason.BUDGET_EXCEEDED
    settled = await harness.ledger.commit(
        reservation_id, actual=usd(10), key="second", payload_hash="body"
    )
    assert settled.charged == usd(10)
