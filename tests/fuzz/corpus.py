"""Calls and their answers as the public documentation shows them, in every dialect."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.dialects import examples as chat
from tests.dialects.completions import golden as completions
from tests.dialects.images import examples as images
from tests.dialects.messages import examples as messages
from tests.dialects.responses import examples as responses
from tests.dialects.wire import forms

PROMPT: Final = "hush-hush-7731"
"""Stands in every prompt, and must stand nowhere else."""

SECRET: Final = "sk-of-the-upstream"
"""What nobody but the upstream may see."""

Event = tuple[str | None, Any]


@dataclass(frozen=True)
class Pair:
    """A call and its answer. `events` are those of a stream; then there is no `answer`.

    `form` stands for a call that is a form with a file, `sound` for an answer that is MP3.
    """

    path: str
    call: Mapping[str, Any] | None
    answer: Mapping[str, Any] | None = None
    events: tuple[Event, ...] = ()
    method: str = "POST"
    form: bytes = b""
    sound: bytes = b""


def _events(*data: Mapping[str, Any] | bytes, named: bool = False) -> tuple[Event, ...]:
    values = [json.loads(each) if isinstance(each, bytes) else each for each in data]
    return tuple((each["type"] if named else None, each) for each in values)


_DONE: Final[Event] = (None, "[DONE]")
_STREAMS: Final = {"stream": True, "stream_options": {"include_usage": True}}
_ASKED: Final = [{"role": "user", "content": f"Say {PROMPT}."}]
_SHOWN: Final = [
    {"type": "text", "text": PROMPT},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
]
_CHAT_EVENTS: Final = (*_events(*chat.CONTENT_CHUNKS, chat.USAGE_CHUNK), _DONE)
_MESSAGE_EVENTS: Final = _events(*messages.THOUGHT_AND_CALL, named=True)
_RESPONSE_EVENTS: Final = _events(*responses.HELLO_EVENTS, named=True)
_TEXT_EVENTS: Final = (*_events(*completions.CONTENT, completions.USAGE_CHUNK), _DONE)
_VECTOR: Final = {"object": "embedding", "embedding": [0.0023064255, -0.009327292], "index": 0}
_EMBEDDED: Final = {
    "object": "list",
    "data": [_VECTOR],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
_CHAT: Final = chat.QUESTION | {"messages": _ASKED, "max_tokens": 64}
_TOOLS: Final = chat.TOOL_QUESTION | {"messages": _ASKED, "max_completion_tokens": 64, "n": 2}
_PICTURE: Final = _CHAT | {"messages": [{"role": "user", "content": _SHOWN}]}
_MESSAGE: Final = messages.QUESTION | {"messages": _ASKED, "max_tokens": 256}
_SEARCH: Final = _MESSAGE | {
    "system": [{"type": "text", "text": PROMPT, "cache_control": {"type": "ephemeral"}}],
    "tools": [messages.WEATHER_TOOL, messages.SEARCH_TOOL],
    "thinking": {"type": "enabled", "budget_tokens": 1024},
    "max_tokens": 2048,
}
_RESPONSE: Final = responses.STORY | {"input": f"Say {PROMPT}.", "max_output_tokens": 128}
_WEATHER: Final = responses.WEATHER | {"input": _ASKED, "max_output_tokens": 128}
_TEXT: Final = completions.QUESTION | {"prompt": f"Say {PROMPT}."}
_IMAGE: Final = images.QUESTION | {"prompt": f"Draw {PROMPT}.", "quality": "high"}
_PREVIEWS: Final = _IMAGE | {"stream": True, "partial_images": 1}
_IMAGE_EVENTS: Final = _events(images.PREVIEW, images.COMPLETED, named=True)
_SPEECH: Final = {"model": "gpt-4o-mini-tts", "input": f"Say {PROMPT}.", "voice": "coral"}
_READ_OUT: Final = b"\xff\xf3\x84\xc4".ljust(192, b"\0") * 40
_SPOKEN: Final = {"input_tokens": 14, "output_tokens": 101, "total_tokens": 115}
_SPEECH_EVENTS: Final = _events(
    {"type": "speech.audio.delta", "audio": "base64-encoded-audio"},
    {"type": "speech.audio.done", "usage": _SPOKEN},
)
_WRITTEN: Final = {
    "text": "Imagine the wildest idea that you've ever had.",
    "usage": {
        "type": "tokens",
        "input_tokens": 14,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
        "output_tokens": 45,
        "total_tokens": 59,
    },
}
_TIMED: Final = {"text": "Hello.", "usage": {"type": "duration", "seconds": 9}}
_WRITTEN_EVENTS: Final = _events(
    {"type": "transcript.text.delta", "delta": "I"},
    {"type": "transcript.text.done", "text": "I see.", "usage": _WRITTEN["usage"]},
)
_FIELDS: Final = [forms.field("model", "gpt-4o-transcribe"), forms.field("prompt", PROMPT)]
_HEARD: Final = forms.form([*_FIELDS, forms.file("file", b"ID3" + bytes(3_000))])
_LARGE: Final = forms.form([*_FIELDS, forms.file("file", b"RIFF" + bytes(400_000))])
_BY_TIME: Final = forms.form([forms.file("file", bytes(9)), forms.field("model", "whisper-1")])
_STREAMED: Final = forms.form([*_FIELDS, forms.field("stream", "true"), forms.file("file", b"a")])
_EMBED: Final = {"model": "text-embedding-3-small", "input": [PROMPT, "two"]}

METERED: Final[Sequence[Pair]] = (
    Pair("/v1/chat/completions", _CHAT, chat.ANSWER),
    Pair("/v1/chat/completions", _TOOLS, chat.TOOL_ANSWER),
    Pair("/v1/chat/completions", _PICTURE, chat.ANSWER),
    Pair("/v1/chat/completions", _CHAT | _STREAMS, events=_CHAT_EVENTS),
    Pair("/v1/chat/completions", _TOOLS | {"stream": True}, events=_CHAT_EVENTS),
    Pair("/v1/messages", _MESSAGE, messages.ANSWER),
    Pair("/v1/messages", _SEARCH, messages.ANSWER | {"usage": messages.CACHED_USAGE}),
    Pair("/v1/messages", _MESSAGE | {"stream": True}, events=_MESSAGE_EVENTS),
    Pair("/v1/messages", _SEARCH | {"stream": True}, events=_MESSAGE_EVENTS),
    Pair("/v1/responses", _RESPONSE, responses.ANSWER),
    Pair("/v1/responses", _WEATHER, responses.response(responses.CALL)),
    Pair("/v1/responses", _RESPONSE | {"stream": True}, events=_RESPONSE_EVENTS),
    Pair("/v1/completions", _TEXT, completions.ANSWER),
    Pair("/v1/completions", _TEXT | _STREAMS, events=_TEXT_EVENTS),
    Pair("/v1/embeddings", _EMBED, _EMBEDDED),
    Pair("/v1/images/generations", _IMAGE, images.ANSWER),
    Pair("/v1/images/generations", _PREVIEWS, events=_IMAGE_EVENTS),
    Pair("/v1/audio/speech", _SPEECH, sound=_READ_OUT),
    Pair("/v1/audio/speech", _SPEECH | {"stream_format": "sse"}, events=_SPEECH_EVENTS),
    Pair("/v1/audio/transcriptions", None, _WRITTEN, form=_HEARD),
    Pair("/v1/audio/transcriptions", None, _WRITTEN, form=_LARGE),
    Pair("/v1/audio/transcriptions", None, events=_WRITTEN_EVENTS, form=_STREAMED),
    Pair("/v1/audio/translations", None, _TIMED, form=_BY_TIME),
)

FREE: Final[Sequence[Pair]] = (
    Pair("/v1/messages/count_tokens", _MESSAGE, {"input_tokens": 14}),
    Pair("/v1/models", None, {"object": "list", "data": []}, method="GET"),
    Pair("/v1/responses/resp_1", None, responses.ANSWER, method="GET"),
    Pair("/v1/responses/resp_1/cancel", {}, responses.ANSWER),
    Pair("/v1/moderations", {"input": PROMPT}, {"id": "modr-1", "results": []}),
)
"""What costs nothing."""

FREE_ENDINGS: Final = ("/count_tokens", "/input_tokens", "/cancel", "/moderations", "/files")
"""How the paths of those end that are POSTed."""

FIELDS: Final = (
    *("model", "messages", "input", "prompt", "n", "best_of", "stream", "stream_options", "tools"),
    *("tool_choice", "functions", "function_call", "max_tokens", "max_completion_tokens"),
    *("max_output_tokens", "max_tool_calls", "service_tier", "reasoning", "reasoning_effort"),
    *("response_format", "text", "prediction", "modalities", "audio", "thinking", "system"),
    *("mcp_servers", "container", "context_management", "previous_response_id", "background"),
    *("conversation", "instructions", "cache_control", "web_search_options", "speed", "betas"),
    *("encoding_format", "dimensions", "suffix", "echo", "logprobs", "user", "store", "include"),
    *("usage", "choices", "output", "content", "delta", "response", "type", "index", "status"),
    *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens"),
    *("prompt_tokens_details", "completion_tokens_details", "cache_creation", "cost", "error"),
    *("server_tool_use", "finish_reason", "stop_reason", "message", "tool_calls", "item"),
    *("voice", "speed", "stream_format", "seconds", "duration", "input_token_details", "delta"),
    *("size", "quality", "partial_images", "output_format", "images", "data", "b64_json"),
)
"""Names of fields that one dialect or another reads."""
