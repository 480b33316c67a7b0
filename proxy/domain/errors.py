"""Every way to say no. The `reason` of a refusal is a contract: add, never rename.

Statuses, types and retry headers of each reason stand in one table, in
`gateway/respond.py`; docs/errors.md says the same to users.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

from proxy.domain.money import Unit, written
from proxy.domain.period import iso


class Reason(StrEnum):
    """The stable names of our refusals."""

    BUDGET_EXCEEDED = "budget_exceeded"
    BUDGET_BUSY = "budget_busy"
    BUDGET_FROZEN = "budget_frozen"
    BUDGET_CLOSED = "budget_closed"
    OVERDRAFT_LIMIT_EXCEEDED = "overdraft_limit_exceeded"
    DEBT_OUTSTANDING = "debt_outstanding"
    BUDGET_NOT_FOUND = "budget_not_found"
    TEMPLATE_LIMIT = "template_limit"
    CALL_TOO_EXPENSIVE = "call_too_expensive"
    POLICY_DENIED = "policy_denied"
    TOOL_DENIED = "tool_denied"
    STEPS_EXHAUSTED = "steps_exhausted"
    COOLDOWN = "cooldown"
    MODEL_NOT_PRICED = "model_not_priced"
    MODEL_NOT_SERVED = "model_not_served"
    UNBOUNDED_COST = "unbounded_cost"
    INVALID_REQUEST = "invalid_request"
    REQUEST_TOO_LARGE = "request_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    IDENTITY_REQUIRED = "identity_required"
    INVALID_KEY = "invalid_key"
    IDENTITY_MISMATCH = "identity_mismatch"
    TENANT_SUSPENDED = "tenant_suspended"
    TENANT_CLOSED = "tenant_closed"
    HOST_NOT_ALLOWED = "host_not_allowed"
    ORIGIN_NOT_ALLOWED = "origin_not_allowed"
    PATH_NOT_ALLOWED = "path_not_allowed"
    NOT_FOUND = "not_found"
    UPGRADE_REQUIRED = "upgrade_required"
    IDEMPOTENCY_ANSWER_GONE = "idempotency_answer_gone"
    IDEMPOTENCY_MISMATCH = "idempotency_mismatch"
    AUTHORITY_UNAVAILABLE = "authority_unavailable"
    OVERLOADED = "overloaded"
    UPSTREAM_NOT_CONFIGURED = "upstream_not_configured"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    INTERNAL_ERROR = "internal_error"


class Refused(Exception):
    """A call that does not leave. `str()` of it is what the caller reads.

    `param` names the field of the request that is at fault, where there is one.
    """

    reason: Reason

    def __init__(self, reason: Reason, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.param = param


@dataclass(frozen=True, slots=True)
class Shortage:
    """The scope that could not hold a call, and what would help. Amounts are in `unit`.

    `rolling_ms` is how long a rolling window is; 0 for one of a calendar.
    """

    scope: str
    unit: Unit
    required: int
    remaining: int
    resets_at_ms: int | None
    rolling_ms: int = 0

    def __str__(self) -> str:
        resets = f", resets {iso(self.resets_at_ms)}" if self.resets_at_ms is not None else ""
        is_one = self.unit is Unit.USD_MICROCENTS or self.remaining == 1
        return (
            f"{self.scope}: this call needs {written(self.required, self.unit)}, "
            f"{written(self.remaining, self.unit)} {'remains' if is_one else 'remain'}{resets}"
        )


class BudgetRefused(Refused):
    """A budget of the call said no. No scope was changed.

    `retry_after_ms` is set only for BUDGET_BUSY and for COOLDOWN, whose window it is.
    """

    _LEAD: ClassVar[dict[Reason, str]] = {
        Reason.BUDGET_EXCEEDED: "Budget exhausted for",
        Reason.BUDGET_BUSY: "Budget is held by calls in flight, for",
        Reason.BUDGET_FROZEN: "Budget is frozen for",
        Reason.BUDGET_CLOSED: "Budget is closed for",
        Reason.OVERDRAFT_LIMIT_EXCEEDED: "Budget is over its limit for",
        Reason.DEBT_OUTSTANDING: "Budget has unpaid debt for",
        Reason.STEPS_EXHAUSTED: "No calls are left for",
        Reason.COOLDOWN: "Calls come too fast for",
    }

    def __init__(self, reason: Reason, shortage: Shortage) -> None:
        super().__init__(reason, f"{self._LEAD[reason]} {shortage}. {_advice(reason, shortage)}")
        self.shortage = shortage
        self.retry_after_ms = shortage.rolling_ms if reason is Reason.COOLDOWN else None


def _advice(reason: Reason, shortage: Shortage) -> str:
    """Whether to try again, and when, for whoever reads no header."""
    if reason is Reason.COOLDOWN:
        return f"Retry after {-(-shortage.rolling_ms // 1000)} s."
    return "Retry shortly." if reason is Reason.BUDGET_BUSY else "Do not retry."


class LedgerError(Exception):
    """A ledger operation that did not happen, for a reason that is not a budget's."""


class ReservationNotFound(LedgerError):
    """No reservation has this id."""


@dataclass(eq=False)
class ReservationFinalized(LedgerError):
    """The hold has already ended, in `state`, and not by this key."""

    state: str


class ReservationExpired(LedgerError):
    """The lease and its grace are over."""


class ExtensionsExhausted(LedgerError):
    """The hold was extended as often as its `max_extensions` allows."""


class ActorRequired(LedgerError):
    """Only a person gives up a hold whose outcome nobody knows."""


class IdempotencyMismatch(LedgerError):
    """The key was used before, with another payload."""


class UnitMismatch(LedgerError):
    """The amount is in another unit than the hold, or than every budget of the subject."""


class CommitRejected(LedgerError):
    """Overage REJECT, or an overdraft limit: the hold stays ACTIVE and nothing changed."""

    reason: Reason = Reason.BUDGET_EXCEEDED


class AmountOutOfRange(LedgerError):
    """An amount, or a sum it would make, is negative or beyond int64."""


@dataclass(eq=False)
class LedgerUnavailable(LedgerError):
    """The outcome is unknown or nothing was written; the same key may be tried again."""

    why: str = field(default="the ledger cannot be reached")

    def __str__(self) -> str:
        return self.why


@dataclass(eq=False)
class LedgerThrottled(LedgerUnavailable):
    """Nothing happened: the ledger wants to be asked later, None where it does not say when."""

    why: str = field(default="the ledger asks for a pause")
    retry_after_ms: int | None = None


class NotUnderstood(LedgerUnavailable):
    """What the ledger says of this one operation makes no sense to us. Others may well happen."""
