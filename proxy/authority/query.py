"""What stands after the question mark, and cursors, which are clients' to keep and ours to read.

Parameters that are not known are ignored, so that later clients can ask earlier servers.
Source: cycles-protocol-v0.yaml, parameters of listReservations and getBalances.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from proxy.authority.errors import Problem
from proxy.cycles_wire.canonical import canonical
from proxy.cycles_wire.errors import ErrorCode
from proxy.domain.subject import LEVELS
from proxy.ledger.records import Between

LIMIT_DEFAULT: Final = 50
LIMIT_MAX: Final = 200

_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE
)
_FRACTION: Final = re.compile(r"\.(\d+)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Choice = TypeVar("Choice", bound=StrEnum)


def bad(message: str) -> Problem:
    """What a client is told of a parameter that is no good."""
    return Problem(ErrorCode.INVALID_REQUEST, message)


class Query:
    """The parameters of one request, read one by one. Each method raises Problem."""

    def __init__(self, text: str) -> None:
        try:
            text.encode()
            pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
        except ValueError:
            raise bad("The query is not valid: UTF-8, and at most 100 parameters.") from None
        self._all: dict[str, list[str]] = {}
        for name, value in pairs:
            self._all.setdefault(name, []).append(value)
        self._values = {name: values[0] for name, values in self._all.items()}

    def text(self, name: str) -> str | None:
        """A parameter as it came; None where it is not there, or blank."""
        if len(set(self._all.get(name, ()))) > 1:
            raise bad(f"{name} is given twice.")
        return self._values.get(name) or None

    def tokens(self, name: str) -> frozenset[str]:
        """What a list names, between commas or in parameters of its own."""
        listed = ",".join(self._all.get(name, ())).split(",")
        return frozenset(token.strip() for token in listed)

    def levels(self) -> dict[str, str]:
        """The levels of a subject that are named, outermost first."""
        named = ((level, self.text(level)) for level in LEVELS)
        return {level: value for level, value in named if value is not None}

    def choice(self, name: str, kind: type[Choice]) -> Choice | None:
        """One of these values."""
        value = self.text(name)
        if value is None and name not in self._values:
            return None
        try:
            return kind(value or "")
        except ValueError:
            raise bad(f"{name} is one of {', '.join(kind)}.") from None

    def limit(self) -> int:
        """How many results a page may have."""
        value = self.text("limit")
        if value is None and "limit" not in self._values:
            return LIMIT_DEFAULT
        if not re.fullmatch("[0-9]{1,3}", value or "") or not 1 <= int(value or "") <= LIMIT_MAX:
            raise bad(f"limit is a whole number from 1 to {LIMIT_MAX}.")
        return int(value or "")

    def key(self, name: str) -> str | None:
        """An idempotency key."""
        value = self.text(name)
        if value is None and name not in self._values:
            return None
        if value is None or len(value) > 256:
            raise bad(f"{name} has 1 to 256 characters.")
        return value

    def between(self, start: str, end: str) -> Between:
        """A span of time whose ends are date-times, both in it, in milliseconds."""
        first, last = self._moment_us(start), self._moment_us(end)
        if first is not None and last is not None and first > last:
            raise bad(f"{start} is after {end}.")
        return Between(
            None if first is None else -(-first // 1_000), None if last is None else last // 1_000
        )

    def _moment_us(self, name: str) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        # A plus sign that was not escaped arrives as a space, and no date-time has one.
        written = value.replace(" ", "+")
        if _DATE_TIME.fullmatch(written):
            to_microseconds = _FRACTION.sub(lambda found: f".{found[1]:0<6.6}", written)
            try:
                elapsed = datetime.fromisoformat(to_microseconds.upper()) - _EPOCH
            except (ValueError, OverflowError):
                pass
            else:
                return (elapsed.days * 86_400 + elapsed.seconds) * 1_000_000 + elapsed.microseconds
        raise bad(f"{name} is a date-time with its offset: 2026-11-21T12:00:00Z.")


def mark(filters: Mapping[str, object]) -> str:
    """What a cursor remembers of the filters that it was made under."""
    return hashlib.sha256(canonical(filters)).hexdigest()[:16]


def encode_cursor(filters: str, place: tuple[str | int, str]) -> str:
    """Where a page ended, under the filters of this mark."""
    text = msgspec.json.encode([filters, *place])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode_cursor(cursor: str, filters: str) -> tuple[str | int, str]:
    """Where the last page ended.

    Raises:
        Problem: INVALID_REQUEST: not a cursor of ours, or made under other filters.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        made_under, value, last = msgspec.json.decode(text, type=tuple[str, str | int, str])
    except (ValueError, msgspec.MsgspecError):
        raise bad("cursor is not one that this server has given.") from None
    if made_under != filters:
        raise bad("cursor belongs to other filters, or another order.")
    return value, last
