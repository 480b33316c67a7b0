"""The body as policy leaves it for a model, before anything in it is counted.

So all that policy adds is priced, and nothing that it takes away is held. What depends on the
grant, model and limit, is written later. Rules: docs/semantics.md, "Policy, plan, caps".
"""

from functools import partial
from typing import Final, NamedTuple

from msgspec.structs import replace

from pricing.catalogue import Model
from pricing.profile import Capability
from proxy.dialects.dialect import Changes, Dialect, Request
from proxy.domain.errors import Refused
from proxy.gateway.runtime.tasks import off_the_loop
from proxy.policies import Wish, choice_for, dropped_tools


class Body(NamedTuple):
    """A call as a model would be sent it, and the names of what policy changed in it."""

    request: Request
    changed: tuple[str, ...] = ()


class Bodies:
    """The bodies of one call: one for all models, unless policy tells them apart."""

    def __init__(
        self, dialect: Dialect, request: Request, wish: Wish, *, gives_notes: bool
    ) -> None:
        self._dialect = dialect
        self._request = request
        self._wish = wish
        self._note = note_of(wish) if gives_notes else None
        self._made: dict[Changes, Body] = {}

    async def body_for(self, model: Model) -> Body:
        """The body that this model would be sent, but for its name and a limit.

        A call that insists on a tool which is to go keeps its tools: it is planned so, and
        refused when its body is made.
        """
        request, changed = await self._changed(self._changes_for(model))
        return Body(self._dialect.asked_of(request, model.name), changed)

    async def _changed(self, changes: Changes) -> Body:
        if changes == Changes():
            return Body(self._request)
        body = self._made.get(changes)
        if body is None:
            make = partial(_made, self._dialect, self._request, changes)
            body = await off_the_loop(make, size_bytes=len(self._request.body))
            self._made[changes] = body
        return body

    def _changes_for(self, model: Model) -> Changes:
        request, wish = self._request, self._wish
        effort = choice_for(request.reasoning_effort, wish.reasoning_effort)
        if request.reasoning_effort is None and not _is_known_to_reason(model):
            effort = None
        return Changes(
            drop_tools=dropped_tools(request.tools, wish.every_caps),
            reasoning_effort=effort,
            service_tier=choice_for(request.service_tier, wish.service_tier),
            n=wish.n,
            note=self._note,
        )


def note_of(wish: Wish) -> str | None:
    """What a model is told when a policy decides; None where none does."""
    if wish.policy is None:
        return None
    if wish.steps_left is None:
        return "The budget for this work is low: finish it as soon as you can."
    within = "1 step" if wish.steps_left == 1 else f"{wish.steps_left} steps"
    return f"The budget for this work is low: finish it within {within}."


def _is_known_to_reason(model: Model) -> bool:
    capabilities = model.profile.capabilities
    return capabilities is not None and Capability.REASONING in capabilities


def _made(dialect: Dialect, request: Request, changes: Changes) -> Body:
    try:
        return _applied(dialect, request, changes)
    except Refused:
        return _applied(dialect, request, replace(changes, drop_tools=frozenset()))


def _applied(dialect: Dialect, request: Request, changes: Changes) -> Body:
    text = dialect.apply(request, changes)
    if text is request.body:
        return Body(request)
    # Whose call it is was read from its path as well, which no change of the body touches.
    read = _reread(dialect, request, text)
    changed = replace(read, model=request.model, deployment=request.deployment)
    return Body(changed, tuple(_names(request, changed)))


def _reread(dialect: Dialect, request: Request, text: bytes) -> Request:
    """The call that another body says."""
    if request.form is not None and dialect.form is not None:
        return dialect.form.read(request.form.reread(text))
    return dialect.read_request(text)


_MEMBERS: Final = {
    "tools": ("tools", "functions", "web_search_options", "mcp_servers"),
    "effort": ("reasoning_effort", "reasoning", "output_config", "thinking"),
    "service_tier": ("service_tier", "speed"),
    "n": ("n", "best_of"),
    "note": ("messages", "input"),
}
"""Where a body says what policy may change, by what `X-Budget-Caps` calls it."""


def _names(before: Request, after: Request) -> list[str]:
    """What was changed."""
    return [
        name
        for name, members in _MEMBERS.items()
        if any(after.fields.get(each) != before.fields.get(each) for each in members)
    ]
