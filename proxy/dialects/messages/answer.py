"""What a whole answer says about itself, and the texts it delivered."""

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
from proxy.dialects.messages.tools import CODE_EXECUTION, MCP_TOOLSET
from proxy.dialects.messages.usage import read_usage, tier_of
from proxy.dialects.wire.json_text import encode

FRAGMENT: Final = fragment_pattern("text", "thinking", "partial_json", "name")
"""A text that was delivered, in JSON that breaks off."""

ONE_CHOICE: Final = 0
"""There is never more than one answer."""

_WRITTEN: Final = ("text", "thinking", "content", "partial_json", "name")
"""Members of a block, or of a delta, that are text the model wrote."""

_MCP_USE: Final = "mcp_tool_use"
_SERVER_USE: Final = "server_tool_use"
_USES: Final = frozenset({"tool_use", _SERVER_USE, _MCP_USE})


def read_answer(body: bytes) -> Answer:
    """Read a whole JSON answer; never fails, an unreadable one is merely not complete."""
    fields = read_fields(body)
    reported = fields.get("usage")
    usage, fault = read_usage(reported)
    return Answer(
        usage,
        fault,
        text_or_none(fields.get("model")),
        tier_of(reported),
        isinstance(fields.get("content"), list),
        deliver_when_asked(body, fields, _deliver_all, FRAGMENT),
    )


def _deliver_all(texts: DeliveredTexts, answer: Mapping[str, Any]) -> None:
    texts.note(ONE_CHOICE, finished=answer.get("stop_reason") is not None)
    content = answer.get("content")
    for place, block in enumerate(content if isinstance(content, list) else ()):
        deliver(texts, place, block)


def deliver(texts: DeliveredTexts, place: object, block: object) -> None:
    """Take in a block, or a delta of the block at this place."""
    if isinstance(block, dict):
        if (tool := _provided(block)) is not None:
            texts.note_call((place,), tool)
        for name, text in _texts(block):
            texts.keep((place, name), text)


def _provided(block: Mapping[str, Any]) -> str | None:
    """The tool of a call that is named after a part of it: a tool of a server, a sandbox's."""
    kind, name = block.get("type"), text_or_none(block.get("name")) or ""
    if kind == _MCP_USE:
        return MCP_TOOLSET
    if kind == _SERVER_USE and name.endswith(f"_{CODE_EXECUTION}"):
        return CODE_EXECUTION
    return None


def _texts(block: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the model wrote of a block: not what tools of the provider found, not signatures,
    and not the cited text, which is not billed."""
    kind = text_or_none(block.get("type"))
    if kind is not None and kind.endswith("_tool_result"):
        return
    for name in _WRITTEN:
        if isinstance(text := block.get(name), str):
            yield name, text
    if kind in _USES and block.get("input"):
        yield "partial_json", encode(block["input"]).decode()
