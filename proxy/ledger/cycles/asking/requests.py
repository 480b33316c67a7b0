"""What we ask of an authority, in its words."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from msgspec import UNSET, UnsetType

from proxy.cycles_wire import schemas
from proxy.cycles_wire.requests import (
    CommitRequest,
    DecisionRequest,
    EventCreateRequest,
    ReleaseRequest,
    ReservationCreateRequest,
    ReservationExtendRequest,
)
from proxy.cycles_wire.schemas import Action, Amount
from proxy.cycles_wire.subjects import named_subject
from proxy.domain.money import Unit
from proxy.domain.reservation import Overage
from proxy.domain.subject import Subject
from proxy.ledger.records import Event, ReserveRequest

_KEY_CHARACTERS_MAX: Final = 256
_TTL_MS_MIN: Final = 1_000
_GRACE_MS_MAX: Final = 60_000
_KIND_CHARACTERS_MAX: Final = 64
_NAME_CHARACTERS_MAX: Final = 256
_DIMENSIONS_MAX: Final = 16


def key_of(key: str, *more: str) -> str:
    """A key for the wire. One that is too long there is told by its digest."""
    whole = "/".join([key, *[part for part in more if part]])
    if len(whole) <= _KEY_CHARACTERS_MAX:
        return whole
    return "sha256:" + hashlib.sha256(whole.encode()).hexdigest()


def reserve(
    request: ReserveRequest, unit: Unit, amount: int, *, key: str
) -> ReservationCreateRequest:
    """Hold an amount for the subject of the request."""
    return ReservationCreateRequest(
        idempotency_key=key,
        subject=wire_subject(request.subject),
        action=_action(request.action_kind, request.action_name),
        estimate=Amount(unit=unit, amount=amount),
        ttl_ms=max(_TTL_MS_MIN, request.ttl_ms),
        grace_period_ms=min(_GRACE_MS_MAX, request.grace_ms),
        overage_policy=request.overage,
        metadata=_metadata(request.metadata, price_version=request.price_version),
    )


def decide(request: ReserveRequest, unit: Unit, amount: int, *, key: str) -> DecisionRequest:
    """Ask what a reserve would get."""
    return DecisionRequest(
        idempotency_key=key,
        subject=wire_subject(request.subject),
        action=_action(request.action_kind, request.action_name),
        estimate=Amount(unit=unit, amount=amount),
    )


def commit(
    unit: Unit, actual: int, *, key: str, estimated: bool, metadata: Mapping[str, str] | None
) -> CommitRequest:
    """Charge a reservation."""
    return CommitRequest(
        idempotency_key=key,
        actual=Amount(unit=unit, amount=actual),
        metadata=_metadata(metadata or {}, actual_source="estimate" if estimated else ""),
    )


def release(*, key: str, actor: str) -> ReleaseRequest:
    """Give a reservation back."""
    return ReleaseRequest(
        idempotency_key=key, reason=actor[:_NAME_CHARACTERS_MAX] if actor else UNSET
    )


def extend(by_ms: int, *, key: str) -> ReservationExtendRequest:
    """Move the end of a lease."""
    return ReservationExtendRequest(idempotency_key=key, extend_by_ms=by_ms)


def event(event: Event, unit: Unit, *, key: str, overage: Overage) -> EventCreateRequest:
    """Charge what was spent without a reservation that could be committed."""
    return EventCreateRequest(
        idempotency_key=key,
        subject=wire_subject(event.subject),
        action=_action(event.action_kind, event.action_name),
        actual=Amount(unit=unit, amount=event.actual[unit]),
        overage_policy=overage,
        metadata=_metadata(
            event.metadata,
            price_version=event.price_version,
            actual_source="estimate" if event.estimated else "",
        ),
    )


def wire_subject(subject: Subject) -> schemas.Subject:
    """The subject, with as many dimensions as the wire takes; those that are too long stay here."""
    fitting = [
        (name, value)
        for name, value in subject.dimensions.items()
        if len(value) <= _NAME_CHARACTERS_MAX
    ]
    return named_subject(dict(subject.levels()), dict(fitting[:_DIMENSIONS_MAX]))


def _action(kind: str, name: str) -> Action:
    return Action(kind=kind[:_KIND_CHARACTERS_MAX], name=name[:_NAME_CHARACTERS_MAX])


def _metadata(given: Mapping[str, str], **told: str) -> dict[str, Any] | UnsetType:
    metadata = {name: value for name, value in told.items() if value} | dict(given)
    return metadata or UNSET
