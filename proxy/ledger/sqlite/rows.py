"""Whole rows of holds and events: as they are first written, and as operators see them."""

import sqlite3
from collections.abc import Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from proxy.domain.reservation import OnExpiry, State
from proxy.domain.scope import Scope, all_scopes, derive
from proxy.domain.subject import RUN, Subject
from proxy.ledger.records import Event, Reservation, ReserveRequest, Settlement
from proxy.ledger.rules import Granted
from proxy.ledger.sqlite.holds import not_found, read_amounts, written, written_if_any
from proxy.ledger.sqlite.transaction import About, Transaction

_INSERT: Final = (
    "INSERT INTO reservations (id, tenant, key, payload_hash, state, subject, scope, action_kind,"
    " action_name, trace_id, price_version, windows, rung, amounts, overage, on_expiry,"
    " dispatched, created_at_ms, ttl_ms, expires_at_ms, lapses_at_ms, extensions, max_extensions,"
    " metadata, granted, estimated) VALUES"
    " (?, ?, ?, ?, 'ACTIVE', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, 0, ?, ?, ?, 0)"
)
_INSERT_EVENT: Final = (
    "INSERT INTO reservations (id, tenant, key, payload_hash, state, subject, scope, action_kind,"
    " action_name, trace_id, price_version, windows, rung, amounts, overage, on_expiry,"
    " dispatched, created_at_ms, ttl_ms, expires_at_ms, lapses_at_ms, extensions, metadata,"
    " finalized_at_ms, settled_hash, settled, charged, uncovered, estimated) VALUES"
    " (?, ?, ?, ?, 'COMMITTED', ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, 'uncertain',"
    " 0, ?, 0, ?, ?, 0, ?, ?, '', ?, ?, ?, ?)"
)
SELECT: Final = (
    "SELECT id, key, tenant, state, subject, amounts, charged, uncovered, estimated, dispatched,"
    " on_expiry, created_at_ms, expires_at_ms, finalized_at_ms, metadata, settled_metadata,"
    " action_kind, action_name, scope, trace_id, price_version, granted IS NULL, number"
    " FROM reservations"
)
_BELOW: Final = " AND (scope = ? OR (scope > ? || '/' AND scope < ? || '0'))"
"""'0' follows '/': these are the scopes that start with the path and a slash."""

_decode_subject: Final = msgspec.json.Decoder(Subject).decode
_decode_metadata: Final = msgspec.json.Decoder(dict[str, str]).decode


def insert(
    transaction: Transaction,
    request: ReserveRequest,
    *,
    about: About,
    window_ids: Sequence[int],
    granted: Granted,
    answer: str,
) -> None:
    """The row of a new hold."""
    now_ms = transaction.now_ms
    expires_at_ms = now_ms + request.ttl_ms
    transaction.execute_last(
        _INSERT,
        (
            about.reservation_id,
            about.tenant,
            request.key,
            request.payload_hash,
            written(request.subject),
            about.scope,
            request.action_kind,
            request.action_name,
            request.trace_id,
            request.price_version,
            written(window_ids),
            granted.rung,
            written(granted.amounts),
            str(request.overage),
            str(request.on_expiry),
            now_ms,
            request.ttl_ms,
            expires_at_ms,
            expires_at_ms + request.grace_ms,
            request.max_extensions,
            written(dict(request.metadata)),
            answer,
        ),
    )


def insert_event(
    transaction: Transaction,
    event: Event,
    settlement: Settlement,
    *,
    about: About,
    window_ids: Sequence[int],
    answer: str,
) -> int:
    """The row of an event, which is settled from the start; its number."""
    now_ms = transaction.now_ms
    return transaction.insert(
        _INSERT_EVENT,
        (
            about.reservation_id,
            about.tenant,
            event.key,
            event.payload_hash,
            written(event.subject),
            about.scope,
            event.action_kind,
            event.action_name,
            event.trace_id,
            event.price_version,
            written(window_ids),
            written(settlement.released),
            event.overage.value,
            now_ms,
            now_ms,
            now_ms,
            written(dict(event.metadata)),
            now_ms,
            answer,
            written(settlement.charged),
            written_if_any(settlement.uncovered),
            int(event.estimated),
        ),
    )


def reservation(transaction: Transaction, reservation_id: str) -> Reservation:
    """The whole row, as operators see it.

    Raises:
        ReservationNotFound
    """
    row = transaction.read(f"{SELECT} WHERE id = ?", (reservation_id,)).fetchone()
    if row is None:
        raise not_found(reservation_id)
    return whole(row)


def newest(
    connection: sqlite3.Connection, state: State, scope: Scope | None, limit: int
) -> list[tuple[int, Reservation]]:
    """The newest rows in this state with their numbers, newest first; those at or below a scope."""
    # The state is spelled out, not bound, so that the partial indexes serve it.
    select = f"{SELECT} WHERE state = '{state.value}'"
    path: tuple[str, ...] = ()
    if scope is not None:
        select += _BELOW
        path = (scope.partition(f"/{RUN}:")[0],) * 3
    found = ((row[-1], whole(row)) for row in connection.execute(
        f"{select} ORDER BY number DESC", path
    ))  # fmt: skip
    return list(islice((row for row in found if _is_below(row[1], scope)), limit))


def count_uncertain(connection: sqlite3.Connection) -> int:
    """How many there are, by their index alone."""
    select = "SELECT count(*) FROM reservations WHERE state = 'UNCERTAIN'"
    count: int = connection.execute(select).fetchone()[0]
    return count


def _is_below(row: Reservation, scope: Scope | None) -> bool:
    """A run is below its scope, and holds of other runs are not below the run."""
    return scope is None or scope in all_scopes(row.subject)


def whole(row: tuple[Any, ...]) -> Reservation:
    """A row of `SELECT`, as operators see it."""
    subject = _decode_subject(row[4])
    amounts = read_amounts(row[5])
    nothing = dict.fromkeys(amounts, 0)
    return Reservation(
        reservation_id=row[0],
        key=row[1],
        tenant=row[2],
        state=State(row[3]),
        subject=subject,
        scope_path=Scope(row[18]),
        affected_scopes=derive(subject),
        action_kind=row[16],
        action_name=row[17],
        amounts=amounts,
        charged=read_amounts(row[6]) if row[6] is not None else None,
        uncovered=read_amounts(row[7]) if row[7] is not None else nothing,
        estimated=bool(row[8]),
        dispatched=bool(row[9]),
        on_expiry=OnExpiry(row[10]),
        created_at_ms=row[11],
        expires_at_ms=row[12],
        finalized_at_ms=row[13],
        trace_id=row[19],
        price_version=row[20],
        metadata=_decode_metadata(row[14]),
        settled_metadata=_decode_metadata(row[15]) if row[15] is not None else {},
        is_event=bool(row[21]),
    )
