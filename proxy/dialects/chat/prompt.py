"""All that is billed as input of a chat completion call, as parts that can be counted.

Where OpenAI has published how a part is rendered, the count is exact; where not, it is an
upper bound. What stands around the parts: `openai/framing.py`. Measured, since unpublished:
[escapes] https://community.openai.com/t/1375117 (results of parallel calls are rendered as
          ASCII JSON: 1,002 tokens of Korean bill as 13,001)
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pricing.prompt import Image, Part, Prompt, Text, Unbounded, Unseen
from proxy.dialects.dialect import Request, ToolKind
from proxy.dialects.openai.framing import (
    CALL_TOKENS,
    CONTENT_PART_TOKENS,
    ENUM_ITEM_TOKENS,
    MESSAGE_TOKENS,
    NAME_TOKENS,
    PARALLEL_CALLS_TOKENS,
    PARALLEL_TOOL_TOKENS,
    REPLY_TOKENS,
    SCHEMA_TOKENS,
    TOOL_TOKENS,
    TOOLS_TOKENS,
)
from proxy.dialects.openai.parts import audio_of, enum_items, file_of, image_of, list_of
from proxy.dialects.wire.json_text import encode

_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

_PLAIN_MESSAGE: Final = frozenset({"role", "content"})

_OF_A_MESSAGE: Final = frozenset(
    {"role", "content", "name", "tool_calls", "tool_call_id", "function_call", "audio"}
)

_NOT_INPUT: Final = frozenset(
    {
        *("messages", "tools", "functions", "response_format", "prediction"),  # counted below
        *("model", "service_tier", "stream_options", "metadata", "user", "safety_identifier"),
        *("modalities", "audio", "moderation", "logit_bias", "stop", "reasoning_effort"),
        *("verbosity", "tool_choice", "function_call", "web_search_options"),
        *("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"),
    }
)
"""Fields with text in them that the API does not render into the prompt."""

_STORED_INPUT: Final = ("previous_response_id", "conversation", "prompt")
"""Fields that stand for input which only the provider has."""

_SEARCHED: Final = "data_sources"
"""Azure searches these by a call of the model's own, and no most of either is published:
https://learn.microsoft.com/azure/ai-services/openai/concepts/use-your-data"""


def prompt_of(request: Request) -> Prompt:
    """The parts of the input, with the tokens that the API adds around them."""
    reading = _Reading()
    reading.messages(request.fields["messages"])
    reading.tools(request)
    reading.other_fields(request.fields)
    return Prompt(tuple(reading.parts), reading.framing_tokens)


def predicted_texts(request: Request) -> tuple[str, ...]:
    """The texts of `prediction`: what of it the model rejects bills as output, too.

    Source: https://platform.openai.com/docs/guides/predicted-outputs
    """
    prediction = request.fields.get("prediction") or {}
    return tuple(_texts(prediction.get("content")))


class _Reading:
    """The parts found so far."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.framing_tokens = REPLY_TOKENS
        self._answers_parallel_calls = False

    def messages(self, messages: list[dict[str, Any]]) -> None:
        for message in messages:
            self.framing_tokens += MESSAGE_TOKENS
            role = message.get("role")
            if type(role) is not str or role not in _ROLES:
                self._text(role)
            if role != "tool":
                self._answers_parallel_calls = False
            self._content(message.get("content"))
            if "name" in message:
                self.framing_tokens += NAME_TOKENS
                self._text(message["name"])
            if not _PLAIN_MESSAGE.issuperset(message):
                self._beside_content(message)
        self._answers_parallel_calls = False

    def tools(self, request: Request) -> None:
        definitions = [*list_of(request.fields, "tools"), *list_of(request.fields, "functions")]
        for definition in definitions:
            self.framing_tokens += TOOL_TOKENS + ENUM_ITEM_TOKENS * enum_items(definition)
            self._text(definition)
        if definitions:
            self.framing_tokens += TOOLS_TOKENS
        if len(definitions) > 1 and request.fields.get("parallel_tool_calls") is not False:
            self.framing_tokens += PARALLEL_TOOL_TOKENS
        if request.tools:
            self.parts += [Unseen(t.name) for t in request.tools if t.kind is ToolKind.BUILT_IN]

    def other_fields(self, fields: Mapping[str, Any]) -> None:
        """Schemas, predictions, and what we do not know: it may be rendered, so it counts."""
        response_format = fields.get("response_format") or {}
        if response_format.get("type") == "json_schema":
            self.framing_tokens += SCHEMA_TOKENS
            self._text(response_format.get("json_schema"))
        if prediction := fields.get("prediction"):
            self.parts += map(Text, _texts(prediction.get("content")))
        for name, value in fields.items():
            if name not in _NOT_INPUT:
                self._text(value)
        self.parts += [Unseen(name) for name in _STORED_INPUT if fields.get(name) is not None]
        if fields.get(_SEARCHED) is not None:
            self.parts.append(Unbounded(_SEARCHED))

    def _beside_content(self, message: Mapping[str, Any]) -> None:
        self._tool_calls(message.get("tool_calls"))
        self._text(message.get("tool_call_id"))
        if isinstance(called := message.get("function_call"), dict):
            self._call(called.get("name"), called.get("arguments"))
        if message.get("audio") is not None:
            self.parts.append(Unseen("audio of an earlier answer"))
        for name, value in message.items():
            if name not in _OF_A_MESSAGE:
                self._text(value)

    def _tool_calls(self, calls: object) -> None:
        if not isinstance(calls, list):
            self._text(calls)
            return
        if len(calls) > 1:
            self._answers_parallel_calls = True
            self.framing_tokens += PARALLEL_CALLS_TOKENS
        for call in calls:
            called = call.get("function", call.get("custom")) if isinstance(call, dict) else None
            if isinstance(called, dict):
                self._text(call.get("id"))
                self._call(called.get("name"), called.get("arguments", called.get("input")))
            else:
                self._text(call)

    def _call(self, name: object, arguments: object) -> None:
        self.framing_tokens += CALL_TOKENS
        self._text(name)
        self._text(name)  # the result of a call is introduced by the name again
        self._text(arguments)

    def _content(self, content: object) -> None:
        if not isinstance(content, list):
            self._text(content)
            return
        self.framing_tokens += CONTENT_PART_TOKENS * max(0, len(content) - 1)
        for part in content:
            if isinstance(part, dict):
                self._part(part)
            else:
                self._text(part)

    def _part(self, part: Mapping[str, Any]) -> None:
        match part.get("type"):
            case "text":
                self._text(part.get("text"))
            case "refusal":
                self._text(part.get("refusal"))
            case "image_url":
                self.parts.append(_image(part.get("image_url")))
            case "input_audio":
                self.parts.append(audio_of(part.get("input_audio")))
            case "file":
                self.parts.append(file_of(part.get("file")))
            case _:
                self._text(part)
                self.parts.append(Unseen("a part of another type"))

    def _text(self, value: object) -> None:
        """Text as it stands; anything else as its JSON, a number or a flag not at all."""
        if isinstance(value, str):
            text = value
        elif type(value) is dict or type(value) is list:
            text = encode(value).decode()
        else:
            return
        if self._answers_parallel_calls:
            text = json.dumps(text)  # [escapes]
        self.parts.append(Text(text))


def _image(image: object) -> Image:
    if isinstance(image, dict):
        return image_of(image.get("url"), image.get("detail"))
    return image_of(image, None)


def _texts(content: object) -> Iterator[str]:
    """The texts of content that is a string, or an array of parts."""
    for part in content if isinstance(content, list) else [content]:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            yield text
