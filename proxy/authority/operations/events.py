"""POST /v1/events: charge what was spent without a hold.

Source: cycles-protocol-v0.yaml, createEvent.
"""

import msgspec
from msgspec import UNSET

from proxy.authority.exchange import Call, Desk
from proxy.authority.operations.judging import unit_mismatch
from proxy.authority.rows import EVENT_PREFIX, kept_of_spend, wire_balances
from proxy.cycles_wire.requests import EventCreateRequest
from proxy.cycles_wire.responses import EventCreateResponse, write
from proxy.cycles_wire.schemas import Amount
from proxy.domain.errors import UnitMismatch
from proxy.ledger.records import Event


async def create_event(desk: Desk, call: Call) -> bytes:
    """Charge in every budget of the subject, or in none. Raises Problem, Refused, LedgerError."""
    request = call.read(EventCreateRequest)
    spender = call.access.admit(request.subject)
    spender.check_goes_on()
    spender.check_action(request.action)
    request = msgspec.structs.replace(request, subject=spender.wire)
    unit = request.actual.unit
    event = Event(
        key=EVENT_PREFIX + request.idempotency_key,
        payload_hash=spender.payload_hash(request),
        subject=spender.subject,
        actual={unit: request.actual.amount},
        overage=request.overage_policy,
        action_kind=request.action.kind,
        action_name=request.action.name,
        trace_id=call.trace_id,
        metadata=kept_of_spend(request, spender.subject),
    )
    try:
        applied = await desk.ledger.apply(event)
    except UnitMismatch:
        raise await unit_mismatch(desk, spender, unit) from None
    settlement = applied.settlement
    is_capped = settlement.uncovered.get(unit, 0) > 0
    return write(
        EventCreateResponse(
            event_id=applied.reservation_id,
            charged=Amount(unit=unit, amount=settlement.charged[unit]) if is_capped else UNSET,
            balances=wire_balances(settlement.balances),
        )
    )
