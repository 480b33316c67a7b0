"""POST /v1/reservations: hold an estimate in every budget of the subject, or try whether one could.

Source: cycles-protocol-v0.yaml, createReservation.
"""

from typing import Final

import msgspec
from msgspec import UNSET, UnsetType

from proxy.authority.auth import Spender
from proxy.authority.exchange import Call, Desk
from proxy.authority.operations.judging import (
    answer_once,
    caps_for,
    judge,
    unit_mismatch,
)
from proxy.authority.rows import RESERVE_PREFIX, kept_of_spend, wire_balances
from proxy.cycles_wire.requests import ReservationCreateRequest
from proxy.cycles_wire.responses import ReservationCreateResponse, write
from proxy.cycles_wire.schemas import Amount, Caps
from proxy.domain.decision import Decision
from proxy.domain.errors import UnitMismatch
from proxy.domain.reservation import OnExpiry
from proxy.ledger.records import Grant, ReserveRequest, Span

MAX_EXTENSIONS: Final = 10
"""How often a client may extend a hold: the protocol's default for a tenant."""

_read_caps: Final = msgspec.json.Decoder(Caps).decode


async def reserve(desk: Desk, call: Call) -> bytes:
    """Hold, or with `dry_run` only say what would happen. Raises Problem, Refused, LedgerError."""
    request = call.read(ReservationCreateRequest)
    spender = call.access.admit(request.subject)
    request = msgspec.structs.replace(request, subject=spender.wire)
    if request.dry_run:
        return await answer_once(
            desk,
            tenant=call.access.tenant,
            key=RESERVE_PREFIX + request.idempotency_key,
            payload_hash=spender.payload_hash(request),
            answer=lambda: _try_out(desk, call, request, spender),
        )
    spender.check_goes_on()
    caps = await caps_for(desk, spender, request.action)
    hold = _hold(call, request, spender, caps)
    try:
        grant = await desk.ledger.reserve(hold)
    except UnitMismatch:
        raise await unit_mismatch(desk, spender, request.estimate.unit) from None
    return write(_granted(grant, request.estimate))


def _hold(
    call: Call, request: ReservationCreateRequest, spender: Spender, caps: Caps | None
) -> ReserveRequest:
    amount = request.estimate.amount
    return ReserveRequest(
        key=RESERVE_PREFIX + request.idempotency_key,
        payload_hash=spender.payload_hash(request),
        subject=spender.subject,
        plan=({request.estimate.unit: Span(amount, amount)},),
        ttl_ms=request.ttl_ms,
        grace_ms=request.grace_period_ms,
        overage=request.overage_policy,
        on_expiry=OnExpiry.RELEASE,
        max_extensions=MAX_EXTENSIONS,
        action_kind=request.action.kind,
        action_name=request.action.name,
        trace_id=call.trace_id,
        metadata=kept_of_spend(request, spender.subject),
        annotation="" if caps is None else write(caps).decode(),
    )


def _granted(grant: Grant, estimate: Amount) -> ReservationCreateResponse:
    """The hold, with the caps that it was first answered with."""
    caps = _read_caps(grant.annotation) if grant.annotation else UNSET
    return ReservationCreateResponse(
        decision=_decision(caps),
        reservation_id=grant.reservation_id,
        reserved=Amount(unit=estimate.unit, amount=grant.amounts[estimate.unit]),
        expires_at_ms=grant.expires_at_ms,
        remaining_ttl_ms=grant.remaining_ttl_ms,
        scope_path=grant.affected_scopes[-1],
        affected_scopes=list(grant.affected_scopes),
        caps=caps,
        balances=wire_balances(grant.balances),
    )


async def _try_out(
    desk: Desk, call: Call, request: ReservationCreateRequest, spender: Spender
) -> ReservationCreateResponse:
    judged = await judge(
        desk, spender, request.action, request.estimate, _hold(call, request, spender, None)
    )
    scopes: list[str] = list(spender.scopes)
    if judged.forecast is None:
        return ReservationCreateResponse(
            decision=Decision.DENY,
            scope_path=scopes[-1],
            affected_scopes=scopes,
            reason_code=judged.reason_code,
            retry_after_ms=judged.retry_after_ms,
        )
    return ReservationCreateResponse(
        decision=_decision(judged.caps),
        reserved=request.estimate,
        scope_path=scopes[-1],
        affected_scopes=scopes,
        caps=judged.caps,
        balances=wire_balances(judged.forecast.balances),
    )


def _decision(caps: Caps | UnsetType) -> Decision:
    return Decision.ALLOW if caps is UNSET else Decision.ALLOW_WITH_CAPS
