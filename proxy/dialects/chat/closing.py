"""The end of a streamed completion that is cut where its budget ends.

As the API ends a choice that reached its limit, in the middle of a word or of the arguments
of a tool alike. Source: https://platform.openai.com/docs/api-reference/chat-streaming
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from proxy.dialects.closing import Counted, event_of

_DONE: Final = b"data: [DONE]\n\n"
_OF_ONE_CHUNK: Final = ("choices", "usage", "obfuscation")


def closing_events(
    last: Mapping[str, Any],
    unfinished: Iterable[int],
    counted: Counted | None,
    *,
    silence: Mapping[str, Any],
) -> bytes:
    """The events that end every unfinished choice, `usage` if it is told, and `[DONE]`.

    `last` is a chunk that came, `silence` what a choice has in a chunk that adds nothing to it.
    """
    envelope = {name: last[name] for name in last if name not in _OF_ONE_CHUNK}
    usage = {"usage": None} if "usage" in last else {}
    ends = [
        {"index": index, **silence, "logprobs": None, "finish_reason": "length"}
        for index in unfinished
    ]
    events = [event_of(envelope | {"choices": [end]} | usage) for end in ends]
    if counted is not None:
        report = {
            "prompt_tokens": counted.input_tokens,
            "completion_tokens": counted.output_tokens,
            "total_tokens": counted.total_tokens,
        }
        events.append(event_of(envelope | {"choices": [], "usage": report}))
    return b"".join((*events, _DONE))
