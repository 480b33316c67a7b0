"""What most ledgers have none of, asked for once in a transaction and not once in a call."""

import sqlite3
from typing import Final

_SELECT: Final = (
    "SELECT (SELECT min(tenant) FROM tenants) IS NOT NULL,"
    " (SELECT min(until_ms) FROM remembered) IS NOT NULL"
)


class Seldom:
    """Whether there is any of it, as one transaction sees it.

    Where there is, whoever needs to know looks for what concerns them, by a key: how many
    others there are costs nobody anything.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._found: tuple[bool, bool] | None = None

    @property
    def has_stopped_tenants(self) -> bool:
        """Some tenant is not ACTIVE."""
        return self._find()[0]

    @property
    def has_remembered(self) -> bool:
        """Some answer is remembered."""
        return self._find()[1]

    def look_again(self) -> None:
        """There may be some now."""
        self._found = None

    def _find(self) -> tuple[bool, bool]:
        if self._found is None:
            tenants, remembered = self._connection.execute(_SELECT).fetchone()
            self._found = bool(tenants), bool(remembered)
        return self._found
