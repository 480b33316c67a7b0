"""One hold of ours is one reservation there for each unit; how they are named as one.

A reservation in US dollars goes by the id that the authority gave it. Others stand behind
it: `rsv_1,TOKENS=rsv_2`. So a hold is known by its name alone, in any process.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from proxy.domain.money import Unit

_PLAIN: Final = Unit.USD_MICROCENTS
_SAFE: Final = "-_.~:@!$&'()*+;/ "
"""Ids of authorities are any text; only what separates parts is spelled otherwise."""


class Part(NamedTuple):
    """A reservation at the authority, in one unit."""

    unit: Unit
    remote_id: str


def name_of(parts: Iterable[Part]) -> str:
    """The reservation id that stands for these parts here."""
    return ",".join([_written(part) for part in parts])


def parts_of(reservation_id: str) -> tuple[Part, ...]:
    """The reservations at the authority that a hold is made of; text that is none is one in USD."""
    return tuple([_read(text) for text in reservation_id.split(",")])


def by_unit(reservation_id: str) -> tuple[tuple[Unit, str], ...]:
    """Each unit of a hold with the id of what is held in it: several where the hold has grown."""
    parts = parts_of(reservation_id)
    units = dict.fromkeys([part.unit for part in parts])
    return tuple([(unit, name_of(part for part in parts if part.unit is unit)) for unit in units])


def _written(part: Part) -> str:
    remote_id = quote(part.remote_id, safe=_SAFE)
    return remote_id if part.unit is _PLAIN else f"{part.unit}={remote_id}"


def _read(text: str) -> Part:
    unit, equals, remote_id = text.partition("=")
    if equals and unit in Unit.__members__:
        return Part(Unit(unit), unquote(remote_id))
    return Part(_PLAIN, unquote(text))
