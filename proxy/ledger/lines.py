"""Entries and windows as lines of JSON: what an export writes and a seal's digests cover.

A line is the same for ever: fields are only ever added at its end.
"""

from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Final

import msgspec

from proxy.domain.money import Unit
from proxy.domain.period import parse_period
from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Entry, WindowName

Standing = Mapping[WindowName, Amounts]
"""What windows hold; one that is not there holds nothing."""


class _Window(msgspec.Struct, frozen=True, omit_defaults=True):
    """A window and its amounts; what is zero is left out."""

    scope: Scope
    unit: str
    period: str
    window_start_ms: int
    allocated: int = 0
    reserved: int = 0
    spent: int = 0
    debt: int = 0
    uncertain: int = 0
    uncovered: int = 0
    over_limit: int = 0


class _Entry(msgspec.Struct, frozen=True):
    """One change."""

    tenant: str
    seq: int
    at_ms: int
    kind: str
    reservation_id: str | None
    scope: Scope
    actor: str
    trace_id: str
    price_version: str
    postings: tuple[_Window, ...]


_encode: Final = msgspec.json.Encoder().encode
_decode_window: Final = msgspec.json.Decoder(_Window).decode


def entry_line(entry: Entry) -> bytes:
    """The entry, without its line end."""
    return _encode(
        _Entry(
            tenant=entry.tenant,
            seq=entry.seq,
            at_ms=entry.at_ms,
            kind=entry.kind.value,
            reservation_id=entry.reservation_id,
            scope=entry.scope,
            actor=entry.actor,
            trace_id=entry.trace_id,
            price_version=entry.price_version,
            postings=tuple(_window(window, change) for window, change in entry.postings),
        )
    )


def entries_sha256(entries: Iterable[Entry]) -> str:
    """The digest of their lines, each with its line end."""
    digest = sha256()
    for entry in entries:
        digest.update(entry_line(entry) + b"\n")
    return digest.hexdigest()


def write_standing(standing: Standing) -> str:
    """A line for each window that holds something, sorted, each with its line end."""
    lines = sorted(
        _encode(_window(window, amounts)) for window, amounts in standing.items() if any(amounts)
    )
    return b"".join(line + b"\n" for line in lines).decode()


def read_standing(written: str) -> dict[WindowName, Amounts]:
    """What was written.

    Raises:
        ValueError: it was not, or not like this.
    """
    return {
        WindowName(
            window.scope, Unit(window.unit), parse_period(window.period), window.window_start_ms
        ): Amounts(
            window.allocated,
            window.reserved,
            window.spent,
            window.debt,
            window.uncertain,
            window.uncovered,
            window.over_limit,
        )
        # One by one: a call of many lines would keep all other threads waiting.
        for window in map(_decode_window, filter(None, written.split("\n")))
    }


def standing_sha256(standing: Standing) -> str:
    """The digest of the lines."""
    return sha256(write_standing(standing).encode()).hexdigest()


def _window(window: WindowName, amounts: Amounts) -> _Window:
    return _Window(window.scope, window.unit.value, str(window.period), window.start_ms, *amounts)
