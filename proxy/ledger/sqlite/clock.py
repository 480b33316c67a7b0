"""The ledger's own clock: it never runs back, and a leap forward costs nobody a lease.

Source: docs/semantics.md, "Budgets": now = max(last recorded, wall).
"""

import sqlite3
from typing import Final, NamedTuple

_LEAP_MS: Final = 3_600_000


def read(connection: sqlite3.Connection, wall_ms: int) -> int:
    """The time now, for readers."""
    return max(_recorded_ms(connection), wall_ms)


class Moment(NamedTuple):
    """The time of one transaction. `leap_ms` is 0, or how far the clock has leaped to it."""

    now_ms: int
    leap_ms: int


def record(connection: sqlite3.Connection, wall_ms: int) -> Moment:
    """The time now, recorded in the running transaction."""
    recorded_ms = _recorded_ms(connection)
    if wall_ms <= recorded_ms:
        return Moment(recorded_ms, 0)
    connection.execute("UPDATE ledger SET clock_ms = ?", (wall_ms,))
    step_ms = wall_ms - recorded_ms if recorded_ms else 0
    return Moment(wall_ms, step_ms if step_ms > _LEAP_MS else 0)


def _recorded_ms(connection: sqlite3.Connection) -> int:
    recorded_ms: int = connection.execute("SELECT clock_ms FROM ledger").fetchone()[0]
    return recorded_ms
