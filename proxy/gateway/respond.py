"""What the caller is told: refusals in its own dialect, and the headers about its budget.

Every refusal is a row of one table. Statuses, types and retry headers were chosen by what
agents do with them: docs/errors.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Final

from proxy.dialects.dialect import Dialect, ErrorWords
from proxy.domain.decision import Decision
from proxy.domain.errors import BudgetRefused, Reason, Refused
from proxy.domain.money import Unit, usd
from proxy.domain.period import iso
from proxy.gateway.outbox.unheld import Unheld
from proxy.gateway.shape import Shaped
from proxy.ledger.records import Grant

RETRY_UNAVAILABLE_MS: Final = 1_000

_REMAINING: Final = attrgetter("remaining")


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """How a reason reads on the wire. `status` None is the configured deny status.

    `type` and `code` are OpenAI's, `anthropic_type` is Anthropic's; without a code the reason
    is one. `retries` is whether an SDK may try again by itself.
    """

    status: int | None
    type: str
    anthropic_type: str
    code: str | None = None
    retries: bool = False


_INVALID = "invalid_request_error"
_QUOTA = RefusalRow(None, "insufficient_quota", "billing_error", "insufficient_quota")
_BUSY = RefusalRow(429, "rate_limit_exceeded", "rate_limit_error", "rate_limit_exceeded", True)
_BAD = RefusalRow(400, _INVALID, _INVALID)
_UNAUTHENTICATED = RefusalRow(401, "authentication_error", "authentication_error")
_FORBIDDEN = RefusalRow(403, "permission_error", "permission_error")
_DOWN = RefusalRow(503, "server_error", "overloaded_error", retries=True)

REFUSALS: Final[Mapping[Reason, RefusalRow]] = {
    Reason.BUDGET_EXCEEDED: _QUOTA,
    Reason.BUDGET_FROZEN: _QUOTA,
    Reason.BUDGET_CLOSED: _QUOTA,
    Reason.OVERDRAFT_LIMIT_EXCEEDED: _QUOTA,
    Reason.DEBT_OUTSTANDING: _QUOTA,
    Reason.POLICY_DENIED: _QUOTA,
    Reason.TOOL_DENIED: _QUOTA,
    Reason.STEPS_EXHAUSTED: _QUOTA,
    Reason.TEMPLATE_LIMIT: _QUOTA,
    Reason.CALL_TOO_EXPENSIVE: _QUOTA,
    Reason.BUDGET_BUSY: _BUSY,
    Reason.COOLDOWN: _BUSY,
    Reason.MODEL_NOT_PRICED: _BAD,
    Reason.MODEL_NOT_SERVED: _BAD,
    Reason.BUDGET_NOT_FOUND: _BAD,
    Reason.UNBOUNDED_COST: _BAD,
    Reason.INVALID_REQUEST: _BAD,
    Reason.REQUEST_TOO_LARGE: RefusalRow(413, _INVALID, "request_too_large"),
    Reason.REQUEST_TIMEOUT: RefusalRow(408, _INVALID, _INVALID),
    Reason.UPGRADE_REQUIRED: RefusalRow(426, _INVALID, _INVALID),
    Reason.IDEMPOTENCY_ANSWER_GONE: RefusalRow(409, _INVALID, _INVALID),
    Reason.IDEMPOTENCY_MISMATCH: RefusalRow(422, _INVALID, _INVALID),
    Reason.IDENTITY_REQUIRED: _UNAUTHENTICATED,
    Reason.INVALID_KEY: _UNAUTHENTICATED,
    Reason.IDENTITY_MISMATCH: _FORBIDDEN,
    Reason.TENANT_SUSPENDED: _FORBIDDEN,
    Reason.TENANT_CLOSED: _FORBIDDEN,
    Reason.PATH_NOT_ALLOWED: _FORBIDDEN,
    Reason.NOT_FOUND: RefusalRow(404, _INVALID, "not_found_error"),
    Reason.HOST_NOT_ALLOWED: _FORBIDDEN,
    Reason.ORIGIN_NOT_ALLOWED: _FORBIDDEN,
    Reason.AUTHORITY_UNAVAILABLE: _DOWN,
    Reason.OVERLOADED: _DOWN,
    Reason.UPSTREAM_NOT_CONFIGURED: RefusalRow(503, "server_error", "api_error"),
    Reason.UPSTREAM_UNREACHABLE: RefusalRow(502, "server_error", "api_error", retries=True),
    Reason.UPSTREAM_TIMEOUT: RefusalRow(504, "server_error", "api_error", retries=True),
    Reason.INTERNAL_ERROR: RefusalRow(500, "server_error", "api_error"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer of our own."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refusal_answer(
    dialect: Dialect,
    refused: Refused,
    *,
    deny_status: int,
    trace_id: str,
    affordable_max_tokens: int | None = None,
    attempts: int = 1,
) -> Answer:
    """The answer to a call that does not leave, in the dialect of its path.

    `affordable_max_tokens` is what would have fitted, for a refusal by a budget. `attempts` is
    how often an upstream was asked that did not answer.
    """
    row = REFUSALS[refused.reason]
    headers = {
        "Content-Type": "application/json",
        "X-Budget-Decision": Decision.DENY,
        "X-Cycles-Trace-Id": trace_id,
    }
    if attempts > 1:
        headers["X-Budget-Attempts"] = str(attempts)
    if not row.retries:
        headers["x-should-retry"] = "false"
    elif row.status in (429, 503):
        headers |= _retry_headers(refused)
    budget: dict[str, str | int | None] = {"reason": refused.reason, "trace_id": trace_id}
    if isinstance(refused, BudgetRefused):
        shortage = refused.shortage
        headers["X-Budget-Scope"] = shortage.scope
        if shortage.unit is Unit.USD_MICROCENTS:
            headers["X-Budget-Remaining-Usd"] = usd(shortage.remaining)
        resets_at = shortage.resets_at_ms
        budget |= {
            "scope": shortage.scope,
            "unit": shortage.unit,
            "required": shortage.required,
            "remaining": shortage.remaining,
            "resets_at": iso(resets_at) if resets_at is not None else None,
            "affordable_max_tokens": affordable_max_tokens,
        }
    words = ErrorWords(row.type, row.code or refused.reason, row.anthropic_type)
    body = dialect.error_body(words, str(refused), param=refused.param, budget=budget)
    return Answer(row.status or deny_status, headers, body)


def _retry_headers(refused: Refused) -> dict[str, str]:
    retry_after_ms = RETRY_UNAVAILABLE_MS
    if isinstance(refused, BudgetRefused) and refused.retry_after_ms is not None:
        retry_after_ms = refused.retry_after_ms
    return {
        "Retry-After": str(-(-retry_after_ms // 1000)),
        "retry-after-ms": str(retry_after_ms),
    }


def budget_headers(
    grant: Grant,
    shaped: Shaped,
    decision: Decision,
    *,
    requested_model: str,
    trace_id: str,
    attempts: int = 1,
) -> dict[str, str]:
    """What a call that left is told about its budget, before its cost is known.

    `attempts` is how often it was sent by now.
    """
    headers = {
        "X-Budget-Decision": decision,
        "X-Budget-Estimate-Usd": usd(grant.amounts[Unit.USD_MICROCENTS]),
        "X-Cycles-Trace-Id": trace_id,
    }
    if isinstance(grant, Unheld):
        headers["X-Budget-Held"] = "false"
    else:
        headers["X-Budget-Reservation-Id"] = grant.reservation_id
    money = [balance for balance in grant.balances if balance.unit is Unit.USD_MICROCENTS]
    tightest = min(money, key=lambda balance: balance.remaining, default=None)
    if tightest is not None:
        headers["X-Budget-Remaining-Usd"] = usd(tightest.remaining)
        headers["X-Budget-Scope"] = tightest.scope
    calls = [b for b in grant.balances if b.unit is Unit.CALLS and not b.period.rolling_ms]
    if calls:
        headers["X-Budget-Remaining-Calls"] = str(min(map(_REMAINING, calls)))
    if grant.evidence:
        headers["X-Cycles-Evidence"] = grant.evidence
    if shaped.caps:
        headers["X-Budget-Caps"] = ",".join(shaped.caps)
        if "model" in shaped.caps:
            headers["X-Budget-Model"] = f"{shaped.model}; requested={requested_model}"
    if shaped.max_tokens is not None:
        headers["X-Budget-Max-Tokens"] = str(shaped.max_tokens)
    if attempts > 1:
        headers["X-Budget-Attempts"] = str(attempts)
    return headers
