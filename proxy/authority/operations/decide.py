"""POST /v1/decide: what a reservation would get now, without making one.

Source: cycles-protocol-v0.yaml, decide.
"""

import msgspec
from msgspec import UNSET

from proxy.authority.auth import Spender
from proxy.authority.exchange import Call, Desk
from proxy.authority.operations.judging import answer_once, judge
from proxy.authority.rows import DECIDE_PREFIX
from proxy.cycles_wire.requests import DEFAULT_TTL_MS, DecisionRequest
from proxy.cycles_wire.responses import DecisionResponse
from proxy.domain.decision import Decision
from proxy.domain.reservation import OnExpiry
from proxy.ledger.records import ReserveRequest, Span


async def decide(desk: Desk, call: Call) -> bytes:
    """What a reservation would get now. Raises Problem, LedgerError."""
    request = call.read(DecisionRequest)
    spender = call.access.admit(request.subject)
    request = msgspec.structs.replace(request, subject=spender.wire)
    return await answer_once(
        desk,
        tenant=call.access.tenant,
        key=DECIDE_PREFIX + request.idempotency_key,
        payload_hash=spender.payload_hash(request),
        answer=lambda: _decided(desk, request, spender),
    )


async def _decided(desk: Desk, request: DecisionRequest, spender: Spender) -> DecisionResponse:
    amount = request.estimate.amount
    hold = ReserveRequest(
        key="",
        payload_hash="",
        subject=spender.subject,
        plan=({request.estimate.unit: Span(amount, amount)},),
        ttl_ms=DEFAULT_TTL_MS,
        on_expiry=OnExpiry.RELEASE,
    )
    judged = await judge(desk, spender, request.action, request.estimate, hold)
    if judged.forecast is None:
        decision = Decision.DENY
    else:
        decision = Decision.ALLOW if judged.caps is UNSET else Decision.ALLOW_WITH_CAPS
    return DecisionResponse(
        decision=decision,
        caps=judged.caps,
        reason_code=judged.reason_code,
        retry_after_ms=judged.retry_after_ms,
        affected_scopes=list(spender.scopes),
    )
