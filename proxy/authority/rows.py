"""Reservations and balances of the ledger as the wire has them.

What the ledger has no column for, and the client wants to see again, is kept with the row as
JSON: the subject as it was written, tags and metadata.
"""

from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from proxy.cycles_wire import schemas
from proxy.cycles_wire.requests import (
    CommitRequest,
    EventCreateRequest,
    ReservationCreateRequest,
)
from proxy.cycles_wire.responses import ReservationDetail, ReservationSummary
from proxy.cycles_wire.schemas import Action, Amount, ReservationStatus, SignedAmount
from proxy.cycles_wire.subjects import named_subject, wire_subject
from proxy.domain.decision import Caps
from proxy.domain.money import WIRE_UNITS, Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope, is_level_scope
from proxy.domain.subject import LEVELS, PURSE, STEPS, Subject
from proxy.ledger.records import Balance, Reservation

RESERVE_PREFIX: Final = "reserve:"
"""Stands before the keys of reservations in the ledger, whose keys are unique per tenant."""

EVENT_PREFIX: Final = "event:"
DECIDE_PREFIX: Final = "decide:"

METADATA: Final = "metadata"
COMMITTED_METADATA: Final = "committed_metadata"

_OURS: Final = frozenset({PURSE, STEPS})
"""Dimensions that no client has named."""

_KEPT: Final = "cycles"
_DIMENSIONS_MAX: Final = 16
_DIMENSION_CHARACTERS_MAX: Final = 256
_STATUSES: Final = {State.UNCERTAIN: ReservationStatus.ACTIVE}

Row = TypeVar("Row", ReservationDetail, ReservationSummary)


class _Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is kept with a row. `subject` only where scopes had to write it another way."""

    subject: schemas.Subject | UnsetType = UNSET
    tags: list[str] | UnsetType = UNSET
    metadata: schemas.FreeObject | UnsetType = UNSET
    metrics: schemas.StandardMetrics | UnsetType = UNSET


_read_kept: Final = msgspec.json.Decoder(_Kept).decode


def kept_of_spend(
    request: ReservationCreateRequest | EventCreateRequest, subject: Subject
) -> dict[str, str]:
    """What is kept with the row of a reservation, or of an event."""
    wire = request.subject
    is_plain = wire.levels() == dict(subject.levels())
    metrics = request.metrics if isinstance(request, EventCreateRequest) else UNSET
    return _keep(_Kept(UNSET if is_plain else wire, request.action.tags, request.metadata, metrics))


def kept_of_commit(request: CommitRequest) -> dict[str, str]:
    """What is kept of a commit."""
    return _keep(_Kept(metadata=request.metadata, metrics=request.metrics))


def _keep(kept: _Kept) -> dict[str, str]:
    return {} if kept == _Kept() else {_KEPT: msgspec.json.encode(kept).decode()}


def _kept(metadata: Mapping[str, str]) -> _Kept:
    text = metadata.get(_KEPT)
    return _Kept() if text is None else _read_kept(text)


def status_of(state: State) -> ReservationStatus:
    """The state as clients know it: what is uncertain is still held, and so ACTIVE."""
    return _STATUSES.get(state) or ReservationStatus(state)


def reserved_of(row: Reservation) -> Amount:
    """What the row held; of a call of the proxy, in the unit that `Unit` lists first."""
    unit = next(unit for unit in Unit if unit in row.amounts)
    return Amount(unit=unit, amount=row.amounts[unit])


def show(row: Reservation, kind: type[Row], *, include: frozenset[str]) -> Row:
    """The row as a client sees it, with the heavy fields that are included."""
    kept = _kept(row.metadata)
    reserved = reserved_of(row)
    is_committed = row.state is State.COMMITTED and row.charged is not None
    is_final = row.state in (State.COMMITTED, State.RELEASED)
    key = row.key.removeprefix(RESERVE_PREFIX)
    return kind(
        reservation_id=row.reservation_id,
        status=status_of(row.state),
        idempotency_key=key if key != row.key else UNSET,
        subject=_subject(row, kept),
        action=Action(kind=row.action_kind, name=row.action_name, tags=kept.tags),
        reserved=reserved,
        committed=Amount(unit=reserved.unit, amount=row.charged[reserved.unit])
        if is_committed and row.charged is not None
        else UNSET,
        created_at_ms=row.created_at_ms,
        expires_at_ms=row.expires_at_ms,
        finalized_at_ms=row.finalized_at_ms
        if is_final and row.finalized_at_ms is not None
        else UNSET,
        scope_path=row.scope_path,
        affected_scopes=list(row.affected_scopes),
        metadata=kept.metadata if METADATA in include else UNSET,
        committed_metadata=_kept(row.settled_metadata).metadata
        if is_committed and COMMITTED_METADATA in include
        else UNSET,
    )


def _subject(row: Reservation, kept: _Kept) -> schemas.Subject:
    if kept.subject is not UNSET:
        return kept.subject
    sent = {name: value for name, value in row.subject.dimensions.items() if name not in _OURS}
    if row.key.startswith(RESERVE_PREFIX):
        return wire_subject(msgspec.structs.replace(row.subject, dimensions=sent))
    # What a call of the proxy says of itself need not keep the limits of the protocol.
    dimensions = {
        name: value for name, value in sent.items() if len(value) <= _DIMENSION_CHARACTERS_MAX
    }
    few = dict(list(dimensions.items())[:_DIMENSIONS_MAX])
    return named_subject(dict(row.subject.levels()), few)


def tightest(balances: Iterable[Balance]) -> list[Balance]:
    """Of each scope and unit of the protocol the window with the least remaining, as they came."""
    found: dict[tuple[Scope, Unit], Balance] = {}
    for balance in balances:
        name = (balance.scope, balance.unit)
        if (
            balance.unit in WIRE_UNITS
            and is_level_scope(balance.scope)
            and (name not in found or balance.remaining < found[name].remaining)
        ):
            found[name] = balance
    return list(found.values())


def wire_balances(balances: Iterable[Balance]) -> list[schemas.Balance]:
    """The balances as a client sees them: one of each scope."""
    return [wire_balance(balance) for balance in tightest(balances)]


def wire_balance(balance: Balance) -> schemas.Balance:
    """One budget. Debt, its limit and the flag are there where they are not nothing.

    More can be taken away than was allocated. That is no Amount, and is left out: `remaining`
    then counts. Source: cycles-protocol-v0.yaml, Balance.
    """
    unit = balance.unit

    def amount(of: int) -> Amount:
        return Amount(unit=unit, amount=of)

    return schemas.Balance(
        scope=balance.scope,
        scope_path=balance.scope,
        remaining=SignedAmount(unit=unit, amount=balance.remaining),
        reserved=amount(balance.reserved),
        spent=amount(balance.spent),
        allocated=amount(balance.allocated) if balance.allocated >= 0 else UNSET,
        debt=amount(balance.debt) if balance.debt else UNSET,
        overdraft_limit=amount(balance.overdraft_limit) if balance.overdraft_limit else UNSET,
        is_over_limit=True if balance.is_over_limit else UNSET,
    )


def wire_caps(caps: Caps) -> schemas.Caps | None:
    """The caps of a policy; None where they cap nothing."""
    if caps == Caps():
        return None
    return schemas.Caps(
        max_tokens=_given(caps.max_tokens),
        tool_allowlist=list(caps.tool_allowlist) or UNSET,
        tool_denylist=list(caps.tool_denylist) or UNSET,
        max_steps_remaining=_given(caps.max_steps_remaining),
        cooldown_ms=_given(caps.cooldown_ms),
    )


def _given(number: int | None) -> int | UnsetType:
    return UNSET if number is None else number


def levels_of(scope: Scope) -> dict[str, str]:
    """The levels of a scope, outermost first."""
    parts = (part.partition(":") for part in scope.split("/"))
    return {level: value for level, _, value in parts if level in LEVELS}
