"""What scripts are asked, in the words they read. Amounts are decimal text there."""

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.domain.money import Unit
from proxy.domain.scope import budget_scopes, derive
from proxy.ledger import rules
from proxy.ledger.records import Event, ReserveRequest, Rung
from proxy.ledger.redis.answers import written_call


def beginning(
    request: ReserveRequest | Event, reservation_id: str, units: Iterable[Unit]
) -> dict[str, Any]:
    """What a reserve and an event have in common: whose row it will be."""
    subject = request.subject
    scopes = derive(subject)
    return {
        "id": reservation_id,
        "key": request.key,
        "payload_hash": request.payload_hash,
        "scope": scopes[-1] if scopes else "",
        "scopes": budget_scopes(subject),
        "units": [unit.value for unit in units],
        "overage": request.overage.value,
        "trace_id": request.trace_id,
        "price_version": request.price_version,
        "call": written_call(subject, request.action_kind, request.action_name, request.metadata),
    }


def reserve(request: ReserveRequest, reservation_id: str, units: Iterable[Unit]) -> dict[str, Any]:
    """What is to be held, and for how long."""
    return {
        **beginning(request, reservation_id, units),
        **lease(request),
        "plan": plan(request.plan),
        "free": [unit.value for unit in request.free],
        **({"annotation": request.annotation} if request.annotation else {}),
    }


def lease(request: ReserveRequest) -> dict[str, Any]:
    """How long a hold is kept, and what it may get of what remains."""
    most = request.max_extensions
    return {
        "ttl_ms": request.ttl_ms,
        "grace_ms": request.grace_ms,
        "max_share_pct": request.max_share_pct,
        "on_expiry": request.on_expiry.value,
        **({"max_extensions": most} if most is not None else {}),
    }


def plan(rungs: Iterable[Rung]) -> list[list[tuple[str, str, str]]]:
    """The spans of each rung."""
    return [
        [(unit.value, str(span.minimum), str(span.want)) for unit, span in rung.items()]
        for rung in rungs
    ]


def amounts(by_unit: Mapping[Unit, int]) -> list[tuple[str, str]]:
    """Amounts that a caller names, in the order they came.

    Raises:
        AmountOutOfRange
    """
    for amount in by_unit.values():
        rules.check_amount(amount)
    return [(unit.value, str(amount)) for unit, amount in by_unit.items()]


def payload(by_unit: Mapping[Unit, int]) -> str:
    """Amounts as replays are compared by, in whatever order they came."""
    return " ".join(sorted(f"{unit}={amount}" for unit, amount in by_unit.items()))
