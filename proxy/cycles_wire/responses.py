"""What an authority answers: these fields and no others, for clients that check each of them.

Fields that are UNSET are left out, and a status that can only be one is put in. `write` makes
the bytes.
"""

from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proxy.cycles_wire.schemas import (
    Action,
    Amount,
    Balance,
    Caps,
    Count,
    FreeObject,
    IdempotencyKey,
    ReservationStatus,
    Schema,
    Subject,
)
from proxy.domain.decision import Decision

ReasonCode = Annotated[
    str,
    Meta(
        max_length=128, description="Why the answer is DENY. More reasons may come: read them so."
    ),
]
ScopePath = Annotated[str, Meta(description="The innermost scope of the subject.")]
AffectedScopes = Annotated[
    list[str], Meta(description="Every scope of the subject, outermost first.")
]
Cursor = Annotated[str, Meta(description="Where the next page begins.")]

_ENCODER: Final = msgspec.json.Encoder()


def write(answer: Any) -> bytes:
    """The answer as JSON."""
    return _ENCODER.encode(answer)


class DecisionResponse(Schema, frozen=True, kw_only=True):
    """What a reservation would get now."""

    decision: Decision
    caps: Caps | UnsetType = UNSET
    reason_code: ReasonCode | UnsetType = UNSET
    retry_after_ms: Count | UnsetType = UNSET
    affected_scopes: AffectedScopes | UnsetType = UNSET


class ReservationCreateResponse(Schema, frozen=True, kw_only=True):
    """A hold that was made, or for a dry run would be."""

    decision: Decision
    reservation_id: str | UnsetType = UNSET
    reserved: Amount | UnsetType = UNSET
    expires_at_ms: Count | UnsetType = UNSET
    remaining_ttl_ms: Count | UnsetType = UNSET
    scope_path: ScopePath | UnsetType = UNSET
    affected_scopes: AffectedScopes
    caps: Caps | UnsetType = UNSET
    balances: list[Balance] | UnsetType = UNSET
    reason_code: ReasonCode | UnsetType = UNSET
    retry_after_ms: Count | UnsetType = UNSET


class CommitResponse(Schema, frozen=True, kw_only=True, tag_field="status", tag="COMMITTED"):
    """What was charged; less than the actual where the budgets could not pay it."""

    charged: Amount
    released: Amount | UnsetType = UNSET
    balances: list[Balance] | UnsetType = UNSET


class ReleaseResponse(Schema, frozen=True, kw_only=True, tag_field="status", tag="RELEASED"):
    """What went back."""

    released: Amount
    balances: list[Balance] | UnsetType = UNSET


class ReservationExtendResponse(
    Schema, frozen=True, kw_only=True, tag_field="status", tag="ACTIVE"
):
    """Until when the hold lasts now."""

    expires_at_ms: Count
    remaining_ttl_ms: Count | UnsetType = UNSET
    balances: list[Balance] | UnsetType = UNSET


class EventCreateResponse(Schema, frozen=True, kw_only=True, tag_field="status", tag="APPLIED"):
    """An event that was charged; `charged` is there where it is less than the actual."""

    event_id: str
    charged: Amount | UnsetType = UNSET
    balances: list[Balance] | UnsetType = UNSET


class BalanceResponse(Schema, frozen=True, kw_only=True):
    """A page of balances."""

    balances: list[Balance]
    next_cursor: Cursor | UnsetType = UNSET
    has_more: bool | UnsetType = UNSET


class ReservationDetail(Schema, frozen=True, kw_only=True):
    """One reservation. `finalized_at_ms` is of those committed or released."""

    reservation_id: str
    status: ReservationStatus
    idempotency_key: IdempotencyKey | UnsetType = UNSET
    subject: Subject
    action: Action
    reserved: Amount
    committed: Amount | UnsetType = UNSET
    created_at_ms: Count
    expires_at_ms: Count
    finalized_at_ms: Count | UnsetType = UNSET
    scope_path: ScopePath
    affected_scopes: AffectedScopes
    metadata: FreeObject | UnsetType = UNSET
    committed_metadata: FreeObject | UnsetType = UNSET


class ReservationSummary(ReservationDetail, frozen=True, kw_only=True):
    """One reservation of a list; metadata only where the list was asked to include it."""


class ReservationListResponse(Schema, frozen=True, kw_only=True):
    """A page of reservations."""

    reservations: list[ReservationSummary]
    next_cursor: Cursor | UnsetType = UNSET
    has_more: bool | UnsetType = UNSET
