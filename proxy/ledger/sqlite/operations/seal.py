"""Closes runs of the journal, and reads what was closed.

    due (the reader's thread) ─▶ keep (the transaction of a tick)

Entries never change, so a seal can be made beside the calls. Only keeping it is theirs to
wait for.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from typing import Final, NamedTuple

from msgspec.structs import astuple, replace

from proxy.ledger.checkpoint import Checkpoint, write_checkpoint
from proxy.ledger.journal import Entry
from proxy.ledger.seal import RUN_ENTRIES, Seal, close, is_checkpoint_due, standing_after
from proxy.ledger.sqlite.operations import read
from proxy.ledger.sqlite.transaction import Transaction

LATEST: Final = "latest"
PRUNED: Final = "pruned"

_SEALS: Final = (
    "SELECT tenant, first_seq, last_seq, at_ms, previous, entries_sha256, standing_sha256, digest"
    " FROM seals WHERE tenant = ? AND last_seq > ? ORDER BY last_seq"
)
_LAST: Final = f"{_SEALS} DESC LIMIT 1"
_LAST_SEQ: Final = "SELECT coalesce(max(last_seq), 0) FROM seals WHERE tenant = ?"
_KEEP: Final = "INSERT INTO seals VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_OPEN: Final = "SELECT at_ms, (SELECT max(seq) FROM journal WHERE tenant = ?1) FROM journal"
_OPEN_RUN: Final = f"{_OPEN} WHERE tenant = ?1 AND seq = ?2"
_STANDING: Final = "SELECT seq, at_ms, count, windows FROM standings WHERE tenant = ? AND place = ?"
_PLACE: Final = "SELECT seq FROM standings WHERE tenant = ? AND place = ?"
_KEEP_STANDING: Final = "INSERT OR REPLACE INTO standings VALUES (?, ?, ?, ?, ?, ?)"


class Closed(NamedTuple):
    """A new seal, and its windows if it is a checkpoint."""

    seal: Seal
    checkpoint: Checkpoint | None


def due(connection: sqlite3.Connection, *, before_ms: int, limit: int) -> list[Closed]:
    """Close at most so many runs: those that are full, and what is from before this time.

    A journal that is damaged is not sealed: `verify` says what is wrong with it.
    """
    closed: list[Closed] = []
    for tenant in read.tenants(connection):
        with suppress(ValueError):
            closed.extend(islice(_due(connection, tenant, before_ms), limit - len(closed)))
    return closed


def _due(connection: sqlite3.Connection, tenant: str, before_ms: int) -> Iterator[Closed]:
    row = connection.execute(_LAST, (tenant, 0)).fetchone()
    last = Seal(*row) if row is not None else None
    run = _next_run(connection, tenant, last, before_ms)
    checkpoint = read_checkpoint(connection, tenant, LATEST) if run else None
    while run:
        since = checkpoint.seq if checkpoint else 0
        windows = checkpoint.windows if checkpoint else 0
        standing = None
        if is_checkpoint_due(entries=run[-1].seq - since, windows=windows):
            entries = read.entries(connection, tenant, after_seq=since, limit=run[-1].seq - since)
            standing = standing_after(checkpoint.standing if checkpoint else {}, entries)
        last = close(last, run, standing)
        written = write_checkpoint(last, standing) if standing is not None else None
        checkpoint = written or checkpoint
        yield Closed(last, written)
        run = _next_run(connection, tenant, last, before_ms)


def _next_run(
    connection: sqlite3.Connection, tenant: str, last: Seal | None, before_ms: int
) -> list[Entry]:
    """The entries after the last seal that can be closed; none if it is too early."""
    after_seq = last.last_seq if last is not None else 0
    row = connection.execute(_OPEN_RUN, (tenant, after_seq + 1)).fetchone()
    if row is None:
        return []
    first_at_ms, last_seq = row
    is_full = last_seq - after_seq >= RUN_ENTRIES
    if not is_full and first_at_ms >= before_ms:
        return []
    run = list(read.entries(connection, tenant, after_seq=after_seq, limit=RUN_ENTRIES))
    return run if is_full else [entry for entry in run if entry.at_ms < before_ms]


def keep(transaction: Transaction, closed: Closed) -> bool:
    """Keep a seal, unless another process has sealed its run meanwhile."""
    seal, checkpoint = closed
    (last_seq,) = transaction.read(_LAST_SEQ, (seal.tenant,)).fetchone()
    if last_seq != seal.first_seq - 1:
        return False
    transaction.execute(
        _KEEP,
        (
            seal.tenant,
            seal.last_seq,
            seal.first_seq,
            seal.at_ms,
            seal.previous,
            seal.entries_sha256,
            seal.standing_sha256,
            seal.digest,
        ),
    )
    if checkpoint is not None:
        keep_checkpoint(transaction, seal.tenant, LATEST, checkpoint)
    return True


def keep_checkpoint(
    transaction: Transaction, tenant: str, place: str, checkpoint: Checkpoint
) -> None:
    """Keep what windows held there, instead of what they held at the last one in this place."""
    transaction.execute(_KEEP_STANDING, (tenant, place, *astuple(checkpoint)))


def read_checkpoint(connection: sqlite3.Connection, tenant: str, place: str) -> Checkpoint | None:
    """What is kept in this place."""
    row = connection.execute(_STANDING, (tenant, place)).fetchone()
    return Checkpoint(*row) if row is not None else None


def checkpoint_seq(connection: sqlite3.Connection, tenant: str, place: str) -> int:
    """The last entry of what is kept in this place, which can be long; 0 if nothing is."""
    row = connection.execute(_PLACE, (tenant, place)).fetchone()
    return row[0] if row is not None else 0


def seals(connection: sqlite3.Connection, tenant: str, *, after_seq: int = 0) -> Iterator[Seal]:
    """A tenant's seals that end after this entry, oldest first, without their windows."""
    return (Seal(*row) for row in connection.execute(_SEALS, (tenant, after_seq)))


def seals_and_windows(connection: sqlite3.Connection, tenant: str) -> Iterator[Seal]:
    """All of them, with the windows that are kept.

    Raises:
        ValueError: somebody has changed what is kept of the windows.
    """
    places = (read_checkpoint(connection, tenant, place) for place in (PRUNED, LATEST))
    kept = {checkpoint.seq: checkpoint for checkpoint in places if checkpoint is not None}
    for seal in seals(connection, tenant):
        checkpoint = kept.get(seal.last_seq)
        yield replace(seal, standing=checkpoint.standing) if checkpoint else seal
