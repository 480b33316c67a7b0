"""The codes of the protocol with their statuses, and the one body of every error.

Source: cycles-protocol-v0.yaml, schemas ErrorCode and ErrorResponse, "ERROR SEMANTICS".
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import UNSET, Meta, UnsetType

from proxy.cycles_wire.schemas import FreeObject, Schema


class ErrorCode(StrEnum):
    """What went wrong, of the seventeen things that the protocol knows."""

    INVALID_REQUEST = "INVALID_REQUEST"
    UNAUTHORIZED = "UNAUTHORIZED"
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    BUDGET_FROZEN = "BUDGET_FROZEN"
    BUDGET_CLOSED = "BUDGET_CLOSED"
    RESERVATION_EXPIRED = "RESERVATION_EXPIRED"
    RESERVATION_FINALIZED = "RESERVATION_FINALIZED"
    IDEMPOTENCY_MISMATCH = "IDEMPOTENCY_MISMATCH"
    UNIT_MISMATCH = "UNIT_MISMATCH"
    OVERDRAFT_LIMIT_EXCEEDED = "OVERDRAFT_LIMIT_EXCEEDED"
    DEBT_OUTSTANDING = "DEBT_OUTSTANDING"
    MAX_EXTENSIONS_EXCEEDED = "MAX_EXTENSIONS_EXCEEDED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    TENANT_CLOSED = "TENANT_CLOSED"
    INTERNAL_ERROR = "INTERNAL_ERROR"

    @property
    def status(self) -> int:
        """The HTTP status that goes with it."""
        return _STATUSES.get(self, 409)


_STATUSES: Final = {
    ErrorCode.INVALID_REQUEST: 400,
    ErrorCode.UNIT_MISMATCH: 400,
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.RESERVATION_EXPIRED: 410,
    ErrorCode.LIMIT_EXCEEDED: 429,
    ErrorCode.INTERNAL_ERROR: 500,
}

TraceId = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]


class ErrorResponse(Schema, frozen=True, kw_only=True):
    """What every error looks like. `message` is for people, `details` for programs."""

    error: ErrorCode
    message: str
    request_id: str
    trace_id: TraceId | UnsetType = UNSET
    details: FreeObject | UnsetType = UNSET
