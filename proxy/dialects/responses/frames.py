"""A Responses call that comes as a frame of a WebSocket: `{"type": "response.create", …}`.

It is the body of `POST /v1/responses` without `stream`, with a few fields of its own. One of
them asks for no answer: the model only reads the input, to be faster with the next one. What
it reads is reported as usage, so it is held and charged like any input.

Fields: https://developers.openai.com/api/docs/guides/websocket-mode
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from pricing.prompt import Prompt, Tokens, Unseen
from proxy.dialects.dialect import Request
from proxy.dialects.openai.parts import list_of
from proxy.dialects.responses.prompt import prompt_of
from proxy.dialects.responses.request import read_request
from proxy.dialects.responses.usage import read_usage
from proxy.dialects.wire.json_text import optional, read_leniently

_ENVELOPE: Final = frozenset({"type", "stream", "stream_id", "generate"})
"""What a frame has beside the call: none of it is read by the model."""

ITEM_TOKENS: Final = 32
"""What may stand around an item that was written when it is read again: more than the framing of
a message, of a call, or of several calls at once (`openai/framing.py`)."""

_BEFORE: Final = Unseen("previous_response_id")

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


class Said(NamedTuple):
    """A response that can be gone on from: all that it read and wrote, in tokens of a model."""

    model: str
    tokens: int


def said_in(event: bytes, model: str) -> tuple[str, Said] | None:
    """The id of the response that ends with an event, and what there is to go on from.

    None where its usage does not tell: tokens of sound and pictures have prices of their own.
    """
    fields = read_leniently(event)
    response = fields.get("response") if isinstance(fields, dict) else None
    if not isinstance(response, dict) or not isinstance(response.get("id"), str):
        return None
    usage, _ = read_usage(response)
    if usage is None or not usage.input_tokens:
        return None
    if usage.input_audio_tokens or usage.input_image_tokens or usage.output_audio_tokens:
        return None
    framing_tokens = ITEM_TOKENS * len(list_of(response, "output"))
    tokens = usage.input_tokens + usage.output_tokens + framing_tokens
    return response["id"], Said(model, tokens)


def prompt_after(said: Mapping[str, Said], request: Request) -> Prompt:
    """All that is billed as input, where it is known what was said before.

    The next response reads what the one before it read and wrote, and nothing beside it but
    what is new: of any other nobody but the provider knows how much that is.
    """
    prompt, named = prompt_of(request), request.fields.get("previous_response_id")
    before = said.get(named) if isinstance(named, str) else None
    if before is None or before.model != request.model:
        return prompt
    parts = [Tokens(before.tokens) if part == _BEFORE else part for part in prompt.parts]
    return msgspec.structs.replace(prompt, parts=tuple(parts))


def _generates(fields: Mapping[str, Any]) -> bool:
    """Whether the model is to answer. Either field says no, whatever the other says."""
    options = optional(fields, "prompt_cache_options", dict, "an object") or {}
    warms = optional(options, "prewarm", bool, "true or false") or False
    return optional(fields, "generate", bool, "true or false") is not False and not warms
