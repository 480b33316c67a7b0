"""How many tokens a prompt is, counted as the provider counts it.

Messages: 3 tokens each, 1 for a name, 3 to prime the reply; functions by the published
table. Source for both:
https://github.com/openai/openai-cookbook/blob/main/examples/How_to_count_tokens_with_tiktoken.ipynb
What is not published (tool calls in the history, response schemas, files) is counted as the
tokens of its text, with no framing of its own.
"""

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from simulator.errors import invalid
from simulator.prompt.media import audio_tokens, image_size
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest

PER_MESSAGE = 3
PER_NAME = 1
PER_REPLY = 3
FUNCTION_START = MappingProxyType({"o200k_base": 7, "cl100k_base": 10})
FUNCTION_END = 12
PROPERTIES_START = 3
PER_PROPERTY = 3
ENUM_START = -3
PER_ENUM_ITEM = 3
# An address is fetched; what is found there is taken to be a picture of this size.
FETCHED_IMAGE = (1024, 1024)
# A document that only the provider holds.
STORED_FILE_TOKENS = 500
BYTES_PER_FILE_TOKEN = 4


@dataclass(frozen=True, slots=True)
class PromptCount:
    """Tokens of one prompt. `total` includes audio and images.

    `characters` and `seconds` are text and sound that are not billed in tokens.
    """

    total: int
    audio: int = 0
    images: int = 0
    characters: int = 0
    seconds: int = 0


def count_prompt(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    """Count a prompt. Raises ApiError: an image or a sound cannot be read."""
    return _Counter(request, vocabulary).count()


class _Counter:
    def __init__(self, request: ChatRequest, vocabulary: Vocabulary) -> None:
        self._request = request
        self._vocabulary = vocabulary
        self._audio = 0
        self._images = 0

    def count(self) -> PromptCount:
        text = PER_REPLY + sum(self._message(message) for message in self._request.messages)
        functions = [tool["function"] for tool in self._request.tools if "function" in tool]
        text += sum(self._function(each) for each in (*functions, *self._request.functions))
        if functions or self._request.functions:
            text += FUNCTION_END
        text += sum(self._json(tool["custom"]) for tool in self._request.tools if "custom" in tool)
        text += self._format()
        return PromptCount(text + self._audio + self._images, self._audio, self._images)

    def _text(self, text: str) -> int:
        return self._vocabulary.count(self._request.model.encoding, text)

    def _json(self, value: object) -> int:
        return self._text(json.dumps(value, ensure_ascii=False, separators=(",", ":")))

    def _message(self, message: Mapping[str, Any]) -> int:
        tokens = PER_MESSAGE + self._text(message["role"])
        if isinstance(message.get("name"), str):
            tokens += PER_NAME + self._text(message["name"])
        content = message.get("content")
        if isinstance(content, str):
            tokens += self._text(content)
        else:
            tokens += sum(self._part(part) for part in content or ())
        for call in message.get("tool_calls") or ():
            tokens += self._call(call.get(call.get("type", "function")) or {})
        return tokens + self._call(message.get("function_call") or {})

    def _call(self, call: Mapping[str, Any]) -> int:
        texts = (call.get("name"), call.get("arguments"), call.get("input"))
        return sum(self._text(text) for text in texts if isinstance(text, str))

    def _part(self, part: object) -> int:
        kind = part.get("type") if isinstance(part, Mapping) else None
        match kind, part:
            case (("text" | "refusal"), {"text": str(text)} | {"refusal": str(text)}):
                return self._text(text)
            case "image_url", {"image_url": {"url": str(url), **options}}:
                self._images += self._image(url, str(options.get("detail", "auto")))
            case "input_audio", {"input_audio": {"data": str(data), "format": str(name)}}:
                self._audio += audio_tokens(name, _base64(data))
            case "file", {"file": {"file_data": str(data)}}:
                payload = _base64(data.partition(",")[2] or data)
                return math.ceil(len(payload) / BYTES_PER_FILE_TOKEN)
            case "file", {"file": {"file_id": str()}}:
                return STORED_FILE_TOKENS
            case _:
                raise invalid("messages.content", "A part is text, image_url, audio or file.")
        return 0

    def _image(self, url: str, detail: str) -> int:
        size: tuple[int, int] | None = FETCHED_IMAGE
        if url.startswith("data:"):
            size = image_size(_base64(url.partition(",")[2]))
        rule = self._request.model.images
        if size is None or rule is None or 0 in size:
            raise invalid("messages.content", "The image cannot be read.", "image_parse_error")
        return rule.tokens(*size, detail)

    def _function(self, function: Mapping[str, Any]) -> int:
        description = str(function.get("description") or "").removesuffix(".")
        tokens = FUNCTION_START[self._request.model.encoding]
        tokens += self._text(f"{function['name']}:{description}")
        return tokens + self._properties(function.get("parameters") or {})

    def _properties(self, schema: Mapping[str, Any]) -> int:
        properties = list(_properties(schema))
        tokens = PROPERTIES_START if properties else 0
        for name, value in properties:
            description = str(value.get("description") or "").removesuffix(".")
            tokens += PER_PROPERTY + self._text(f"{name}:{value.get('type', '')}:{description}")
            items = value.get("enum")
            if isinstance(items, list) and items:
                tokens += ENUM_START
                tokens += sum(PER_ENUM_ITEM + self._text(str(item)) for item in items)
            tokens += self._properties(value)
        return tokens

    def _format(self) -> int:
        wanted = self._request.body.get("response_format") or {}
        return self._json(wanted["json_schema"]) if wanted.get("type") == "json_schema" else 0


def _properties(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The properties of an object, or of the objects in a list."""
    for holder in (schema, schema.get("items")):
        if isinstance(holder, Mapping) and isinstance(holder.get("properties"), Mapping):
            for name, value in holder["properties"].items():
                yield name, value if isinstance(value, Mapping) else {}


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("messages.content", "The data is not base64.", "invalid_base64") from None
