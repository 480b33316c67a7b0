"""Every way to say no, as the protocol says it.

Source: cycles-protocol-v0.yaml, "ERROR SEMANTICS"; docs/protocol.md says the same to users.
"""

from collections.abc import Mapping
from typing import Any, Final

from proxy.cycles_wire.errors import ErrorCode
from proxy.domain.errors import (
    ActorRequired,
    AmountOutOfRange,
    BudgetRefused,
    CommitRejected,
    ExtensionsExhausted,
    IdempotencyMismatch,
    LedgerError,
    LedgerUnavailable,
    Reason,
    Refused,
    ReservationExpired,
    ReservationFinalized,
    ReservationNotFound,
    UnitMismatch,
)


class Problem(Exception):
    """A request that is answered with an error. `str()` of it is what the client reads.

    `status` is the code's own unless HTTP has a closer one.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        status: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.details = details
        self.status = code.status if status is None else status
        self.headers = headers or {}


CODES: Final[Mapping[Reason, ErrorCode]] = {
    Reason.BUDGET_EXCEEDED: ErrorCode.BUDGET_EXCEEDED,
    Reason.BUDGET_BUSY: ErrorCode.BUDGET_EXCEEDED,
    Reason.TEMPLATE_LIMIT: ErrorCode.BUDGET_EXCEEDED,
    Reason.BUDGET_FROZEN: ErrorCode.BUDGET_FROZEN,
    Reason.BUDGET_CLOSED: ErrorCode.BUDGET_CLOSED,
    Reason.OVERDRAFT_LIMIT_EXCEEDED: ErrorCode.OVERDRAFT_LIMIT_EXCEEDED,
    Reason.DEBT_OUTSTANDING: ErrorCode.DEBT_OUTSTANDING,
    Reason.BUDGET_NOT_FOUND: ErrorCode.NOT_FOUND,
    Reason.POLICY_DENIED: ErrorCode.FORBIDDEN,
    Reason.TENANT_SUSPENDED: ErrorCode.FORBIDDEN,
    Reason.TENANT_CLOSED: ErrorCode.TENANT_CLOSED,
    Reason.HOST_NOT_ALLOWED: ErrorCode.FORBIDDEN,
    Reason.ORIGIN_NOT_ALLOWED: ErrorCode.FORBIDDEN,
    Reason.REQUEST_TOO_LARGE: ErrorCode.INVALID_REQUEST,
    Reason.REQUEST_TIMEOUT: ErrorCode.INVALID_REQUEST,
    Reason.INVALID_REQUEST: ErrorCode.INVALID_REQUEST,
}

_CLOSER_STATUSES: Final = {Reason.REQUEST_TOO_LARGE: 413, Reason.REQUEST_TIMEOUT: 408}

_OF_LEDGER: Final[Mapping[type[LedgerError], tuple[ErrorCode, str]]] = {
    ReservationNotFound: (ErrorCode.NOT_FOUND, "No reservation has this id."),
    ReservationExpired: (ErrorCode.RESERVATION_EXPIRED, "The reservation has expired."),
    ExtensionsExhausted: (
        ErrorCode.MAX_EXTENSIONS_EXCEEDED,
        "The reservation was extended as often as it may be.",
    ),
    IdempotencyMismatch: (
        ErrorCode.IDEMPOTENCY_MISMATCH,
        "This idempotency key came before, with another payload.",
    ),
    UnitMismatch: (ErrorCode.UNIT_MISMATCH, "The amount is in another unit."),
    AmountOutOfRange: (ErrorCode.INVALID_REQUEST, "A sum would be larger than int64."),
    ActorRequired: (ErrorCode.FORBIDDEN, "Only an operator can give this reservation up."),
    LedgerUnavailable: (
        ErrorCode.INTERNAL_ERROR,
        "The ledger cannot be reached, so nobody knows whether this happened. "
        "Retry with the same idempotency key.",
    ),
}


def problem_of(error: Refused | LedgerError) -> Problem:
    """What a client is told of a refusal, or of what a ledger could not do."""
    if isinstance(error, Refused):
        return _of_refusal(error)
    if isinstance(error, CommitRejected):
        return Problem(
            CODES[error.reason],
            "The budgets cannot pay what was spent. The reservation is still active: "
            "commit less, release it, or let it expire.",
        )
    if isinstance(error, ReservationFinalized):
        return Problem(
            ErrorCode.RESERVATION_FINALIZED, f"The reservation has ended before: {error.state}."
        )
    return Problem(*next(_OF_LEDGER[kind] for kind in type(error).__mro__ if kind in _OF_LEDGER))


def _of_refusal(refused: Refused) -> Problem:
    code = CODES.get(refused.reason, ErrorCode.INTERNAL_ERROR)
    details = _shortage(refused) if isinstance(refused, BudgetRefused) else None
    return Problem(code, str(refused), details=details, status=_CLOSER_STATUSES.get(refused.reason))


def _shortage(refused: BudgetRefused) -> dict[str, Any]:
    short = refused.shortage
    return {
        "scope": short.scope,
        "unit": short.unit,
        "required": short.required,
        "remaining": short.remaining,
    }
