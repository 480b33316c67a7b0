"""Where the next attempt at a call goes: the same upstream, then those that stand in for it."""

from collections import Counter
from collections.abc import Mapping

import msgspec

from proxy.gateway.attempts.retries import may_repeat, pause_ms
from proxy.gateway.ending import Ending
from proxy.gateway.routes import Route, Routes


class Turn(msgspec.Struct, frozen=True):
    """One more attempt: where models go in it, and how long to wait before."""

    routes: Routes
    pause_ms: int


class Course:
    """The attempts at one call. It ends: no upstream is asked more often than its rules say.

    Whoever stands in is named by the upstream that was asked first; what a stand-in has for
    its own calls does not count here (field-report 80).
    """

    def __init__(
        self, routes: Routes, first: Route, *, has_key: bool, may_move: bool = True
    ) -> None:
        """`has_key`: its caller relies on it being made once. `may_move`: others know it too."""
        self._routes = routes
        self._asked = first.name
        self._stand_ins = list(first.fallback) if may_move else []
        self._has_key = has_key
        self._made: Counter[str] = Counter()

    def after(
        self,
        route: Route,
        ending: Ending,
        headers: Mapping[str, str],
        *,
        now_ms: int,
        jitter: float,
    ) -> Turn | None:
        """What follows an attempt at this upstream that ended so; None: nothing.

        `headers` are those of its answer, `jitter` is from 0 to 1.
        """
        self._asked = route.name
        self._made[route.name] += 1
        made, rules = self._made[route.name], route.retries
        if not may_repeat(ending, rules, has_key=self._has_key):
            return None
        if made < rules.max_attempts:
            wait_ms = pause_ms(headers, rules, made=made, now_ms=now_ms, jitter=jitter)
            if wait_ms is not None:
                return Turn(self._routes, wait_ms)
        return self.elsewhere()

    def elsewhere(self) -> Turn | None:
        """Another upstream in place of the one that was to be asked; None: there is no other."""
        if not self._stand_ins:
            return None
        name = self._stand_ins.pop(0)
        self._routes = self._routes.with_stand_in(name, instead_of=self._asked)
        self._asked = name
        return Turn(self._routes, 0)
