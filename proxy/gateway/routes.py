"""Which upstream a model is sent to, and what prices there depend on.

The first upstream of the configuration whose patterns match serves a model. Sent to another
one it would be another model, at another price.
"""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Final

import msgspec

from proxy.domain.errors import Reason, Refused

_SAY_WHAT_THEY_BILL: Final = frozenset({"openrouter"})
"""Source: https://openrouter.ai/docs/use-cases/usage-accounting"""


class Route(msgspec.Struct, frozen=True):
    """One upstream.

    `api` is what it speaks, `models` are wildcards. `provider` is whose list prices hold
    there, `multiplier` an exact factor on them; `auto_tier` is what service tier `auto` means.
    `has_credential`: whether anything could be sent there at all.
    """

    name: str
    api: str
    models: tuple[str, ...]
    provider: str
    multiplier: Fraction = Fraction(1)
    auto_tier: str = "default"
    has_credential: bool = True

    @property
    def says_what_it_bills(self) -> bool:
        """Whether the cost in its answers is its bill. Elsewhere a field of that name is not."""
        return self.provider in _SAY_WHAT_THEY_BILL

    @property
    def auto_tiers(self) -> frozenset[str | None]:
        """The tiers that may serve a call that names none; None is the standard one."""
        return frozenset({None if self.auto_tier == "default" else self.auto_tier})


class Routes:
    """The upstreams of one configuration, in the order of the file."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)

    def of(self, model: str) -> Route:
        """The upstream that serves a model.

        Raises:
            Refused: MODEL_NOT_SERVED, by none of them.
        """
        route = self.find(model)
        if route is None:
            raise Refused(
                Reason.MODEL_NOT_SERVED,
                f"No upstream serves model {model!r}: none of upstreams[].models matches it.",
                param="model",
            )
        return route

    def find(self, model: str) -> Route | None:
        """The upstream that serves a model, if any does."""
        for route in self._routes:
            if any(fnmatchcase(model, pattern) for pattern in route.models):
                return route
        return None

    def stand_in(self, model: str, *, beside: Route) -> Route | None:
        """Where a model could take a call that was meant for `beside`: it speaks the same API."""
        route = self.find(model)
        if route is None or route is beside:
            return route
        return route if route.api == beside.api and route.has_credential else None
