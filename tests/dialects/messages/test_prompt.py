"""All that is billed as input is counted, and what cannot be seen is said to be unseen."""

import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.bound import BoundClass, InputBound, count_prompt
from pricing.prompt import File, Image, Prompt, Sealed, Text, Unbounded, Unseen
from proxy.dialects.messages.prompt import prompt_of
from proxy.dialects.messages.request import read_request
from tests.dialects.messages.examples import SEARCH_TOOL, WEATHER_TOOL, body
from tests.pricing.make import loaded_tokenizers, profile_of

CLAUDE = profile_of("claude-opus-4-5")
PNG = (
    b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 1092, 1092) + b"\x08\x02\x00\x00\x00"
)
PNG_SOURCE = {
    "type": "base64",
    "media_type": "image/png",
    "data": base64.b64encode(PNG).decode(),
}


def prompt(**fields: Any) -> Prompt:
    return prompt_of(read_request(body(**fields)))


def said(*blocks: dict[str, Any]) -> Prompt:
    return prompt(messages=[{"role": "user", "content": [*blocks]}])


def bound(counted: Prompt) -> InputBound:
    return count_prompt(counted, CLAUDE, loaded_tokenizers())


def texts(counted: Prompt) -> list[str]:
    return [part.text for part in counted.parts if isinstance(part, Text)]


def unseen(counted: Prompt) -> list[str]:
    return [part.what for part in counted.parts if isinstance(part, Unseen)]


def unbounded(counted: Prompt) -> list[str]:
    return [part.what for part in counted.parts if isinstance(part, Unbounded)]


def test_a_plain_call_is_its_text_and_what_frames_it() -> None:
    counted = prompt(system="Be terse.")
    assert counted == Prompt((Text("Be terse."), Text("Hello, Claude")), 4)
    assert bound(counted).bound_class is BoundClass.MARGIN


def test_what_stands_before_the_first_tool_is_in_the_overhead_of_claudes() -> None:
    """At most 804 tokens, for Opus 4.7 that has to call a tool; the rest is for the turn."""
    assert CLAUDE.tokenizer.overhead_tokens >= 804 + 200
    assert CLAUDE.tokenizer.framing_factor >= 4


def test_system_blocks_tools_and_schemas_are_input() -> None:
    counted = prompt(
        system=[{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
        tools=[WEATHER_TOOL],
        output_config={"format": {"type": "json_schema", "schema": {"title": "three"}}},
        of_the_future={"x": "four"},
    )
    assert texts(counted)[:2] == ["one", "two"]
    assert '"Get the current weather in a given location"' in texts(counted)[3]
    assert '"three"' in texts(counted)[4]
    assert texts(counted)[5] == '{"x":"four"}'
    assert unseen(counted) == []


def test_what_is_not_rendered_is_not_counted() -> None:
    counted = prompt(
        metadata={"user_id": "u"},
        stop_sequences=["x"],
        tool_choice={"type": "auto"},
        cache_control={"type": "ephemeral"},
        thinking={"type": "adaptive"},
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
        thread={"type": "create"},
    )
    assert counted == prompt()


@pytest.mark.parametrize(
    ("block", "counted"),
    [
        ({"type": "text", "text": "a", "citations": [{"cited_text": "b"}]}, ["a", "b"]),
        ({"type": "tool_use", "id": "i", "name": "n", "input": {"k": "v"}}, ["i", "n", "k", "v"]),
        ({"type": "mcp_tool_use", "id": "i", "name": "n", "server_name": "s", "input": {}}, ["s"]),
        ({"type": "tool_result", "tool_use_id": "i", "content": "found"}, ["i", "found"]),
        (
            {
                "type": "tool_result",
                "tool_use_id": "i",
                "content": [{"type": "text", "text": "found"}],
            },
            ["i", "found"],
        ),
        (
            {
                "type": "search_result",
                "source": "s",
                "title": "t",
                "content": [{"type": "text", "text": "found"}],
            },
            ["s", "t", "found"],
        ),
        (
            {
                "type": "document",
                "title": "t",
                "context": "c",
                "source": {"type": "text", "media_type": "text/plain", "data": "found"},
            },
            ["t", "c", "found"],
        ),
        (
            {
                "type": "document",
                "source": {"type": "content", "content": [{"type": "text", "text": "found"}]},
            },
            ["found"],
        ),
        ({"type": "thinking", "thinking": "hm", "signature": "RXFRQg=="}, ["hm"]),
        ({"type": "compaction", "content": "so far"}, ["so far"]),
        (
            {"type": "web_search_tool_result", "content": [{"encrypted_content": "EqgfC"}]},
            ["EqgfC"],
        ),
        (
            {
                "type": "web_fetch_tool_result",
                "content": {
                    "type": "web_fetch_result",
                    "content": {"source": {"type": "text", "data": "page"}},
                },
            },
            ["page"],
        ),
        ({"type": "bash_code_execution_tool_result", "content": {"stdout": "out"}}, ["out"]),
    ],
)
def test_a_block_is_all_of_its_text(block: dict[str, Any], counted: list[str]) -> None:
    """Bounded by its bytes alone, each part is found in what is counted."""
    found = said(block)
    assert unseen(found) == []
    everything = "\n".join(texts(found))
    assert all(text in everything for text in counted)


@pytest.mark.parametrize(
    ("block", "sealed_bytes"),
    [
        ({"type": "thinking", "thinking": "", "signature": "A" * 400}, 300),
        ({"type": "redacted_thinking", "data": "A" * 400}, 300),
        ({"type": "compaction", "content": None, "encrypted_content": "A" * 400}, 300),
    ],
)
def test_a_thought_that_is_not_shown_is_in_what_is_sealed(
    block: dict[str, Any], sealed_bytes: int
) -> None:
    parts = said(block).parts
    assert [part for part in parts if isinstance(part, Sealed)] == [Sealed(sealed_bytes)]


@pytest.mark.parametrize(
    ("source", "image"),
    [
        (PNG_SOURCE, Image(1092, 1092)),
        (PNG_SOURCE | {"data": "AAAA"}, Image(None, None)),
        ({"type": "url", "url": "https://example.com/a.png"}, Image(None, None)),
        ({"type": "file", "file_id": "file_1"}, Image(None, None)),
        (None, Image(None, None)),
    ],
)
def test_an_image_has_its_size_or_counts_as_the_largest(source: object, image: Image) -> None:
    within = {"type": "tool_result", "content": [{"type": "image", "source": source}]}
    for block in ({"type": "image", "source": source}, within):
        counted = said(block)
        assert [part for part in counted.parts if isinstance(part, Image)] == [image]
        assert bound(counted).image_tokens == (1_591 if image.width else 1_641)


def test_a_tool_that_is_found_again_is_rendered_again() -> None:
    deferred = WEATHER_TOOL | {"defer_loading": True}
    reference = {"type": "tool_reference", "tool_name": "get_weather"}
    result = {"type": "tool_result", "tool_use_id": "i", "content": [reference]}
    counted = prompt(messages=[{"role": "user", "content": [result, result]}], tools=[deferred])
    assert "\n".join(texts(counted)).count("Get the current weather") == 3


@pytest.mark.parametrize(
    "block",
    [
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        {"type": "container_upload", "file_id": "file_1"},
        {"type": "of_the_future", "text": "x"},
        {"type": 7},
        {
            "type": "web_fetch_tool_result",
            "content": {"type": "web_fetch_result", "content": {"source": {"type": "base64"}}},
        },
    ],
)
def test_what_only_the_provider_sees_is_bounded_by_the_window(block: dict[str, Any]) -> None:
    assert len(unseen(said(block))) == 1


def test_a_document_can_unpack_to_any_size() -> None:
    source = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}
    assert said({"type": "document", "source": source}).parts == (File("document", 6),)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"tools": [SEARCH_TOOL]}, "web_search"),
        ({"tools": [{"type": "computer_toolset_20260801"}]}, "computer_toolset"),
        ({"thread": {"type": "continue", "previous_message_id": "m"}}, "a conversation"),
        ({"container": "container_1"}, "a container"),
        ({"mcp_servers": [{"type": "url", "name": "x", "url": "https://x"}]}, "mcp_toolset"),
    ],
)
def test_what_a_call_refers_to_is_unseen(fields: dict[str, Any], what: str) -> None:
    assert [found for found in unseen(prompt(**fields)) if found.startswith(what)]


def test_each_round_of_a_loop_of_the_provider_may_read_a_whole_window() -> None:
    counted = prompt(tools=[SEARCH_TOOL])
    assert counted.rounds == 11
    found = count_prompt(counted, profile_of("gpt-4o"), loaded_tokenizers())
    assert (found.bound_class, found.total_tokens) == (BoundClass.WINDOW, 11 * 128_000)


def test_a_tool_that_the_caller_runs_has_room_for_a_definition_that_nobody_sees() -> None:
    bash = {"type": "bash_20250124", "name": "bash"}
    custom = {"name": "bash", "input_schema": {}}
    extra = bound(prompt(tools=[bash])).text_tokens - bound(prompt(tools=[custom])).text_tokens
    assert extra >= 735 + 499
    assert prompt(tools=[bash]).rounds == 1


@pytest.mark.parametrize("name", ["bash", "web_search", "browser_toolset"])
def test_a_tool_of_the_callers_own_is_what_it_says_whatever_its_name(name: str) -> None:
    counted = prompt(tools=[{"name": name, "input_schema": {}}])
    assert (unseen(counted), counted.rounds) == ([], 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"fallbacks": "default"},
        {"fallbacks": [{"model": "claude-sonnet-5"}]},
        {"compaction": {"type": "summarize"}},
        {"context_management": {"edits": [{"type": "compact_20260112"}]}},
        {"context_management": {"edits": [7]}},
        {"tools": [{"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-5-5"}]},
        {"tools": [{"type": "code_execution_20260521", "name": "code_execution"}]},
        {"tools": [{"type": "code_execution_20250522"}, SEARCH_TOOL]},
    ],
)
def test_what_no_price_or_no_report_covers_has_no_bound(fields: dict[str, Any]) -> None:
    counted = prompt(**fields)
    assert len(unbounded(counted)) == 1
    assert bound(counted).bound_class is BoundClass.NONE


def test_code_execution_is_free_beside_the_web_tools_that_need_it() -> None:
    search = {"type": "web_search_20260209", "name": "web_search"}
    assert unbounded(prompt(tools=[search, {"type": "code_execution_20260120"}])) == []


_text = st.text(max_size=30)


@given(_text, _text, _text, _text)
def test_no_text_of_a_call_is_left_out(system: str, user: str, result: str, tool: str) -> None:
    counted = prompt(
        system=system,
        messages=[
            {"role": "user", "content": user},
            {"role": "assistant", "content": [{"type": "text", "text": tool}]},
            {"role": "user", "content": [{"type": "tool_result", "content": result}]},
        ],
    )
    assert sorted(texts(counted)) == sorted([system, user, tool, result])
