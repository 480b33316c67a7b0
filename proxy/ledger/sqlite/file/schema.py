"""The tables. A file says which version wrote it; another one is refused, not guessed at.

Versions 1 and 2 were never released: there is nothing to bring over from them.
"""

import sqlite3
from typing import Final

from proxy.domain.errors import LedgerUnavailable

VERSION: Final = 3

_APPLICATION_ID: Final = 0x5350_4744
"""Marks the file as ours, so that another program's database is never written to."""

_TABLES: Final = """
-- config_version: of the configuration that is followed.
CREATE TABLE ledger (
    one             INTEGER PRIMARY KEY CHECK (one = 1),
    clock_ms        INTEGER NOT NULL,
    config_version  INTEGER NOT NULL,
    templates_max   INTEGER NOT NULL
) STRICT;
INSERT INTO ledger VALUES (1, 0, 0, 0);

-- rank: of two that match a scope, the lower one governs it.
CREATE TABLE templates (
    rank            INTEGER PRIMARY KEY,
    pattern         TEXT NOT NULL,
    unit            TEXT NOT NULL,
    period          TEXT NOT NULL,
    allocated       INTEGER NOT NULL,
    overdraft_limit INTEGER NOT NULL,
    status          TEXT NOT NULL,
    rollover_max    INTEGER NOT NULL,
    idle_ttl_ms     INTEGER,
    UNIQUE (pattern, unit, period)
) STRICT;

-- status is in force; declared_* is what configuration said last.
-- template: the pattern that governs it, where no line of its own does.
-- idle_at_ms: when to look whether nobody uses it any more, or before: it may be in use.
-- used_at_ms: the last posting to one of its windows that are forgotten.
CREATE TABLE budgets (
    id                 INTEGER PRIMARY KEY,
    tenant             TEXT NOT NULL,
    scope              TEXT NOT NULL,
    unit               TEXT NOT NULL,
    period             TEXT NOT NULL,
    overdraft_limit    INTEGER NOT NULL,
    status             TEXT NOT NULL,
    rollover_max       INTEGER NOT NULL,
    idle_ttl_ms        INTEGER,
    declared_allocated INTEGER NOT NULL,
    declared_status    TEXT NOT NULL,
    is_declared        INTEGER NOT NULL,
    template           TEXT,
    window_id          INTEGER NOT NULL,
    idle_at_ms         INTEGER,
    used_at_ms         INTEGER NOT NULL DEFAULT 0,
    retired_at_ms      INTEGER
) STRICT;
CREATE UNIQUE INDEX budgets_by_name ON budgets (scope, unit, period)
    WHERE retired_at_ms IS NULL;
CREATE INDEX budgets_of_templates ON budgets (template)
    WHERE template IS NOT NULL AND retired_at_ms IS NULL;
CREATE INDEX budgets_idle ON budgets (idle_at_ms, scope, unit, period)
    WHERE idle_at_ms IS NOT NULL;
CREATE INDEX budgets_retired ON budgets (retired_at_ms) WHERE retired_at_ms IS NOT NULL;

-- carried: the part of spent and debt that is not of its own holds: what it took over, less
-- what it handed on, was forgiven or no longer counts. Decimal, for it may leave int64.
-- used_at_ms: of the last posting. is_forgotten: that one took it out of the journal.
CREATE TABLE windows (
    id            INTEGER PRIMARY KEY,
    budget_id     INTEGER NOT NULL REFERENCES budgets (id),
    start_ms      INTEGER NOT NULL,
    end_ms        INTEGER,
    carried       TEXT NOT NULL,
    used_at_ms    INTEGER NOT NULL,
    allocated     INTEGER NOT NULL,
    reserved      INTEGER NOT NULL,
    spent         INTEGER NOT NULL CHECK (spent >= 0),
    debt          INTEGER NOT NULL CHECK (debt >= 0),
    uncertain     INTEGER NOT NULL CHECK (uncertain BETWEEN 0 AND reserved),
    uncovered     INTEGER NOT NULL CHECK (uncovered >= 0),
    is_over_limit INTEGER NOT NULL CHECK (is_over_limit IN (0, 1)),
    is_forgotten  INTEGER NOT NULL DEFAULT 0,
    UNIQUE (budget_id, start_ms)
) STRICT;
CREATE INDEX windows_by_end ON windows (end_ms) WHERE end_ms IS NOT NULL AND is_forgotten = 0;
CREATE INDEX windows_forgotten ON windows (used_at_ms) WHERE is_forgotten = 1;

-- What was spent in a rolling window, by the time of day: number is the time divided by the
-- length of a bucket. They add up to what the window has spent.
CREATE TABLE buckets (
    window_id INTEGER NOT NULL REFERENCES windows (id),
    number    INTEGER NOT NULL,
    spent     INTEGER NOT NULL CHECK (spent > 0),
    PRIMARY KEY (window_id, number)
) STRICT, WITHOUT ROWID;

-- number: age. windows: JSON array of ids, outermost first, frozen at the reserve.
-- amounts, charged, uncovered: JSON objects by unit; uncovered is NULL where nothing is.
-- granted, settled: the first answers, as JSON, for replays; an event was granted nothing,
-- so that only it has no granted.
-- lapses_at_ms: lease and grace. scope: who spends.
CREATE TABLE reservations (
    number             INTEGER PRIMARY KEY,
    id                 TEXT NOT NULL UNIQUE,
    tenant             TEXT NOT NULL,
    key                TEXT NOT NULL,
    payload_hash       TEXT NOT NULL,
    state              TEXT NOT NULL,
    subject            TEXT NOT NULL,
    scope              TEXT NOT NULL,
    action_kind        TEXT NOT NULL,
    action_name        TEXT NOT NULL,
    trace_id           TEXT NOT NULL,
    price_version      TEXT NOT NULL,
    windows            TEXT NOT NULL,
    rung               INTEGER NOT NULL,
    amounts            TEXT NOT NULL,
    overage            TEXT NOT NULL,
    on_expiry          TEXT NOT NULL,
    dispatched         INTEGER NOT NULL,
    created_at_ms      INTEGER NOT NULL,
    ttl_ms             INTEGER NOT NULL,
    expires_at_ms      INTEGER NOT NULL,
    lapses_at_ms       INTEGER NOT NULL,
    extensions         INTEGER NOT NULL,
    max_extensions     INTEGER,
    metadata           TEXT NOT NULL,
    granted            TEXT,
    uncertain_since_ms INTEGER,
    finalized_at_ms    INTEGER,
    settled_key        TEXT,
    settled_hash       TEXT,
    settled            TEXT,
    settled_metadata   TEXT,
    charged            TEXT,
    uncovered          TEXT,
    estimated          INTEGER NOT NULL,
    UNIQUE (tenant, key)
) STRICT;
CREATE INDEX reservations_active ON reservations (lapses_at_ms) WHERE state = 'ACTIVE';
CREATE INDEX reservations_uncertain ON reservations (uncertain_since_ms)
    WHERE state = 'UNCERTAIN';
CREATE INDEX reservations_by_age ON reservations (tenant, created_at_ms)
    WHERE granted IS NOT NULL;

-- The first answers of operations that a hold can see more than once.
CREATE TABLE replies (
    number    INTEGER NOT NULL REFERENCES reservations (number),
    operation TEXT NOT NULL,
    key       TEXT NOT NULL,
    payload   TEXT NOT NULL,
    answer    TEXT NOT NULL,
    PRIMARY KEY (number, operation, key)
) STRICT, WITHOUT ROWID;

-- The first answers of operators' changes.
CREATE TABLE fundings (
    scope   TEXT NOT NULL,
    unit    TEXT NOT NULL,
    period  TEXT NOT NULL,
    key     TEXT NOT NULL,
    payload TEXT NOT NULL,
    answer  TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (scope, unit, period, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX fundings_by_age ON fundings (at_ms);

-- Tenants that are not ACTIVE.
CREATE TABLE tenants (
    tenant TEXT PRIMARY KEY,
    status TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The first answers to questions that changed nothing, and until when they are kept at least.
CREATE TABLE remembered (
    tenant       TEXT NOT NULL,
    key          TEXT NOT NULL,
    payload_hash TEXT NOT NULL,
    answer       TEXT NOT NULL,
    until_ms     INTEGER NOT NULL,
    PRIMARY KEY (tenant, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX remembered_by_end ON remembered (until_ms);

-- Settled holds that a window still owes for, oldest first.
CREATE TABLE arrears (
    window_id INTEGER NOT NULL REFERENCES windows (id),
    number    INTEGER NOT NULL REFERENCES reservations (number),
    PRIMARY KEY (window_id, number)
) STRICT, WITHOUT ROWID;

-- postings: JSON array of [window id, allocated, reserved, spent, debt, uncertain,
-- uncovered, over_limit], each a difference.
CREATE TABLE journal (
    tenant         TEXT NOT NULL,
    seq            INTEGER NOT NULL,
    at_ms          INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    reservation_id TEXT,
    scope          TEXT NOT NULL,
    actor          TEXT NOT NULL,
    trace_id       TEXT NOT NULL,
    price_version  TEXT NOT NULL,
    postings       TEXT NOT NULL,
    PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;

-- Closed runs of a journal, as `proxy/ledger/seal.py` makes them.
CREATE TABLE seals (
    tenant          TEXT NOT NULL,
    last_seq        INTEGER NOT NULL,
    first_seq       INTEGER NOT NULL,
    at_ms           INTEGER NOT NULL,
    previous        TEXT NOT NULL,
    entries_sha256  TEXT NOT NULL,
    standing_sha256 TEXT NOT NULL,
    digest          TEXT NOT NULL,
    PRIMARY KEY (tenant, last_seq)
) STRICT, WITHOUT ROWID;

-- What the windows of a journal held at two of its checkpoints: the latest, and the one
-- after which its entries begin because those before it went.
-- windows: as `proxy/ledger/lines.py` writes them; count: how many.
CREATE TABLE standings (
    tenant  TEXT NOT NULL,
    place   TEXT NOT NULL CHECK (place IN ('latest', 'pruned')),
    seq     INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    windows TEXT NOT NULL,
    PRIMARY KEY (tenant, place)
) STRICT;
"""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file, or check that this version may write to it.

    Raises:
        LedgerUnavailable: another version, or another program, wrote the file.
    """
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _create_or_refuse(connection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create_or_refuse(connection: sqlite3.Connection) -> None:
    version = _version(connection)  # again: another process may have made them meanwhile
    if version == VERSION:
        return
    if version > VERSION:
        raise LedgerUnavailable(
            f"a newer version of the program wrote this ledger (its tables are version {version}, "
            f"this program knows {VERSION}): run that version, or name another file"
        )
    if version:
        raise LedgerUnavailable(
            f"a version of the program from before its first release wrote this ledger (its tables "
            f"are version {version}, this program knows {VERSION}): name another file"
        )
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        raise LedgerUnavailable("the file is another program's database: name another one")
    for statement in _statements(_TABLES):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _statements(script: str) -> list[str]:
    """One by one: `executescript` would commit the transaction it is called in."""
    return [statement for statement in script.split(";\n") if statement.strip()]


def _version(connection: sqlite3.Connection) -> int:
    application_id = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version and application_id != _APPLICATION_ID:
        raise LedgerUnavailable("the file is another program's database: name another one")
    return version
