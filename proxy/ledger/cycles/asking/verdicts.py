"""What an error of an authority means to us.

Three kinds: it did not happen and never will (a refusal, or an end that was reached
before), nobody knows or it may yet happen (try again with the same key), and what we do
not understand, which is treated as the second. A key that is not accepted is of the second
kind for what was spent already, and says no to what was not: suspended tenants and
replaced keys look alike (401), and neither may let calls leave uncounted.
Source: cycles-protocol-v0.yaml, "ERROR SEMANTICS"; client-recovery-scenarios.yaml.
"""

from typing import Final

from proxy.cycles_wire.errors import ErrorCode
from proxy.domain.errors import (
    AmountOutOfRange,
    CommitRejected,
    ExtensionsExhausted,
    IdempotencyMismatch,
    LedgerError,
    LedgerThrottled,
    LedgerUnavailable,
    NotUnderstood,
    Reason,
    Refused,
    ReservationExpired,
    ReservationFinalized,
    ReservationNotFound,
    UnitMismatch,
)
from proxy.ledger.cycles.asking.answers import read_error
from proxy.ledger.cycles.asking.exchange import Answer

BUDGET_REASONS: Final[dict[str, Reason]] = {
    ErrorCode.BUDGET_EXCEEDED: Reason.BUDGET_EXCEEDED,
    ErrorCode.BUDGET_FROZEN: Reason.BUDGET_FROZEN,
    ErrorCode.BUDGET_CLOSED: Reason.BUDGET_CLOSED,
    ErrorCode.OVERDRAFT_LIMIT_EXCEEDED: Reason.OVERDRAFT_LIMIT_EXCEEDED,
    ErrorCode.DEBT_OUTSTANDING: Reason.DEBT_OUTSTANDING,
}
"""What a budget says, by the code or the reason code that says it."""

_NOT_ACCEPTED: Final = (401, 403)
_SETTLED: Final[dict[str, type[LedgerError]]] = {
    ErrorCode.RESERVATION_EXPIRED: ReservationExpired,
    ErrorCode.NOT_FOUND: ReservationNotFound,
    ErrorCode.IDEMPOTENCY_MISMATCH: IdempotencyMismatch,
    ErrorCode.UNIT_MISMATCH: UnitMismatch,
    ErrorCode.MAX_EXTENSIONS_EXCEEDED: ExtensionsExhausted,
    ErrorCode.INVALID_REQUEST: AmountOutOfRange,
    ErrorCode.BUDGET_EXCEEDED: CommitRejected,
    ErrorCode.BUDGET_CLOSED: CommitRejected,
    ErrorCode.OVERDRAFT_LIMIT_EXCEEDED: CommitRejected,
}


def check_answered(answer: Answer) -> None:
    """Raises LedgerUnavailable for every status that is neither a success nor a 4xx."""
    if answer.status >= 500 or answer.status < 200 or 300 <= answer.status < 400:
        raise LedgerUnavailable(f"the budget authority answered {answer.status}")


def settling_error(answer: Answer) -> Exception:
    """What the 4xx of a commit, a release, an extension or an event of spent money means."""
    error = read_error(answer)
    if answer.status == 429:
        return LedgerThrottled(retry_after_ms=answer.retry_after_ms)
    if answer.status in _NOT_ACCEPTED:
        return LedgerUnavailable("the budget authority does not accept our key")
    if answer.status == 410:
        return ReservationExpired()
    if error.error == ErrorCode.RESERVATION_FINALIZED:
        return ReservationFinalized("ended")
    if error.error == ErrorCode.TENANT_CLOSED:
        return Refused(Reason.TENANT_CLOSED, "The tenant is closed at the budget authority.")
    known = _SETTLED.get(error.error)
    if known is None:
        code = error.error if error.error in ErrorCode.__members__ else ""
        return NotUnderstood(f"the budget authority answered {answer.status} {code}".rstrip())
    return known()


def holding_error(answer: Answer) -> Exception:
    """What the 4xx of a reserve or a decide means, where no budget said it."""
    error = read_error(answer)
    match error.error:
        case ErrorCode.NOT_FOUND:
            return Refused(
                Reason.BUDGET_NOT_FOUND,
                "The budget authority has no budget for this subject in any of its scopes.",
            )
        case ErrorCode.UNIT_MISMATCH:
            return UnitMismatch()
        case ErrorCode.IDEMPOTENCY_MISMATCH:
            return IdempotencyMismatch()
        case ErrorCode.INVALID_REQUEST:
            return Refused(
                Reason.INVALID_REQUEST, "The budget authority does not take this request."
            )
    if answer.status == 429:
        return Refused(Reason.OVERLOADED, "The budget authority asks for a pause. Retry shortly.")
    if answer.status == 401:
        return Refused(
            Reason.AUTHORITY_UNAVAILABLE,
            "The budget authority does not accept our key, or has suspended its tenant, so "
            "nothing was sent.",
        )
    if answer.status == 403:
        return Refused(
            Reason.IDENTITY_MISMATCH,
            "The budget authority does not let our key spend for this subject.",
        )
    return denied(error.error) if error.error else _silent(answer)


def denied(code: str | None) -> Refused:
    """A denial by a code that no budget of ours would say, known or not."""
    if code == ErrorCode.TENANT_CLOSED:
        return Refused(Reason.TENANT_CLOSED, "The tenant is closed at the budget authority.")
    if code == "TENANT_SUSPENDED":
        return Refused(Reason.TENANT_SUSPENDED, "The tenant is suspended at the budget authority.")
    if code == "BUDGET_NOT_FOUND":
        return Refused(
            Reason.BUDGET_NOT_FOUND,
            "The budget authority has no budget for this subject in any of its scopes.",
        )
    return Refused(Reason.POLICY_DENIED, "The budget authority denies this call. Do not retry.")


def budget_reason(code: str | None) -> Reason | None:
    """The reason that a budget gives with this code, None where no budget says it."""
    return None if code is None else BUDGET_REASONS.get(code)


def _silent(answer: Answer) -> LedgerUnavailable:
    return LedgerUnavailable(
        f"what answers {answer.status} at its address does not speak the Cycles protocol"
    )
