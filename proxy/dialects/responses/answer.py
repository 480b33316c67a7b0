"""What a whole response says about itself, and the texts it delivered.

Output item types: https://platform.openai.com/docs/api-reference/responses/object (output).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from proxy.dialects.answer import (
    Answer,
    DeliveredTexts,
    deliver_when_asked,
    fragment_pattern,
    read_fields,
    text_or_none,
)
from proxy.dialects.openai.parts import list_of
from proxy.dialects.responses.usage import read_usage, usage_of_refusal
from proxy.dialects.wire.json_text import encode

FRAGMENT: Final = fragment_pattern(
    "delta", "text", "refusal", "transcript", "name", "arguments", "input", "code"
)
"""A text that was delivered, in JSON that breaks off."""

Place = tuple[object, ...]
"""Where a text belongs within its output item."""

_UNFINISHED: Final = frozenset({"queued", "in_progress"})
"""What is still being made will be billed for more than came."""

_NOT_WRITTEN: Final = frozenset({"mcp_list_tools", "additional_tools"})
"""Items that the model did not write, beside the outputs of tools."""

_CALL: Final = "_call"

_NAMED: Final = frozenset({"function_call", "custom_tool_call"})
"""Calls of tools that their name says. All others are of the tool that their type says."""

_BESIDE_WRITTEN: Final = frozenset(
    {
        *("type", "id", "status", "call_id", "created_by", "caller", "environment", "fingerprint"),
        *("output", "outputs", "result", "results", "sources", "server_label", "error"),
    }
)
"""Members of items that the model did not write."""


def read_answer(body: bytes) -> Answer:
    """Read a whole JSON answer; never fails, an unreadable one is merely not complete."""
    fields = read_fields(body)
    usage, fault = read_usage(fields)
    return Answer(
        usage or usage_of_refusal(fields),
        fault,
        text_or_none(fields.get("model")),
        served_tier(fields),
        isinstance(fields.get("output"), list),
        deliver_when_asked(body, fields, deliver, FRAGMENT),
    )


def served_tier(response: Mapping[str, Any]) -> str | None:
    """The service tier that served. `auto` is what was asked for, not what came of it."""
    tier = text_or_none(response.get("service_tier"))
    return None if tier == "auto" else tier


def deliver(texts: DeliveredTexts, response: Mapping[str, Any]) -> None:
    """Take in a whole response, of which pieces may have come before."""
    is_unfinished = text_or_none(response.get("status")) in _UNFINISHED
    texts.note(0, finished=not is_unfinished)
    texts.is_partial = texts.is_partial or is_unfinished
    for place, item in enumerate(list_of(response, "output")):
        deliver_item(texts, place, item)


def deliver_item(texts: DeliveredTexts, output_index: object, item: object) -> None:
    """Take in an output item, of which pieces may have come before."""
    if isinstance(item, dict):
        kind = text_or_none(item.get("type")) or ""
        if kind.endswith(_CALL) and kind not in _NAMED:
            texts.note_call((output_index,), kind.removesuffix(_CALL))
        for where, text in _texts(item):
            texts.keep_rest((output_index, *where), text)


def text_of(part: object) -> str | None:
    """The text of a part of a message, or of thoughts."""
    if not isinstance(part, dict):
        return None
    texts = (part.get(name) for name in ("text", "refusal", "transcript"))
    return next((text for text in texts if isinstance(text, str)), None)


def _texts(item: Mapping[str, Any]) -> Iterator[tuple[Place, str]]:
    """What the model wrote in an item, each with its place there."""
    match item.get("type"):
        case "message" | "reasoning":
            for kind in ("content", "summary"):
                for place, part in enumerate(list_of(item, kind)):
                    if (text := text_of(part)) is not None:
                        yield (kind, place), text
        case "function_call" | "custom_tool_call" | "mcp_call" | "code_interpreter_call":
            for name in ("name", "arguments", "input", "code"):
                if isinstance(item.get(name), str):
                    yield (name,), item[name]
        case str(kind) if kind.endswith("_output") or kind in _NOT_WRITTEN:
            return
        case _:
            written = {name: item[name] for name in item if name not in _BESIDE_WRITTEN}
            if any(written.values()):
                yield ("item",), encode(written).decode()
