"""All that is billed as input of a chat completion call, as parts that can be counted.

Where OpenAI has published how a part is rendered, the count is exact; where not, it is an
upper bound. Published: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
(sections 6 and 7). Measured by users, since unpublished:
[pairs]   https://community.openai.com/t/538914 (what a tool call and its result add)
[escapes] https://community.openai.com/t/1375117 (results of parallel calls are rendered as
          ASCII JSON: 1,002 tokens of Korean bill as 13,001)
[wrapper] https://community.openai.com/t/1304519 (parallel calling adds a tool of its own)
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

from pricing.prompt import Audio, File, Image, Part, Prompt, Text, Unseen
from proxy.dialects.dialect import Request, ToolKind
from proxy.dialects.wire.inline_media import image_size, payload_bytes, payload_of, wav_duration_ms
from proxy.dialects.wire.json_text import encode

REPLY_TOKENS: Final = 3
"""Every reply is primed with its start, role and separator (cookbook, section 6)."""

MESSAGE_TOKENS: Final = 4
"""Three around each message, and one for its role (cookbook, section 6)."""

NAME_TOKENS: Final = 1
"""For a name beside the role (cookbook, section 6)."""

TOOLS_TOKENS: Final = 12
"""Around all tools (cookbook, section 7, func_end)."""

TOOL_TOKENS: Final = 10
"""Around each tool, for the models where it is most (cookbook, section 7, func_init)."""

ENUM_ITEM_TOKENS: Final = 3
"""Around each value of an enum, which JSON spells with fewer (cookbook, section 7)."""

PARALLEL_TOOL_TOKENS: Final = 200
"""The tool through which several tools are called at once: its text is about 190. [wrapper]"""

CALL_TOKENS: Final = 16
"""Around each tool call and its result; 12 were measured. [pairs]"""

PARALLEL_CALLS_TOKENS: Final = 30
"""Around the calls of one message when there are several; 24 were measured. [pairs]"""

SCHEMA_TOKENS: Final = 32
"""Around the schema of structured output: a heading, its name. Unpublished."""

CONTENT_PART_TOKENS: Final = 1
"""A separator before each further part of a message's content. Unpublished."""

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

_DETAILS: Final[Mapping[str, Literal["auto", "low", "high", "original"]]] = {
    "low": "low",
    "high": "high",
    "original": "original",
}


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
        definitions = [*_list(request.fields, "tools"), *_list(request.fields, "functions")]
        for definition in definitions:
            self.framing_tokens += TOOL_TOKENS + ENUM_ITEM_TOKENS * _enum_items(definition)
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
                self.parts.append(_audio(part.get("input_audio")))
            case "file":
                self.parts.append(_file(part.get("file")))
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
    url = image.get("url") if isinstance(image, dict) else image
    detail = image.get("detail") if isinstance(image, dict) else None
    size = image_size(url) if isinstance(url, str) else None
    width, height = size or (None, None)
    return Image(width, height, _DETAILS.get(detail, "auto") if type(detail) is str else "auto")


def _audio(audio: object) -> Audio | Unseen:
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(audio, dict) or not isinstance(data, str):
        return Unseen("audio")
    form = audio.get("format")
    base64 = payload_of(data)
    return Audio(
        form if isinstance(form, str) else "",
        payload_bytes(base64),
        wav_duration_ms(base64),
    )


def _file(file: object) -> File | Unseen:
    data = file.get("file_data") if isinstance(file, dict) else None
    if not isinstance(file, dict) or not isinstance(data, str) or file.get("file_id"):
        return Unseen("a file by its id")
    name = file.get("filename")
    return File(name if isinstance(name, str) else "", payload_bytes(payload_of(data)))


def _texts(content: object) -> Iterator[str]:
    """The texts of content that is a string, or an array of parts."""
    for part in content if isinstance(content, list) else [content]:
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str):
            yield text


def _enum_items(schema: object) -> int:
    """How many values the enums of a JSON schema list, at any depth."""
    items = 0
    level = [schema]
    while level:
        below: list[object] = []
        for node in level:
            if isinstance(node, dict):
                items += len(_list(node, "enum"))
                below += node.values()
            elif isinstance(node, list):
                below += node
        level = below
    return items


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    value = fields.get(name)
    return value if isinstance(value, list) else []
