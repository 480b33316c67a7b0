"""Step 4. The body that the granted rung pays for. Bytes that need no change stay as they came."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from proxy.dialects.dialect import Changes, Dialect, Request
from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.gateway.estimate import Way
from proxy.policies import Wish, dropped_tools

CHANGES: Final = ("model", "max_tokens", "tools", "effort", "service_tier", "n", "note")
"""What may be changed in a body, as `X-Budget-Caps` calls it."""


class Shaped(msgspec.Struct, frozen=True):
    """What leaves, and what was changed in it: the names of `X-Budget-Caps`, in order.

    `name` is what the upstream calls the model.
    """

    body: bytes
    model: str
    max_tokens: int | None
    caps: tuple[str, ...]
    strips_usage: bool
    name: str


def shape(
    dialect: Dialect,
    wish: Wish,
    way: Way,
    *,
    rung: int,
    amounts: Mapping[Unit, int],
    caps: Sequence[Caps] = (),
) -> Shaped:
    """Write the grant into the body: the shortest answer that any of its units pays for.

    `caps` came with the grant. They only take more away, so what is held still pays for it.

    Raises:
        Refused: TOOL_DENIED, when the call insists on a tool that policy or caps take away;
            POLICY_DENIED, when caps leave no output.
    """
    request = way.request
    length = way.output_tokens_for(amounts)
    ceiling = _ceiling(request, caps)
    is_capped = ceiling is not None and ceiling < length
    if is_capped and ceiling is not None:
        length = ceiling
    dropped = dropped_tools(request.tools, (*wish.every_caps, *caps))
    asked = request.max_output_tokens
    swapped = way.model.name if way.model.name != request.model else None
    name = way.route.name_of(way.model.name, asked=request.deployment)
    renamed = name if name != request.fields.get("model", request.model) else None
    writes_limit = way.writes_limit or is_capped
    stands = length == asked and request.limit_field is not None and swapped is None
    limit = length if writes_limit and not stands else None
    asks_usage = request.stream and not request.asks_usage
    body = request.body
    tool_calls = request.needs_tool_limit
    if swapped or renamed or limit is not None or dropped or asks_usage or tool_calls is not None:
        # The field that the caller used is one that its model's server knows.
        kept = request.limit_field if swapped is None else None
        changes = Changes(
            model=swapped,
            name=renamed,
            max_output_tokens=limit,
            limit_field=kept or dialect.limit_field or way.model.profile.limit_field,
            drop_tools=dropped,
            include_usage=asks_usage,
            max_tool_calls=tool_calls,
        )
        body = dialect.apply(request, changes)
    shortened = limit not in (None, asked) and (
        rung > 0 or wish.max_tokens is not None or asked is not None or is_capped
    )
    done = {*way.changed, *(["tools"] if dropped else [])}
    if swapped is not None:
        done.add("model")
    if shortened:
        done.add("max_tokens")
    changed = [name for name in CHANGES if name in done]
    return Shaped(
        body, way.model.name, length if shortened else None, tuple(changed), asks_usage, name
    )


def _ceiling(request: Request, caps: Sequence[Caps]) -> int | None:
    """The most that caps leave of each answer; None where none says so, or none can be said."""
    ceilings = [each.max_tokens for each in caps if each.max_tokens is not None]
    if not ceilings or not request.generates or not request.may_be_limited:
        return None
    if min(ceilings) == 0:
        raise Refused(
            Reason.POLICY_DENIED, "The budget authority allows this call no output. Do not retry."
        )
    return min(ceilings)
