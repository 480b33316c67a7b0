"""What reserving, trying out and deciding share: caps, denials, and answers given once."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from msgspec import UNSET, UnsetType

from proxy.authority.auth import Spender
from proxy.authority.errors import Problem
from proxy.authority.exchange import Desk
from proxy.authority.rows import wire_caps
from proxy.cycles_wire.errors import ErrorCode
from proxy.cycles_wire.responses import write
from proxy.cycles_wire.schemas import Action, Amount, Caps
from proxy.domain import decision as domain
from proxy.domain.errors import BudgetRefused, Reason, Refused, UnitMismatch
from proxy.domain.money import WIRE_UNITS, Unit
from proxy.domain.scope import all_scopes
from proxy.ledger.records import Forecast, ReserveRequest

KEEP_MS: Final = 86_400_000
"""How long the answer to a question is given again. Source: docs/protocol.md, "Replays"."""

_DENIALS: Final = {
    Reason.BUDGET_EXCEEDED: "BUDGET_EXCEEDED",
    Reason.BUDGET_BUSY: "BUDGET_EXCEEDED",
    Reason.BUDGET_FROZEN: "BUDGET_FROZEN",
    Reason.BUDGET_CLOSED: "BUDGET_CLOSED",
    Reason.BUDGET_NOT_FOUND: "BUDGET_NOT_FOUND",
    Reason.OVERDRAFT_LIMIT_EXCEEDED: "OVERDRAFT_LIMIT_EXCEEDED",
    Reason.DEBT_OUTSTANDING: "DEBT_OUTSTANDING",
    Reason.TEMPLATE_LIMIT: "TEMPLATE_LIMIT",
    Reason.POLICY_DENIED: "POLICY_DENIED",
    Reason.TENANT_SUSPENDED: "TENANT_SUSPENDED",
    Reason.TENANT_CLOSED: "TENANT_CLOSED",
}
"""Source: cycles-protocol-v0.yaml, DecisionReasonCode; TEMPLATE_LIMIT, POLICY_DENIED and
TENANT_SUSPENDED are ours."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a reserve would come to. Without a forecast it would be denied."""

    forecast: Forecast | None
    caps: Caps | UnsetType = UNSET
    reason_code: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


async def judge(
    desk: Desk, spender: Spender, action: Action, estimate: Amount, hold: ReserveRequest
) -> Judged:
    """Ask the ledger without holding anything; its refusals are answers here.

    Raises:
        Problem: UNIT_MISMATCH. LedgerError.
    """
    try:
        spender.check_goes_on()
        forecast = await desk.ledger.decide(hold)
        caps = await caps_for(desk, spender, action)
    except UnitMismatch:
        raise await unit_mismatch(desk, spender, estimate.unit) from None
    except Refused as refused:
        if refused.reason not in _DENIALS:
            raise
        waits_ms = refused.retry_after_ms if isinstance(refused, BudgetRefused) else None
        return Judged(
            None,
            reason_code=_DENIALS[refused.reason],
            retry_after_ms=UNSET if waits_ms is None else waits_ms,
        )
    return Judged(forecast, UNSET if caps is None else caps)


async def caps_for(desk: Desk, spender: Spender, action: Action) -> Caps | None:
    """The caps that policies and a sub-budget put on an action now.

    Models that policies map cannot be said here; one that a sub-budget does not pay for is refused.

    Raises:
        Problem: FORBIDDEN. LedgerError. Refused: POLICY_DENIED.
    """
    spender.check_action(action)
    caps = await _caps_of_policies(desk, spender, action)
    if spender.child is not None:
        try:
            caps = caps.within(spender.child.limits.caps)
        except ValueError as error:
            raise Problem(ErrorCode.FORBIDDEN, str(error)) from None
    return wire_caps(caps)


async def _caps_of_policies(desk: Desk, spender: Spender, action: Action) -> domain.Caps:
    scopes = all_scopes(spender.subject)
    watched = desk.policies.watched(scopes)
    if not watched:
        return domain.Caps()
    balances = await desk.ledger.balances(watched, *Unit)
    now_ms = desk.clock.now_ms()
    wish = desk.policies.wish(action.name, scopes=scopes, balances=balances, at_ms=now_ms)
    wish.check_leaves()
    return wish.caps


async def answer_once(
    desk: Desk,
    *,
    tenant: str,
    key: str,
    payload_hash: str,
    answer: Callable[[], Awaitable[Any]],
) -> bytes:
    """The answer to a question that changes nothing; asked again by its key, the same one.

    Raises:
        IdempotencyMismatch, LedgerUnavailable, and what `answer` raises.
    """
    ledger = desk.ledger
    first = await ledger.recall(tenant, key, payload_hash)
    if first is None:
        text = write(await answer()).decode()
        first = await ledger.remember(tenant, key, payload_hash, text, keep_ms=KEEP_MS)
    return first.encode()


async def unit_mismatch(desk: Desk, spender: Spender, unit: Unit) -> Problem:
    """Where budgets are in other units only, and in which.

    Source: cycles-protocol-v0.yaml, "ERROR SEMANTICS", UNIT_MISMATCH details.
    """
    balances = await desk.ledger.balances(spender.scopes, *WIRE_UNITS)
    scope = next((balance.scope for balance in balances), spender.scopes[-1])
    there = {balance.unit for balance in balances if balance.scope == scope}
    expected = [other for other in WIRE_UNITS if other in there]
    return Problem(
        ErrorCode.UNIT_MISMATCH,
        f"No budget of {scope} is in {unit}.",
        details={"scope": scope, "requested_unit": unit, "expected_units": expected},
    )
