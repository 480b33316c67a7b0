"""A plan as attempts, one after the other: dearest first, each under a key of its own.

Pure. An authority grants one amount or none, so what a rung leaves open is tried as what
would fit, as far as that is known, and then as its minimum.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from proxy.domain.money import Unit
from proxy.ledger.records import Rung, Span

Room = Callable[[Unit], int | None]
"""What remains in the tightest budget of a unit, None where nobody knows."""


class Attempt(NamedTuple):
    """Hold `amounts` for rung number `rung`; `name` makes its key."""

    rung: int
    name: str
    amounts: Mapping[Unit, int]


def attempts(
    plan: Sequence[Rung], units: Sequence[Unit], *, max_share_pct: int, room: Room
) -> Iterator[Attempt]:
    """What to try, in order. `room` is asked as late as can be: refusals make it better."""
    tried: list[Mapping[Unit, int]] = []
    for number, rung in enumerate(plan):
        spans = {unit: rung[unit] for unit in units}
        for name, offer in (("", _want), ("fit", _fit), ("min", _minimum)):
            amounts = _amounts(spans, offer, max_share_pct, room)
            if amounts is not None and amounts not in tried:
                tried.append(amounts)
                yield Attempt(number, name, amounts)


def has_room(amounts: Mapping[Unit, int], room: Room) -> bool:
    """Whether this could be held, as far as it is known."""
    known = ((amount, room(unit)) for unit, amount in amounts.items())
    return all(left is None or amount <= left for amount, left in known)


_Offer = Callable[[Span, int, int | None], int | None]


def _amounts(
    spans: Mapping[Unit, Span], offer: _Offer, max_share_pct: int, room: Room
) -> Mapping[Unit, int] | None:
    amounts = {}
    for unit, span in spans.items():
        amount = offer(span, max_share_pct, room(unit))
        if amount is None:
            return None
        amounts[unit] = amount
    return amounts


def _want(span: Span, max_share_pct: int, room: int | None) -> int | None:
    return span.want


def _fit(span: Span, max_share_pct: int, room: int | None) -> int | None:
    """As much as a ledger of ours would grant: at most a share, unless the minimum is more."""
    if span.minimum == span.want:
        return span.want
    if room is None or room < span.minimum:
        return None
    return min(span.want, room, max(span.minimum, room * max_share_pct // 100))


def _minimum(span: Span, max_share_pct: int, room: int | None) -> int | None:
    return span.minimum
