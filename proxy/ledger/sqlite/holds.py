"""The rows of holds: made once, found by id or key, changed by the operations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from proxy.domain.errors import ReservationNotFound
from proxy.domain.money import Unit
from proxy.domain.reservation import OnExpiry, Overage, State
from proxy.domain.subject import Subject
from proxy.ledger.journal import Kind
from proxy.ledger.sqlite.transaction import About, Transaction

_STATES: Final = {state.value: state for state in State}
_OVERAGES: Final = {overage.value: overage for overage in Overage}
_ON_EXPIRIES: Final = {on_expiry.value: on_expiry for on_expiry in OnExpiry}

# Each column of an answer costs some 2,000 instructions: who needs few asks for few.
_SELECT: Final = (
    "SELECT number, id, tenant, scope, trace_id, price_version, state, windows, amounts, overage,"
    " on_expiry, created_at_ms, lapses_at_ms, settled_key FROM reservations"
)
_BY_ID: Final = _SELECT + " WHERE id = ?"
_BY_NUMBER: Final = _SELECT + " WHERE number = ?"
_STANDING: Final = (
    "SELECT number, tenant, scope, trace_id, price_version, state, dispatched"
    " FROM reservations WHERE id = ?"
)
_NUMBER_BY_KEY: Final = "SELECT number FROM reservations WHERE tenant = ? AND key = ?"
_BEGINNING: Final = (
    "SELECT id, state, payload_hash, subject, rung, granted FROM reservations WHERE number = ?"
)
_LEASE: Final = (
    "SELECT ttl_ms, expires_at_ms, extensions, max_extensions FROM reservations WHERE number = ?"
)
_END: Final = "SELECT settled_hash, settled FROM reservations WHERE number = ?"
_BILL: Final = "SELECT charged, uncovered, estimated FROM reservations WHERE number = ?"
_FIND_REPLY: Final = (
    "SELECT payload, answer FROM replies WHERE number = ? AND operation = ? AND key = ?"
)
_KEEP_REPLY: Final = "INSERT INTO replies VALUES (?, ?, ?, ?, ?)"

Amounts = Mapping[Unit, int]
"""Of a hold, by unit."""

_encode: Final = msgspec.json.Encoder().encode
_decode_windows: Final = msgspec.json.Decoder(tuple[int, ...]).decode
_decode_subject: Final = msgspec.json.Decoder(Subject).decode
_decode_amounts: Final = msgspec.json.Decoder(dict[Unit, int]).decode


class Hold(msgspec.Struct, frozen=True):
    """A row, as far as its end needs it."""

    number: int
    about: About
    state: State
    windows_json: str
    amounts_json: str
    overage: Overage
    on_expiry: OnExpiry
    created_at_ms: int
    lapses_at_ms: int
    settled_key: str | None

    @property
    def reservation_id(self) -> str:
        """The id that its caller knows."""
        return self.about.reservation_id or ""

    @property
    def window_ids(self) -> tuple[int, ...]:
        """Its windows, outermost first."""
        return _decode_windows(self.windows_json)

    @property
    def amounts(self) -> Amounts:
        """What it holds."""
        return _decode_amounts(self.amounts_json)

    @property
    def is_uncertain(self) -> bool:
        """Whether nobody knows what became of the call."""
        return self.state is State.UNCERTAIN


class Standing(msgspec.Struct, frozen=True):
    """What of a row decides whether it may be dispatched."""

    number: int
    about: About
    state: State
    dispatched: bool


class Beginning(NamedTuple):
    """What a row says of its reserve. An event was granted nothing."""

    reservation_id: str
    state: State
    payload_hash: str
    subject: Subject
    rung: int
    granted: str | None


class RowLease(NamedTuple):
    """How long a hold lasts, and how often that was extended."""

    ttl_ms: int
    expires_at_ms: int
    extensions: int
    max_extensions: int | None


class Bill(NamedTuple):
    """What an ended hold has paid, and what it owes, in each of its units."""

    charged: Amounts
    uncovered: Amounts
    estimated: bool


def find(transaction: Transaction, reservation_id: str) -> Hold:
    """The hold of this id.

    Raises:
        ReservationNotFound
    """
    row = transaction.read(_BY_ID, (reservation_id,)).fetchone()
    if row is None:
        raise not_found(reservation_id)
    return _hold(row)


def find_standing(transaction: Transaction, reservation_id: str) -> Standing:
    """Where the hold of this id stands.

    Raises:
        ReservationNotFound
    """
    row = transaction.read(_STANDING, (reservation_id,)).fetchone()
    if row is None:
        raise not_found(reservation_id)
    number, tenant, scope, trace_id, price_version, state, dispatched = row
    about = About(tenant, scope, reservation_id, trace_id, price_version)
    return Standing(number, about, _STATES[state], bool(dispatched))


def find_by_key(transaction: Transaction, tenant: str, key: str) -> int | None:
    """The number of the hold that this key made, if it made one."""
    row = transaction.read(_NUMBER_BY_KEY, (tenant, key)).fetchone()
    return row[0] if row is not None else None


def find_numbers(transaction: Transaction, numbers: Iterable[int]) -> Iterator[Hold]:
    """The holds of these numbers, in their order."""
    for number in numbers:
        yield _hold(transaction.read(_BY_NUMBER, (number,)).fetchone())


def beginning(transaction: Transaction, number: int) -> Beginning:
    """How this hold was made."""
    row = transaction.read(_BEGINNING, (number,)).fetchone()
    reservation_id, state, payload_hash, subject, rung, granted = row
    return Beginning(
        reservation_id, _STATES[state], payload_hash, _decode_subject(subject), rung, granted
    )


def lease(transaction: Transaction, hold: Hold) -> RowLease:
    """How long it lasts, now."""
    return RowLease(*transaction.read(_LEASE, (hold.number,)).fetchone())


def settled(transaction: Transaction, number: int) -> tuple[str, str]:
    """The payload's hash, and the first answer, of what ended this hold."""
    row: tuple[str, str] = transaction.read(_END, (number,)).fetchone()
    return row


def bill(transaction: Transaction, hold: Hold) -> Bill:
    """What was charged, now."""
    charged, uncovered, estimated = transaction.read(_BILL, (hold.number,)).fetchone()
    nothing = dict.fromkeys(hold.amounts, 0)
    return Bill(
        read_amounts(charged) if charged is not None else nothing,
        read_amounts(uncovered) if uncovered is not None else nothing,
        bool(estimated),
    )


def _hold(row: Sequence[Any]) -> Hold:
    (
        number, reservation_id, tenant, scope, trace_id, price_version, state, windows, amounts,
        overage, on_expiry, created_at_ms, lapses_at_ms, settled_key,
    ) = row  # fmt: skip
    return Hold(
        number,
        About(tenant, scope, reservation_id, trace_id, price_version),
        _STATES[state],
        windows,
        amounts,
        _OVERAGES[overage],
        _ON_EXPIRIES[on_expiry],
        created_at_ms,
        lapses_at_ms,
        settled_key,
    )


def not_found(reservation_id: str) -> ReservationNotFound:
    """What to say of an id that nobody was given."""
    return ReservationNotFound(f"there is no reservation {reservation_id}")


def read_amounts(column: str) -> dict[Unit, int]:
    """Amounts from their column, in the order in which they were written."""
    return _decode_amounts(column)


def written(values: object) -> str:
    """Amounts, windows, metadata or a subject as their column keeps them."""
    return _encode(values).decode()


def written_if_any(amounts: Amounts) -> str | None:
    """Amounts for a column that is empty where all of them are zero."""
    return written(amounts) if any(amounts.values()) else None


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
    transaction.execute(_KEEP_REPLY, (hold.number, operation.value, key, payload, answer))
