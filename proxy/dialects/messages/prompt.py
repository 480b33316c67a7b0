"""All that is billed as input of a Messages call, as parts that can be counted.

Claude's tokenizer and templates are not published, so every count is an upper bound:
`framing_tokens` are multiplied for such models (pricing/profiles.yml), and what the API puts
before the first tool (at most 804 tokens) is in the overhead that they have there. Sources:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing
https://platform.claude.com/docs/en/build-with-claude/pdf-support
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pricing.prompt import File, Image, Part, Prompt, Sealed, Text, Unbounded, Unseen
from proxy.dialects.dialect import Request, ToolKind
from proxy.dialects.messages.tools import (
    RUN_BY_THE_CALLER,
    definitions_of,
    unbounded_tools,
)
from proxy.dialects.wire.inline_media import image_size, payload_bytes
from proxy.dialects.wire.json_text import encode

MESSAGE_TOKENS: Final = 4
"""Around each message, and for its role. Unpublished."""

BLOCK_TOKENS: Final = 4
"""Around each block of a message. Unpublished."""

CALL_TOKENS: Final = 16
"""Around each use of a tool, and around its result. Unpublished."""

TOOL_TOKENS: Final = 16
"""Around each tool's definition. Unpublished."""

KNOWN_TOOL_TOKENS: Final = 320
"""For the definition of a tool that the API brings: 1,234 tokens for `computer` and the system
prompt that goes with it, less for the others, divided by the factor that framing has."""

SCHEMA_TOKENS: Final = 64
"""Around the schema of structured output. Unpublished."""

_NOT_INPUT: Final = frozenset(
    {
        *("messages", "system", "tools", "output_config", "output_format"),  # counted below
        *("model", "max_tokens", "stream", "metadata", "service_tier", "speed", "thinking"),
        *("inference_geo", "stop_sequences", "tool_choice", "cache_control", "diagnostics"),
        *("user_profile_id", "workspace_id", "betas", "fallback_credit_token"),
        *("context_management", "compaction", "fallbacks", "thread", "container", "mcp_servers"),
    }
)
"""Fields with text in them that the API does not render into the prompt."""

_ONLY_CLEARS: Final = "clear_"
"""How edits of the context begin that merely leave something out."""

_OF_A_MESSAGE: Final = frozenset({"role", "content"})
_NOT_TEXT: Final = frozenset({"type", "cache_control", "id", "tool_use_id", "is_error", "caller"})


def prompt_of(request: Request) -> Prompt:
    """The parts of the input, with the tokens that the API adds around them."""
    reading = _Reading(request)
    reading.content(request.fields.get("system"))
    for message in request.fields["messages"]:
        reading.message(message)
    reading.tools()
    reading.other_fields()
    reading.parts += map(Unbounded, _unbounded(request.fields))
    return Prompt(tuple(reading.parts), reading.framing_tokens, rounds=request.n)


def _unbounded(fields: Mapping[str, Any]) -> Iterator[str]:
    """What is billed beside the answer, at the price of another model or to no known length."""
    yield from unbounded_tools(fields)
    if fields.get("fallbacks") is not None:
        yield "the answers of other models"
    if fields.get("compaction") is not None:
        yield "a summary"
    management = fields.get("context_management")
    if isinstance(management, dict):
        edits = management.get("edits")
        for edit in edits if isinstance(edits, list) else ():
            kind = edit.get("type") if isinstance(edit, dict) else None
            if not isinstance(kind, str) or not kind.startswith(_ONLY_CLEARS):
                yield "a summary"


class _Reading:
    """The parts found so far."""

    def __init__(self, request: Request) -> None:
        self.parts: list[Part] = []
        self.framing_tokens = 0
        self._request = request
        self._by_name = {
            each["name"]: each
            for each in definitions_of(request.fields)
            if isinstance(each.get("name"), str)
        }

    def message(self, message: Mapping[str, Any]) -> None:
        self.framing_tokens += MESSAGE_TOKENS
        self.content(message.get("content"))
        for name, value in message.items():
            if name not in _OF_A_MESSAGE:
                self._text(value)

    def content(self, content: object) -> None:
        """Text, or blocks, of a message, of the system prompt, or of a result."""
        if not isinstance(content, list):
            self._text(content)
            return
        for block in content:
            self.framing_tokens += BLOCK_TOKENS
            if isinstance(block, dict):
                self._block(block)
            else:
                self._text(block)

    def tools(self) -> None:
        for definition in definitions_of(self._request.fields):
            self.framing_tokens += TOOL_TOKENS
            self._text(definition)
        for tool in self._request.tools:
            if tool.kind is not ToolKind.BUILT_IN:
                continue
            if tool.name in RUN_BY_THE_CALLER:
                self.framing_tokens += KNOWN_TOOL_TOKENS
            else:
                self.parts.append(Unseen(tool.name))

    def other_fields(self) -> None:
        """Schemas, what is kept by the provider, and what we do not know: it may be rendered."""
        fields = self._request.fields
        for name in ("output_config", "output_format"):
            if isinstance(fields.get(name), dict):
                self.framing_tokens += SCHEMA_TOKENS
                self._text(fields[name])
        for name, value in fields.items():
            if name not in _NOT_INPUT:
                self._text(value)
        thread = fields.get("thread")
        if isinstance(thread, dict) and thread.get("type") != "create":
            self.parts.append(Unseen("a conversation that the provider keeps"))
        if fields.get("container") is not None:
            self.parts.append(Unseen("a container and its skills"))

    def _block(self, block: Mapping[str, Any]) -> None:
        match block.get("type"):
            case "text":
                self._text(block.get("text"))
                self._text(block.get("citations"))
            case "image":
                self.parts.append(_image(block.get("source")))
            case "document":
                self._document(block)
            case "thinking":
                # What is shown may be a summary; the thought itself is in the signature.
                self._text(block.get("thinking"))
                self._sealed(block.get("signature"))
            case "redacted_thinking":
                self._sealed(block.get("data"))
            case "tool_use" | "server_tool_use" | "mcp_tool_use":
                self.framing_tokens += CALL_TOKENS
                self._each(block)
            case "tool_result" | "mcp_tool_result":
                self.framing_tokens += CALL_TOKENS
                self._text(block.get("tool_use_id"))
                self.content(block.get("content"))
            case "search_result":
                self._text(block.get("source"))
                self._text(block.get("title"))
                self.content(block.get("content"))
            case "tool_reference":
                self._text(block.get("tool_name"))
                self._text(self._by_name.get(str(block.get("tool_name"))))
            case "compaction":
                self._text(block.get("content"))
                self._sealed(block.get("encrypted_content"))
            case "container_upload":
                self.parts.append(Unseen("a file in a container"))
            case kind:
                self._result_of_provider(block, kind)

    def _result_of_provider(self, block: Mapping[str, Any], kind: object) -> None:
        """What a tool of the provider found, sent back as it came; or a block nobody knows.

        What is encrypted in it counts as its characters.
        """
        self.framing_tokens += CALL_TOKENS
        self._text(dict(block))
        if not isinstance(kind, str) or not kind.endswith("_tool_result"):
            self.parts.append(Unseen("a block of another type"))
        elif kind == "web_fetch_tool_result" and not _is_text_page(block.get("content")):
            self.parts.append(Unseen("a page that was fetched"))

    def _document(self, block: Mapping[str, Any]) -> None:
        self._text(block.get("title"))
        self._text(block.get("context"))
        match block.get("source"):
            case {"type": "text", "data": str(text)}:
                self._text(text)
            case {"type": "content", "content": content}:
                self.content(content)
            case {"type": "base64", "data": str(data)}:
                self.parts.append(File("document", payload_bytes(data)))
            case _:
                self.parts.append(Unseen("a document"))

    def _each(self, block: Mapping[str, Any]) -> None:
        self._text(block.get("id"))
        for name, value in block.items():
            if name not in _NOT_TEXT:
                self._text(value)

    def _sealed(self, value: object) -> None:
        if isinstance(value, str):
            self.parts.append(Sealed(payload_bytes(value)))
        else:
            self._text(value)

    def _text(self, value: object) -> None:
        """Text as it stands; anything else as its JSON, a number or a flag not at all."""
        if isinstance(value, str):
            self.parts.append(Text(value))
        elif type(value) is dict or type(value) is list:
            self.parts.append(Text(encode(value).decode()))


def _is_text_page(result: object) -> bool:
    """Whether a fetched page stands in the result as text, or nothing was fetched."""
    match result:
        case {"type": "web_fetch_result", "content": {"source": {"type": "text"}}}:
            return True
        case {"type": "web_fetch_tool_result_error"}:
            return True
    return False


def _image(source: object) -> Image:
    """An image with its size, where it stands in the body."""
    size = None
    if isinstance(source, dict) and source.get("type") == "base64":
        media_type, data = source.get("media_type"), source.get("data")
        if isinstance(media_type, str) and isinstance(data, str):
            size = image_size(f"data:{media_type};base64,{data}")
    width, height = size or (None, None)
    return Image(width, height)
