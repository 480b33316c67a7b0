"""Calls that wait for busy budgets, each in the line of the budget that refused it.

A budget is busy when it would have room once the calls in flight have settled. A line is
first come, first served: who needs the same budget and came later stands behind, even
where a smaller hold would fit, so that nobody is starved. The first in line tries again
when a hold on the budget has ended here, and now and then for what ends elsewhere; across
proxies no order is promised. Source: docs/semantics.md, "Policy, plan, caps".
"""

import asyncio
import math
from bisect import insort
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from operator import attrgetter
from typing import Final, NamedTuple

from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.money import Unit
from proxy.domain.scope import Scope, budget_scopes
from proxy.gateway.runtime.door import ClientGone, Door
from proxy.ledger.records import Balance, Grant, ReserveRequest

SHORTEST_PAUSE_MS: Final = 100
"""Between two tries that nothing here has called for."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call may stand in line, and how many calls may at a time."""

    max_wait_ms: int
    max_length: int


class _Budget(NamedTuple):
    """What a line is for: the budgets of a scope in one unit, whatever their periods."""

    scope: Scope
    unit: Unit


@dataclass(eq=False, slots=True)
class _Place:
    """A call on its way to a hold. `budgets` are all that it needs.

    Times are the loop's, in seconds. `news`: something has made another try worth it.
    """

    number: int
    budgets: tuple[_Budget, ...]
    gives_up_at: float
    retries_at: float = math.inf
    stands_since: float | None = None
    line: "_Line | None" = None
    is_gone: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def leave(self) -> None:
        """The caller has hung up."""
        self.is_gone = True
        self.news.set()


_arrival = attrgetter("number")


@dataclass(eq=False, slots=True)
class _Line:
    """Who stands in line for a budget, by arrival, and the last refusal that named it."""

    budget: _Budget
    refusal: BudgetRefused
    places: list[_Place] = field(default_factory=list)


class Queue:
    """The lines of a process. They outlive a reload, as do the holds they wait for."""

    def __init__(self) -> None:
        self._lines: dict[_Budget, _Line] = {}
        self._trying: set[_Place] = set()
        self._arrivals = count()
        self._length = 0

    def __len__(self) -> int:
        """How many calls stand in line."""
        return self._length

    async def hold(
        self,
        request: ReserveRequest,
        attempt: Callable[[], Awaitable[Grant]],
        patience: Patience,
        *,
        door: Door,
        on_waited: Callable[[int], None],
    ) -> Grant:
        """Make the attempt when it is the call's turn, until the answer is not "busy".

        That is at once if nobody stands in line for a budget it needs. `on_waited` hears for
        how many nanoseconds the call stood in line, if it did.

        Raises:
            BudgetRefused: BUDGET_BUSY when it has stood there for as long as it may, or as
                many do as may; any other reason, and whatever the attempt raises, at once.
            ClientGone: the caller has left the line.
        """
        loop = asyncio.get_running_loop()
        gives_up_at = loop.time() + patience.max_wait_ms / 1000
        place = _Place(next(self._arrivals), _budgets_of(request), gives_up_at)
        try:
            while isinstance(answer := await self._ask(place, request, attempt), BudgetRefused):
                if place.stands_since is None:
                    if self._length >= patience.max_length:
                        raise answer
                    place.stands_since = loop.time()
                    door.when_gone(place.leave)
                self._stand(place, answer)
                await _news(place, answer)
            return answer
        finally:
            self._step_out(place)
            if place.stands_since is not None:
                on_waited(round((loop.time() - place.stands_since) * 1e9))

    def made_room(self, balances: Iterable[Balance]) -> None:
        """Holds on these budgets have ended: whoever is first in line for one tries again."""
        if not self._lines and not self._trying:
            return
        budgets = {_Budget(balance.scope, balance.unit) for balance in balances}
        first = [self._lines[budget].places[0] for budget in budgets & self._lines.keys()]
        for place in sorted(first, key=_arrival):
            place.news.set()
        for place in self._trying:
            if not budgets.isdisjoint(place.budgets):
                place.news.set()  # a refusal that is on its way may not know of this room

    async def _ask(
        self, place: _Place, request: ReserveRequest, attempt: Callable[[], Awaitable[Grant]]
    ) -> Grant | BudgetRefused:
        """A hold, or the refusal for which the call stands in line."""
        line = self._line_before(place)
        if line is not None:
            place.retries_at = math.inf
            return _refusal_behind(line, request)
        self._trying.add(place)
        try:
            return await attempt()
        except BudgetRefused as refusal:
            if refusal.reason is not Reason.BUDGET_BUSY:
                raise
            place.retries_at = asyncio.get_running_loop().time() + _pause_s(refusal)
            return refusal
        finally:
            self._trying.discard(place)

    def _line_before(self, place: _Place) -> _Line | None:
        """The outermost line for what the call needs in which somebody stands who came earlier."""
        if self._lines:
            for budget in place.budgets:
                line = self._lines.get(budget)
                if line is not None and line.places[0].number < place.number:
                    return line
        return None

    def _stand(self, place: _Place, refusal: BudgetRefused) -> None:
        """Take the call's place, by its arrival, in the line of the budget that refused it."""
        budget = _Budget(Scope(refusal.shortage.scope), refusal.shortage.unit)
        line = self._lines.get(budget)
        if line is None:
            line = self._lines[budget] = _Line(budget, refusal)
        line.refusal = refusal
        if place.line is not line:
            self._step_out(place)
            insort(line.places, place, key=_arrival)
            place.line = line
            self._length += 1

    def _step_out(self, place: _Place) -> None:
        """Give the place up; whoever is first in line then, and was not before, has a turn."""
        line = place.line
        if line is None:
            return
        was_first = line.places[0] is place
        line.places.remove(place)
        place.line = None
        self._length -= 1
        if not line.places:
            del self._lines[line.budget]
        elif was_first:
            line.places[0].news.set()


async def _news(place: _Place, refusal: BudgetRefused) -> None:
    """Wait for something that makes another try worth it.

    Raises: `refusal` when the time is up, ClientGone.
    """
    loop = asyncio.get_running_loop()
    until = min(place.retries_at, place.gives_up_at)
    is_late = False
    try:
        async with asyncio.timeout_at(until):
            await place.news.wait()
    except TimeoutError:
        is_late = until == place.gives_up_at
    place.news.clear()
    if place.is_gone:
        raise ClientGone
    if is_late or loop.time() >= place.gives_up_at:
        raise refusal


def _budgets_of(request: ReserveRequest) -> tuple[_Budget, ...]:
    """Where a call may have to wait: a unit in which it is free stops it for other reasons."""
    units = [unit for unit in request.plan[0] if unit not in request.free]
    return tuple(
        [_Budget(scope, unit) for scope in budget_scopes(request.subject) for unit in units]
    )


def _pause_s(refusal: BudgetRefused) -> float:
    return max(refusal.retry_after_ms or 0, SHORTEST_PAUSE_MS) / 1000


def _refusal_behind(line: _Line, request: ReserveRequest) -> BudgetRefused:
    """What the ledger would say, if it was asked, to a call that would overtake others."""
    shortage = line.refusal.shortage
    required = min(rung[shortage.unit].minimum for rung in request.plan)
    refusal = BudgetRefused(Reason.BUDGET_BUSY, replace(shortage, required=required))
    refusal.retry_after_ms = line.refusal.retry_after_ms
    return refusal
