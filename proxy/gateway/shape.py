"""Step 4. The body that the granted rung pays for. Bytes that need no change stay as they came."""

from collections.abc import Mapping

import msgspec

from proxy.dialects.dialect import Changes, Dialect, Request
from proxy.domain.money import Unit
from proxy.gateway.estimate import Way
from proxy.policies import Wish


class Shaped(msgspec.Struct, frozen=True):
    """What leaves, and what was changed in it: the names of `X-Budget-Caps`, in order."""

    body: bytes
    model: str
    max_tokens: int | None
    caps: tuple[str, ...]
    strips_usage: bool


def shape(
    dialect: Dialect,
    request: Request,
    wish: Wish,
    way: Way,
    *,
    rung: int,
    amounts: Mapping[Unit, int],
) -> Shaped:
    """Write the grant into the body: the shortest answer that any of its units pays for.

    Raises:
        Refused: TOOL_DENIED, when the call insists on a tool that policy takes away.
    """
    length = way.output_tokens_for(amounts)
    dropped = _dropped_tools(request, wish)
    asked = request.max_output_tokens
    swapped = way.model.name if way.model.name != request.model else None
    limit = length if way.writes_limit and (length != asked or swapped) else None
    asks_usage = request.stream and not request.asks_usage
    body = request.body
    if swapped or limit is not None or dropped or asks_usage:
        # The field that the caller used is one that its model's server knows.
        kept = request.limit_field if swapped is None else None
        changes = Changes(
            model=swapped,
            max_output_tokens=limit,
            limit_field=kept or dialect.limit_field or way.model.profile.limit_field,
            drop_tools=dropped,
            include_usage=asks_usage,
        )
        body = dialect.apply(request, changes)
    shortened = limit not in (None, asked) and (
        rung > 0 or wish.max_tokens is not None or asked is not None
    )
    caps = ["model"] if swapped is not None else []
    if shortened:
        caps.append("max_tokens")
    if dropped:
        caps.append("tools")
    return Shaped(body, way.model.name, length if shortened else None, tuple(caps), asks_usage)


def _dropped_tools(request: Request, wish: Wish) -> frozenset[str]:
    """The tools that policy takes away."""
    if not request.tools:
        return frozenset()
    allows = wish.caps.allows_tool
    return frozenset(tool.name for tool in request.tools if not allows(tool.name))
