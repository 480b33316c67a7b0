"""Step 4. The body that the granted rung pays for. Bytes that need no change stay as they came."""

from collections.abc import Mapping

import msgspec

from proxy.dialects.chat_changes import Changes, apply
from proxy.dialects.chat_request import ChatRequest
from proxy.domain.money import Unit
from proxy.gateway.estimate import Way
from proxy.gateway.policy import Wish


class Shaped(msgspec.Struct, frozen=True):
    """What leaves, and what was changed in it: the names of `X-Budget-Caps`, in order."""

    body: bytes
    model: str
    max_tokens: int | None
    caps: tuple[str, ...]
    strips_usage: bool


def shape(
    request: ChatRequest, wish: Wish, way: Way, *, rung: int, amounts: Mapping[Unit, int]
) -> Shaped:
    """Write the grant into the body: the shortest answer that any of its units pays for.

    Raises:
        Refused: TOOL_DENIED, when the call insists on a tool that policy takes away.
    """
    length = way.output_tokens_for(amounts)
    dropped = frozenset(tool.name for tool in request.tools if not wish.caps.allows_tool(tool.name))
    asked = request.max_output_tokens
    swapped = way.model.name if way.model.name != request.model else None
    limit = length if way.writes_limit and (length != asked or swapped) else None
    # The field that the caller used is one that its model's server knows.
    kept = request.limit_field if swapped is None else None
    field = kept or way.model.profile.limit_field
    asks_usage = request.stream and not request.asks_usage
    body = apply(
        request,
        Changes(
            model=swapped,
            max_output_tokens=limit,
            limit_field=field,
            drop_tools=dropped,
            include_usage=asks_usage,
        ),
    )
    shortened = limit not in (None, asked) and (
        rung > 0 or wish.max_tokens is not None or asked is not None
    )
    caps = tuple(
        name
        for name, changed in (
            ("model", swapped is not None),
            ("max_tokens", shortened),
            ("tools", bool(dropped)),
        )
        if changed
    )
    return Shaped(body, way.model.name, length if shortened else None, caps, asks_usage)
