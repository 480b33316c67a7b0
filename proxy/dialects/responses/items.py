"""The input of a Responses call: text, or items of a conversation with its tools.

Item types: https://platform.openai.com/docs/api-reference/responses/create (input). Measured:
[escapes] https://community.openai.com/t/1375117 (results of parallel calls are rendered as
          ASCII JSON: 1,002 tokens of Korean bill as 13,001)
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pricing.prompt import Image, Part, Sealed, Text, Unseen
from proxy.dialects.openai.framing import (
    CALL_TOKENS,
    CONTENT_PART_TOKENS,
    MESSAGE_TOKENS,
    PARALLEL_CALLS_TOKENS,
)
from proxy.dialects.openai.parts import audio_of, file_of, image_of, list_of
from proxy.dialects.wire.inline_media import payload_bytes
from proxy.dialects.wire.json_text import encode

_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})

_OF_A_MESSAGE: Final = frozenset({"type", "role", "content", "id", "status", "phase"})

_NOT_RENDERED: Final = frozenset({"type", "id", "status"})

_TEXTS: Final = frozenset({"input_text", "output_text", "text", "summary_text", "reasoning_text"})


class ItemReading:
    """The parts found so far, and the tokens around them."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self.framing_tokens = 0
        self.compactions = 0
        self._calls_in_a_row = 0
        self._has_results = False

    def input(self, given: object) -> None:
        """Take in `input`: a text is one message."""
        if isinstance(given, str):
            self.framing_tokens += MESSAGE_TOKENS
            self.text(given)
        for item in given if isinstance(given, list) else ():
            self._item(item)

    def text(self, value: object) -> None:
        """Text as it stands; anything else as its JSON, a number or a flag not at all."""
        if isinstance(value, str):
            self.parts.append(Text(value))
        elif type(value) is dict or type(value) is list:
            self.parts.append(Text(encode(value).decode()))

    def _item(self, item: Mapping[str, Any]) -> None:
        match item.get("type"):
            case None if item.keys() <= {"id", "type"}:
                self.parts.append(Unseen("an item by its id"))
            case None | "message":
                self._message(item)
            case "function_call" | "custom_tool_call":
                self._call(item)
            case "function_call_output" | "custom_tool_call_output":
                self._result(item)
            case "reasoning" | "compaction":
                self._sealed(item)
            case "computer_call_output":
                self.framing_tokens += CALL_TOKENS
                self._part(item.get("output"))
            case "image_generation_call":
                self._generated_image(item)
            case "item_reference":
                self.parts.append(Unseen("an item by its id"))
            case "compaction_trigger":
                self.compactions += 1
            case _:
                self.framing_tokens += CALL_TOKENS
                self.text({name: item[name] for name in item if name not in _NOT_RENDERED})

    def _message(self, item: Mapping[str, Any]) -> None:
        self._calls_in_a_row = 0
        self.framing_tokens += MESSAGE_TOKENS
        role = item.get("role")
        if type(role) is not str or role not in _ROLES:
            self.text(role)
        self._content(item.get("content"))
        for name, value in item.items():
            if name not in _OF_A_MESSAGE:
                self.text(value)

    def _call(self, item: Mapping[str, Any]) -> None:
        self._calls_in_a_row = 1 if self._has_results else self._calls_in_a_row + 1
        self._has_results = False
        self.framing_tokens += CALL_TOKENS
        if self._calls_in_a_row == 2:
            self.framing_tokens += PARALLEL_CALLS_TOKENS
        self.text(item.get("name"))
        for name, value in item.items():  # the result is introduced by the name again
            if name not in _NOT_RENDERED:
                self.text(value)

    def _result(self, item: Mapping[str, Any]) -> None:
        self._has_results = True
        output = item.get("output")
        if self._calls_in_a_row > 1 and isinstance(output, str):
            output = json.dumps(output)  # [escapes]
        self.text(item.get("call_id"))
        self._content(output)

    def _sealed(self, item: Mapping[str, Any]) -> None:
        """Thoughts, or a summary, that only the provider can read."""
        for part in (*list_of(item, "summary"), *list_of(item, "content")):
            self._part(part)
        sealed = item.get("encrypted_content")
        if isinstance(sealed, str):
            self.parts.append(Sealed(payload_bytes(sealed)))
        else:
            self.parts.append(Unseen("reasoning that the provider keeps"))

    def _generated_image(self, item: Mapping[str, Any]) -> None:
        self.framing_tokens += CALL_TOKENS
        self.text(item.get("revised_prompt"))
        self.parts.append(image_of(f"data:image/png;base64,{item.get('result')}", "high"))

    def _content(self, content: object) -> None:
        if not isinstance(content, list):
            self.text(content)
            return
        self.framing_tokens += CONTENT_PART_TOKENS * max(0, len(content) - 1)
        for part in content:
            self._part(part)

    def _part(self, part: object) -> None:
        if not isinstance(part, dict):
            self.text(part)
            return
        match part.get("type"):
            case str(kind) if kind in _TEXTS:
                self._escaped(part.get("text"))
            case "refusal":
                self.text(part.get("refusal"))
            case "input_image" | "computer_screenshot":
                self.parts.append(_image(part))
            case "input_audio":
                self.parts.append(audio_of(part.get("input_audio")))
            case "input_file":
                self.parts.append(file_of(part))
            case _:
                self.text(part)
                self.parts.append(Unseen("a part of another type"))

    def _escaped(self, text: object) -> None:
        is_result = self._calls_in_a_row > 1
        self.text(json.dumps(text) if is_result and isinstance(text, str) else text)


def _image(part: Mapping[str, Any]) -> Image:
    url = part.get("image_url")
    if isinstance(url, dict):
        return image_of(url.get("url"), url.get("detail"))
    return image_of(url, part.get("detail"))
