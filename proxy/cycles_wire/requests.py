"""What a client sends. Defaults are the protocol's, so that a default that is spelled out and
one that is left out are the same request.
"""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from proxy.cycles_wire.schemas import (
    Action,
    Amount,
    Count,
    FreeObject,
    IdempotencyKey,
    OveragePolicy,
    Schema,
    StandardMetrics,
    Subject,
)
from proxy.domain.reservation import Overage

DEFAULT_TTL_MS = 60_000
DEFAULT_GRACE_PERIOD_MS = 5_000


class DecisionRequest(Schema, frozen=True, kw_only=True):
    """Ask what a reservation would get, without making one."""

    idempotency_key: IdempotencyKey
    subject: Subject
    action: Action
    estimate: Amount
    metadata: FreeObject | UnsetType = UNSET


class ReservationCreateRequest(Schema, frozen=True, kw_only=True):
    """Hold an estimate in every budgeted scope of the subject."""

    idempotency_key: IdempotencyKey
    subject: Subject
    action: Action
    estimate: Amount
    ttl_ms: Annotated[
        int,
        Meta(ge=1_000, le=86_400_000, description="How long the hold lasts if nobody extends it."),
    ] = DEFAULT_TTL_MS
    grace_period_ms: Annotated[
        int,
        Meta(ge=0, le=60_000, description="How long after its end it can still be settled."),
    ] = DEFAULT_GRACE_PERIOD_MS
    overage_policy: OveragePolicy = Overage.ALLOW_IF_AVAILABLE
    dry_run: Annotated[bool, Meta(description="Answer as if it were made, and hold nothing.")] = (
        False
    )
    metadata: FreeObject | UnsetType = UNSET


class CommitRequest(Schema, frozen=True, kw_only=True):
    """Charge what it cost and give the rest back."""

    idempotency_key: IdempotencyKey
    actual: Amount
    metrics: StandardMetrics | UnsetType = UNSET
    metadata: FreeObject | UnsetType = UNSET


class ReleaseRequest(Schema, frozen=True, kw_only=True):
    """Give the whole hold back."""

    idempotency_key: IdempotencyKey
    reason: Annotated[str, Meta(max_length=256)] | UnsetType = UNSET


class ReservationExtendRequest(Schema, frozen=True, kw_only=True):
    """Move the end of the lease."""

    idempotency_key: IdempotencyKey
    extend_by_ms: Annotated[
        int,
        Meta(ge=1, le=86_400_000, description="Counted from where the lease ends now."),
    ]
    metadata: FreeObject | UnsetType = UNSET


class EventCreateRequest(Schema, frozen=True, kw_only=True):
    """Charge what was spent without a hold."""

    idempotency_key: IdempotencyKey
    subject: Subject
    action: Action
    actual: Amount
    overage_policy: OveragePolicy = Overage.ALLOW_IF_AVAILABLE
    metrics: StandardMetrics | UnsetType = UNSET
    client_time_ms: Count | UnsetType = UNSET
    metadata: FreeObject | UnsetType = UNSET
