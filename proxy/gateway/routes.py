"""Which upstream a model is sent to, and what prices there depend on.

The first upstream of the configuration whose patterns match serves a model. Sent to another
one it would be another model, at another price.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.domain.errors import Reason, Refused
from proxy.gateway.attempts.retries import RetryRules

_SAY_WHAT_THEY_BILL: Final = frozenset({"openrouter"})
"""Source: https://openrouter.ai/docs/use-cases/usage-accounting"""


class Route(msgspec.Struct, frozen=True):
    """One upstream.

    `api` is what it speaks, `models` are wildcards. `deployments` are Azure's, each with the
    model that it is of: calls name the one or the other. `provider` is whose list prices hold
    there, `multiplier` an exact factor on them; `auto_tier` is what service tier `auto` means.
    `has_credential`: whether anything could be sent there at all. `retries`: when it is sent a
    call again; `fallback` names the upstreams that are asked when that did not help. Such a
    stand-in serves what the one does `instead_of` which it is asked.
    """

    name: str
    api: str
    models: tuple[str, ...]
    provider: str
    multiplier: Fraction = Fraction(1)
    auto_tier: str = "default"
    has_credential: bool = True
    retries: RetryRules = RetryRules()
    fallback: tuple[str, ...] = ()
    instead_of: "Route | None" = None
    deployments: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def says_what_it_bills(self) -> bool:
        """Whether the cost in its answers is its bill. Elsewhere a field of that name is not."""
        return self.provider in _SAY_WHAT_THEY_BILL

    @property
    def auto_tiers(self) -> frozenset[str | None]:
        """The tiers that may serve a call that names none; None is the standard one."""
        return frozenset({None if self.auto_tier == "default" else self.auto_tier})

    @property
    def dialects(self) -> str:
        """Whose API it is: Azure's has the bodies of OpenAI's."""
        return "openai" if self.api == "azure" else self.api

    def serves(self, model: str) -> bool:
        """Whether a call for this model may go there."""
        if self.instead_of is not None:
            return self.instead_of.serves(model)
        return model in self.deployments.values() or any(
            fnmatchcase(model, pattern) for pattern in self.models
        )

    def has_deployment(self, name: str, model: str) -> bool:
        """Whether calls for this deployment of a model may go there."""
        if self.instead_of is not None:
            return self.instead_of.has_deployment(name, model)
        return self.deployments.get(name) == model

    def lacks(self, model: str) -> bool:
        """Whether it was to stand in, and could not: it lists deployments, and none of this."""
        is_listed = not self.deployments or model in self.deployments.values()
        return self.instead_of is not None and not is_listed

    def name_of(self, model: str, *, asked: str | None = None) -> str:
        """What it calls a model: the deployment that was asked for, else its first one."""
        if asked is not None and self.deployments.get(asked) == model:
            return asked
        names = (name for name, of in self.deployments.items() if of == model)
        return next(names, model)


class Routes:
    """The upstreams of one configuration, in the order of the file."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)

    def meant_by(self, name: str, *, is_deployment: bool) -> tuple[str, str | None]:
        """The model that a call names, and the deployment if it is the name of one.

        In a path it surely is; in a body it may be either, and the first upstream that knows
        the name decides. A deployment that is not listed is called after its model.
        """
        for route in self._routes:
            if name in route.deployments:
                return route.deployments[name], name
            if not is_deployment and route.serves(name):
                break
        return name, None

    def of(self, model: str, *, deployment: str | None = None) -> Route:
        """The upstream that serves a model, or has this deployment of it.

        Raises:
            Refused: MODEL_NOT_SERVED, by none of them.
        """
        for each in self._routes:
            if deployment is not None and each.has_deployment(deployment, model):
                route: Route | None = each
                break
        else:
            route = self.find(model)
        if route is None or route.lacks(model):
            raise Refused(
                Reason.MODEL_NOT_SERVED,
                f"No upstream serves model {model!r}: none of upstreams[].models matches it.",
                param="model",
            )
        return route

    def find(self, model: str) -> Route | None:
        """The upstream that serves a model, if any does."""
        for route in self._routes:
            if route.serves(model):
                return route
        return None

    def first(self, *, speaks: str) -> Route:
        """The first upstream that speaks this API, or the first of all where none does."""
        speakers = (route for route in self._routes if route.dialects == speaks)
        return next(speakers, self._routes[0])

    def with_stand_in(self, name: str, *, instead_of: str) -> "Routes":
        """The same, where one upstream serves all that another one did."""
        other = next(route for route in self._routes if route.name == name)
        return Routes(
            [
                replace(other, instead_of=route) if route.name == instead_of else route
                for route in self._routes
            ]
        )

    def stand_in(self, model: str, *, beside: Route) -> Route | None:
        """Where a model could take a call that was meant for `beside`: it speaks the same API.

        A model without a deployment is nowhere to be found where deployments are listed.
        """
        route = self.find(model)
        if route is None or (route.deployments and model not in route.deployments.values()):
            return None
        if route is beside:
            return route
        return route if route.dialects == beside.dialects and route.has_credential else None
