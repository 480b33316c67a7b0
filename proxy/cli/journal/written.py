"""Entries as lines of JSON, or as rows of CSV."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from proxy.ledger.journal import Entry

_ENTRY_COLUMNS: Final = (
    "tenant",
    "seq",
    "at_ms",
    "kind",
    "reservation_id",
    "scope",
    "actor",
    "trace_id",
    "price_version",
)
_WINDOW_COLUMNS: Final = ("window_scope", "unit", "period", "window_start_ms")


class JsonLines:
    """One line for each entry: what the seals cover, byte for byte."""

    def start(self) -> bytes:
        """What stands before the first entry."""
        return b""

    def write(self, entries: "Iterable[Entry]") -> bytes:
        """The entries."""
        from proxy.ledger.lines import entry_line

        return b"".join(entry_line(entry) + b"\n" for entry in entries)


class Csv:
    """A heading, and one row for each window that an entry moves; one if it moves none."""

    def start(self) -> bytes:
        """What stands before the first entry."""
        from proxy.ledger.journal import Amounts

        return _csv([(*_ENTRY_COLUMNS, *_WINDOW_COLUMNS, *Amounts._fields)])

    def write(self, entries: "Iterable[Entry]") -> bytes:
        """The entries."""
        return _csv(row for entry in entries for row in _rows(entry))


FORMATS: Final[Mapping[str, Callable[[], JsonLines | Csv]]] = {"jsonl": JsonLines, "csv": Csv}


def _rows(entry: "Entry") -> Iterator[tuple[object, ...]]:
    about = tuple(getattr(entry, column) for column in _ENTRY_COLUMNS)
    for window, change in entry.postings:
        yield (*about, window.scope, window.unit, window.period, window.start_ms, *change)
    if not entry.postings:
        yield about


def _csv(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
