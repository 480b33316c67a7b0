"""A Responses call that comes as a frame of a WebSocket: `{"type": "response.create", …}`.

It is the body of `POST /v1/responses` without `stream`, with a few fields of its own. One of
them asks for no answer: the model only reads the input, to be faster with the next one. What
it reads is reported as usage, so it is held and charged like any input.

Fields: https://developers.openai.com/api/docs/guides/websocket-mode
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from proxy.dialects.dialect import Request
from proxy.dialects.responses.request import read_request
from proxy.dialects.wire.json_text import optional

_ENVELOPE: Final = frozenset({"type", "stream", "stream_id", "generate"})
"""What a frame has beside the call: none of it is read by the model."""

_NO_LOOP: Final = {"max_tool_calls": 0}
"""Where nothing is answered no tool makes the model read again."""


def read_frame(body: bytes) -> Request:
    """Read a frame, whose answer always comes as events.

    Raises:
        Refused: INVALID_REQUEST, as `read_request`.
    """
    request = read_request(body)
    generates = _generates(request.fields)
    fields = {name: value for name, value in request.fields.items() if name not in _ENVELOPE}
    if generates:
        return msgspec.structs.replace(request, fields=fields, stream=True)
    return msgspec.structs.replace(
        request,
        fields=fields | _NO_LOOP,
        stream=True,
        generates=False,
        paid_tool_calls={},
        needs_tool_limit=None,
    )


def _generates(fields: Mapping[str, Any]) -> bool:
    """Whether the model is to answer. Either field says no, whatever the other says."""
    options = optional(fields, "prompt_cache_options", dict, "an object") or {}
    warms = optional(options, "prewarm", bool, "true or false") or False
    return optional(fields, "generate", bool, "true or false") is not False and not warms
