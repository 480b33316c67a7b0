"""Every time zone of the tz database, and the moments at which its clocks changed.

Source: RFC 8536, sections 3.1 and 3.2.
"""

import struct
import zoneinfo
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path

_HEADER = struct.Struct(">4s16x6l")


@cache
def changes() -> tuple[tuple[str, tuple[int, ...]], ...]:
    """By zone, when its clocks changed since 1902, in ms. Zones that are the same stand once."""
    by_content: dict[bytes, tuple[str, tuple[int, ...]]] = {}
    for zone in sorted(zoneinfo.available_timezones()):
        content = _content(zone)
        by_content.setdefault(content, (zone, tuple(_changes_ms(content))))
    return tuple(by_content.values())


def _content(zone: str) -> bytes:
    for directory in zoneinfo.TZPATH:
        path = Path(directory, zone)
        if path.is_file():
            return path.read_bytes()
    return files("tzdata").joinpath("zoneinfo", *zone.split("/")).read_bytes()


def _changes_ms(content: bytes) -> Iterator[int]:
    _, *counts = _HEADER.unpack_from(content)
    isutc, isstd, leaps, times, types, chars = counts
    second = 44 + times * 4 + times + types * 6 + chars + leaps * 8 + isstd + isutc
    _, _, _, _, times, _, _ = _HEADER.unpack_from(content, second)
    for at_s in struct.unpack_from(f">{times}q", content, second + 44):
        if at_s > -(2**31):
            yield at_s * 1_000
