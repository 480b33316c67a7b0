"""The rows of holds: made once, found by id or key, changed by the operations."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from proxy.domain.errors import ReservationNotFound
from proxy.domain.money import Unit
from proxy.domain.reservation import OnExpiry, Overage, State
from proxy.domain.scope import derive
from proxy.domain.subject import Subject
from proxy.ledger.journal import Kind
from proxy.ledger.protocol import Reservation, ReserveRequest
from proxy.ledger.sqlite.transaction import Transaction

_STATES: Final = {state.value: state for state in State}
_OVERAGES: Final = {overage.value: overage for overage in Overage}
_ON_EXPIRIES: Final = {on_expiry.value: on_expiry for on_expiry in OnExpiry}

_SELECT: Final = (
    "SELECT number, id, tenant, state, windows, subject, rung, amount, overage, on_expiry,"
    " dispatched, created_at_ms, ttl_ms, expires_at_ms, lapses_at_ms, extensions,"
    " max_extensions, payload_hash, granted, settled_key, settled_hash, settled, charged,"
    " uncovered, estimated FROM reservations"
)
_BY_ID: Final = _SELECT + " WHERE id = ?"
_BY_NUMBER: Final = _SELECT + " WHERE number = ?"
# Each column of an answer costs some 2,000 instructions: who needs few asks for few.
_NUMBER_BY_KEY: Final = "SELECT number FROM reservations WHERE tenant = ? AND key = ?"
_STANDING: Final = "SELECT number, tenant, state, dispatched FROM reservations WHERE id = ?"
_INSERT: Final = (
    "INSERT INTO reservations (id, tenant, key, payload_hash, state, subject, unit, action_kind,"
    " action_name, windows, rung, amount, overage, on_expiry, dispatched, created_at_ms, ttl_ms,"
    " expires_at_ms, lapses_at_ms, extensions, max_extensions, metadata, granted, uncovered,"
    " estimated) VALUES"
    " (?, ?, ?, ?, 'ACTIVE', ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, 0, ?, ?, ?, 0, 0)"
)
_FIND_REPLY: Final = (
    "SELECT payload, answer FROM replies WHERE number = ? AND operation = ? AND key = ?"
)

_encode: Final = msgspec.json.Encoder().encode
_decode_windows: Final = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_subject: Final = msgspec.json.Decoder(Subject).decode
_decode_metadata: Final = msgspec.json.Decoder(dict[str, str]).decode


class Hold(msgspec.Struct, frozen=True):
    """A row, as operations need it."""

    number: int
    reservation_id: str
    tenant: str
    state: State
    windows_json: str
    subject_json: str
    rung: int
    amount: int
    overage: Overage
    on_expiry: OnExpiry
    dispatched: bool
    created_at_ms: int
    ttl_ms: int
    expires_at_ms: int
    lapses_at_ms: int
    extensions: int
    max_extensions: int | None
    payload_hash: str
    granted: str
    settled_key: str | None
    settled_hash: str | None
    settled: str | None
    charged: int | None
    uncovered: int
    estimated: bool

    @property
    def window_ids(self) -> tuple[int, ...]:
        """Its windows, outermost first."""
        return _decode_windows(self.windows_json)

    @property
    def subject(self) -> Subject:
        """Who holds."""
        return _decode_subject(self.subject_json)

    @property
    def is_uncertain(self) -> bool:
        """Whether nobody knows what became of the call."""
        return self.state is State.UNCERTAIN


class Standing(NamedTuple):
    """What of a row decides whether it may be dispatched."""

    number: int
    tenant: str
    state: State
    dispatched: bool


def find(transaction: Transaction, reservation_id: str) -> Hold:
    """The hold of this id.

    Raises:
        ReservationNotFound
    """
    row = transaction.read(_BY_ID, (reservation_id,)).fetchone()
    if row is None:
        raise _not_found(reservation_id)
    return _hold(row)


def find_standing(transaction: Transaction, reservation_id: str) -> Standing:
    """Where the hold of this id stands.

    Raises:
        ReservationNotFound
    """
    row = transaction.read(_STANDING, (reservation_id,)).fetchone()
    if row is None:
        raise _not_found(reservation_id)
    number, tenant, state, dispatched = row
    return Standing(number, tenant, _STATES[state], bool(dispatched))


def find_by_key(transaction: Transaction, tenant: str, key: str) -> Hold | None:
    """The hold that this key made, if it made one."""
    row = transaction.read(_NUMBER_BY_KEY, (tenant, key)).fetchone()
    return next(find_numbers(transaction, row)) if row is not None else None


def find_numbers(transaction: Transaction, numbers: Iterable[int]) -> Iterator[Hold]:
    """The holds of these numbers, in their order."""
    for number in numbers:
        yield _hold(transaction.read(_BY_NUMBER, (number,)).fetchone())


def _hold(row: Sequence[Any]) -> Hold:
    values = list(row)
    values[3] = _STATES[row[3]]
    values[8] = _OVERAGES[row[8]]
    values[9] = _ON_EXPIRIES[row[9]]
    values[10] = bool(row[10])
    values[24] = bool(row[24])
    return Hold(*values)


def _not_found(reservation_id: str) -> ReservationNotFound:
    return ReservationNotFound(f"there is no reservation {reservation_id}")


def insert(
    transaction: Transaction,
    request: ReserveRequest,
    *,
    reservation_id: str,
    window_ids: Sequence[int],
    rung: int,
    amount: int,
    granted: str,
) -> None:
    """The row of a new hold."""
    now_ms = transaction.now_ms
    expires_at_ms = now_ms + request.ttl_ms
    transaction.execute_last(
        _INSERT,
        (
            reservation_id,
            request.subject.tenant or "",
            request.key,
            request.payload_hash,
            _encode(request.subject).decode(),
            request.unit.value,
            request.action_kind,
            request.action_name,
            _encode(window_ids).decode(),
            rung,
            amount,
            request.overage.value,
            request.on_expiry.value,
            now_ms,
            request.ttl_ms,
            expires_at_ms,
            expires_at_ms + request.grace_ms,
            request.max_extensions,
            written_metadata(request.metadata),
            granted,
        ),
    )


def written_metadata(metadata: Mapping[str, str]) -> str:
    """Metadata as its column keeps it."""
    return _encode(dict(metadata)).decode()


def find_reply(
    transaction: Transaction, hold: Hold, operation: Kind, key: str
) -> tuple[str, str] | None:
    """The payload and the first answer of an operation with this key, if there was one."""
    found: tuple[str, str] | None = transaction.read(
        _FIND_REPLY, (hold.number, operation.value, key)
    ).fetchone()
    return found


def keep_reply(
    transaction: Transaction, hold: Hold, operation: Kind, key: str, *, payload: str, answer: str
) -> None:
    """Keep the first answer of an operation."""
    transaction.execute(
        "INSERT INTO replies VALUES (?, ?, ?, ?, ?)",
        (hold.number, operation.value, key, payload, answer),
    )


_SELECT_WHOLE: Final = (
    "SELECT id, key, tenant, state, subject, unit, amount, charged, uncovered, estimated,"
    " dispatched, on_expiry, created_at_ms, expires_at_ms, finalized_at_ms, metadata,"
    " settled_metadata, action_kind, action_name, number FROM reservations"
)


def reservation(connection: sqlite3.Connection, reservation_id: str) -> Reservation:
    """The whole row, as operators see it.

    Raises:
        ReservationNotFound
    """
    row = connection.execute(_SELECT_WHOLE + " WHERE id = ?", (reservation_id,)).fetchone()
    if row is None:
        raise _not_found(reservation_id)
    return _whole(row)


def newest(
    connection: sqlite3.Connection, state: State, limit: int
) -> Iterator[tuple[int, Reservation]]:
    """The newest rows in this state with their numbers, newest first."""
    # The state is spelled out, not bound, so that the partial indexes serve it.
    which = f" WHERE state = '{state.value}' ORDER BY number DESC LIMIT ?"
    for row in connection.execute(_SELECT_WHOLE + which, (limit,)):
        yield row[-1], _whole(row)


def _whole(row: tuple[Any, ...]) -> Reservation:
    subject = _decode_subject(row[4])
    scopes = derive(subject)
    return Reservation(
        reservation_id=row[0],
        key=row[1],
        tenant=row[2],
        state=State(row[3]),
        subject=subject,
        scope_path=scopes[-1],
        affected_scopes=scopes,
        action_kind=row[17],
        action_name=row[18],
        unit=Unit(row[5]),
        amount=row[6],
        charged=row[7],
        uncovered=row[8],
        estimated=bool(row[9]),
        dispatched=bool(row[10]),
        on_expiry=OnExpiry(row[11]),
        created_at_ms=row[12],
        expires_at_ms=row[13],
        finalized_at_ms=row[14],
        metadata=_decode_metadata(row[15]),
        settled_metadata=_decode_metadata(row[16]) if row[16] is not None else {},
    )
