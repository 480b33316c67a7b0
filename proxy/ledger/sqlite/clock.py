"""The ledger's own clock: it never runs back, and a leap forward costs nobody a lease.

Source: docs/semantics.md, "Budgets": now = max(last recorded, wall).
"""

import logging
import sqlite3
from typing import Final

_LEAP_MS: Final = 3_600_000

_log: Final = logging.getLogger(__name__)


def read(connection: sqlite3.Connection, wall_ms: int) -> int:
    """The time now, for readers."""
    return max(_recorded_ms(connection), wall_ms)


def record(connection: sqlite3.Connection, wall_ms: int) -> tuple[int, bool]:
    """The time now, recorded in the running transaction, and whether the clock has leaped."""
    recorded_ms = _recorded_ms(connection)
    if wall_ms <= recorded_ms:
        return recorded_ms, False
    connection.execute("UPDATE ledger SET clock_ms = ?", (wall_ms,))
    leap_ms = wall_ms - recorded_ms if recorded_ms else 0
    if leap_ms <= _LEAP_MS:
        return wall_ms, False
    _log.warning(
        "the clock is %d s ahead of the ledger's last change: open holds keep one more lease",
        leap_ms // 1000,
    )
    return wall_ms, True


def _recorded_ms(connection: sqlite3.Connection) -> int:
    recorded_ms: int = connection.execute("SELECT clock_ms FROM ledger").fetchone()[0]
    return recorded_ms
