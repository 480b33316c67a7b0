"""POST /v1/reservations/{id}/commit, /release and /extend: what becomes of a hold.

A hold of a call of the proxy is in these books as well, and nobody ends it here: the proxy
charges it what its provider bills.
Source: cycles-protocol-v0.yaml, commitReservation, releaseReservation, extendReservation.
"""

from msgspec import UNSET

from proxy.authority.errors import Problem
from proxy.authority.exchange import Call, Desk
from proxy.authority.operations.judging import KEEP_MS
from proxy.authority.rows import kept_of_commit, reserved_of, wire_balances
from proxy.authority.sub_budgets.terms import is_carve
from proxy.cycles_wire.canonical import payload_hash
from proxy.cycles_wire.errors import ErrorCode
from proxy.cycles_wire.requests import CommitRequest, ReleaseRequest, ReservationExtendRequest
from proxy.cycles_wire.responses import (
    CommitResponse,
    ReleaseResponse,
    ReservationExtendResponse,
    write,
)
from proxy.cycles_wire.schemas import Amount
from proxy.domain.errors import ReservationNotFound, UnitMismatch
from proxy.domain.reservation import OnExpiry
from proxy.ledger.records import Reservation


async def commit(desk: Desk, call: Call) -> bytes:
    """Charge what was spent, and give the rest back. Raises Problem, LedgerError."""
    request = call.read(CommitRequest)
    row = await _own(desk, call)
    unit, amount = request.actual.unit, request.actual.amount
    try:
        settlement = await desk.ledger.commit(
            row.reservation_id,
            actual={unit: amount},
            key=f"commit:{request.idempotency_key}",
            payload_hash=payload_hash(request),
            metadata=kept_of_commit(request),
        )
    except UnitMismatch:
        held = reserved_of(row).unit
        raise Problem(
            ErrorCode.UNIT_MISMATCH,
            f"The reservation is in {held}, not in {unit}.",
            details={"scope": row.scope_path, "requested_unit": unit, "expected_units": [held]},
        ) from None
    released = settlement.released.get(unit, 0)
    return write(
        CommitResponse(
            charged=Amount(unit=unit, amount=settlement.charged[unit]),
            released=Amount(unit=unit, amount=released) if released else UNSET,
            balances=wire_balances(settlement.balances),
        )
    )


async def release(desk: Desk, call: Call) -> bytes:
    """Give the whole hold back. Raises Problem, LedgerError."""
    request = call.read(ReleaseRequest)
    row = await _own(desk, call)
    key = f"release:{request.idempotency_key}"
    settlement = await desk.ledger.release(row.reservation_id, key=key)
    await _check_payload(desk, call, key, request)
    unit = reserved_of(row).unit
    return write(
        ReleaseResponse(
            released=Amount(unit=unit, amount=settlement.released[unit]),
            balances=wire_balances(settlement.balances),
        )
    )


async def extend(desk: Desk, call: Call) -> bytes:
    """Move the end of the lease. Raises Problem, LedgerError."""
    request = call.read(ReservationExtendRequest)
    row = await _own(desk, call)
    key = f"extend:{request.idempotency_key}"
    lease = await desk.ledger.extend(row.reservation_id, by_ms=request.extend_by_ms, key=key)
    await _check_payload(desk, call, key, request)
    return write(
        ReservationExtendResponse(
            expires_at_ms=lease.expires_at_ms, remaining_ttl_ms=lease.remaining_ttl_ms
        )
    )


async def _check_payload(
    desk: Desk, call: Call, key: str, request: ReleaseRequest | ReservationExtendRequest
) -> None:
    """Hold a request against the one that had its key before: the ledger keeps keys alone.

    What was done under a key is not done again, so that this may come after it. Between the
    two a crash forgets the payload, never what was done.

    Raises:
        IdempotencyMismatch: it was another payload.
    """
    await desk.ledger.remember(
        call.access.tenant,
        f"{key}@{call.reservation_id}",
        payload_hash(request),
        "",
        keep_ms=KEEP_MS,
    )


async def _own(desk: Desk, call: Call) -> Reservation:
    """The reservation that the path names, if this key may end it.

    Raises:
        ReservationNotFound: there is none; an event is none.
        Problem: FORBIDDEN: it is another tenant's, out of reach, a call of the proxy, or what
            fills a sub-budget.
    """
    row = await desk.ledger.reservation(call.reservation_id)
    if row.is_event:
        raise ReservationNotFound
    call.access.check_sees(row)
    if is_carve(row):
        raise Problem(
            ErrorCode.FORBIDDEN, "The reservation fills a sub-budget, and ends when that is closed."
        )
    if row.on_expiry is OnExpiry.UNCERTAIN:
        raise Problem(
            ErrorCode.FORBIDDEN,
            "The reservation belongs to a call of the proxy, which settles it itself.",
        )
    return row
