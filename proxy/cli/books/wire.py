"""Balances and reservations as programs read them.

Source: cycles-protocol-v0.yaml, schemas Balance and ReservationDetail: these fields and no
others, and none that is null.
"""

from proxy.domain.money import Unit
from proxy.domain.reservation import OPEN, State
from proxy.domain.subject import Subject
from proxy.ledger.records import Balance, Reservation

Fields = dict[str, object]


def balance_object(balance: Balance) -> Fields:
    """A schema Balance, of one window. What the protocol has no word for is left out."""
    unit = balance.unit
    fields: Fields = {
        "scope": balance.scope,
        "scope_path": balance.scope,
        "remaining": _amount(balance.remaining, unit),
        "reserved": _amount(balance.reserved, unit),
        "spent": _amount(balance.spent, unit),
        "debt": _amount(balance.debt, unit),
        "overdraft_limit": _amount(balance.overdraft_limit, unit),
        "is_over_limit": balance.is_over_limit,
    }
    # Taking more away than was allocated is possible and has no Amount; then remaining is
    # what counts, as the schema says for a Balance without `allocated`.
    if balance.allocated >= 0:
        fields["allocated"] = _amount(balance.allocated, unit)
    return fields


def reservation_object(reservation: Reservation) -> Fields:
    """A schema ReservationDetail. An uncertain hold reads as ACTIVE: it still takes room.

    The protocol has one unit for a hold: the first of ours, which is money.
    """
    unit = next(iter(reservation.amounts))
    state = State.ACTIVE if reservation.state in OPEN else reservation.state
    fields: Fields = {
        "reservation_id": reservation.reservation_id,
        "status": state.value,
        "idempotency_key": reservation.key,
        "subject": _subject(reservation.subject),
        "action": {"kind": reservation.action_kind, "name": reservation.action_name},
        "reserved": _amount(reservation.amounts[unit], unit),
        "created_at_ms": reservation.created_at_ms,
        "expires_at_ms": reservation.expires_at_ms,
        "scope_path": reservation.scope_path,
        "affected_scopes": list(reservation.affected_scopes),
    }
    if state is State.COMMITTED and reservation.charged is not None:
        fields["committed"] = _amount(reservation.charged[unit], unit)
    if state in (State.COMMITTED, State.RELEASED) and reservation.finalized_at_ms is not None:
        fields["finalized_at_ms"] = reservation.finalized_at_ms
    told = {"trace_id": reservation.trace_id, "price_version": reservation.price_version}
    metadata = {name: value for name, value in told.items() if value} | dict(reservation.metadata)
    if metadata:
        fields["metadata"] = metadata
    if state is State.COMMITTED and reservation.settled_metadata:
        fields["committed_metadata"] = dict(reservation.settled_metadata)
    return fields


def _amount(amount: int, unit: Unit) -> Fields:
    return {"unit": unit.value, "amount": amount}


def _subject(subject: Subject) -> Fields:
    fields: Fields = dict(subject.levels())
    if subject.dimensions:
        fields["dimensions"] = dict(subject.dimensions)
    return fields
