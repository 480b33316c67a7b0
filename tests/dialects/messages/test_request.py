"""What is read of a call, and everything that is refused with a clear word."""

import json
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.dialect import Request, Tool, ToolKind
from proxy.dialects.messages.request import read_request
from proxy.domain.errors import Reason, Refused
from tests.dialects.messages.examples import QUESTION, SEARCH_TOOL, WEATHER_TOOL, body, encoded

_LIMIT = "max_tokens must be a whole number of at least 0."
_NAME = "must be a non-empty string"
_CACHED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
_CACHED_1H = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
_IMAGE = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}


def test_a_plain_call_writes_no_cache_and_makes_one_round() -> None:
    text = encoded(QUESTION)
    request = read_request(text)
    assert request.body is text
    assert request == Request(
        body=text,
        fields=QUESTION,
        model="claude-opus-4-5",
        max_output_tokens=1024,
        limit_field="max_tokens",
        caches=False,
    )


def test_everything_that_money_depends_on_is_read() -> None:
    request = read_request(
        body(
            messages=[{"role": "user", "content": [_CACHED_1H, _IMAGE]}],
            stream=True,
            tools=[WEATHER_TOOL],
            tool_choice={"type": "tool", "name": "get_weather"},
            thinking={"type": "enabled", "budget_tokens": 1023},
            output_config={"effort": "low", "format": {"type": "json_schema", "schema": {}}},
            speed="fast",
            inference_geo="us",
        )
    )
    assert (request.stream, request.asks_usage, request.n) == (True, True, 1)
    assert request.tools == (Tool("get_weather", ToolKind.CUSTOM),)
    assert request.forced_tool == "get_weather"
    assert (request.has_images, request.wants_json_schema) == (True, True)
    assert (request.caches, request.caches_long) == (True, True)
    assert (request.service_tier, request.reasoning_effort) == ("fast", "low")
    assert (request.surcharge, request.thinking_tokens) == (Fraction(11, 10), 1024)


_TOOL_RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [_CACHED_1H]}


@pytest.mark.parametrize(
    ("fields", "caches", "caches_long"),
    [
        ({"system": [_CACHED]}, True, False),
        ({"cache_control": {"type": "ephemeral", "ttl": "5m"}}, True, False),
        ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, True, True),
        ({"cache_control": {"type": "ephemeral", "ttl": "1d"}}, True, True),
        ({"tools": [WEATHER_TOOL | {"cache_control": {"type": "ephemeral"}}]}, True, False),
        ({"messages": [{"role": "user", "content": [_TOOL_RESULT]}]}, True, True),
        ({"system": [_CACHED, _CACHED_1H]}, True, True),
        ({"cache_control": None}, False, False),
        ({"system": 'in a text "cache_control" means nothing'}, False, False),
    ],
)
def test_a_cache_may_be_asked_for_anywhere(
    fields: dict[str, Any], caches: bool, caches_long: bool
) -> None:
    request = read_request(body(**fields))
    assert (request.caches, request.caches_long) == (caches, caches_long)


def test_an_escaped_name_asks_for_a_cache_all_the_same() -> None:
    text = body(system=[_CACHED]).replace(b"cache_control", b"cache\\u005fcontrol")
    assert read_request(text).caches


@pytest.mark.parametrize(
    ("definition", "name", "kind", "loops"),
    [
        (WEATHER_TOOL, "get_weather", ToolKind.CUSTOM, False),
        (WEATHER_TOOL | {"type": "custom"}, "get_weather", ToolKind.CUSTOM, False),
        (SEARCH_TOOL, "web_search", ToolKind.BUILT_IN, True),
        ({"type": "web_fetch_20260318", "name": "web_fetch"}, "web_fetch", ToolKind.BUILT_IN, True),
        ({"type": "code_execution_20260521"}, "code_execution", ToolKind.BUILT_IN, True),
        ({"type": "tool_search_tool_bm25_20251119"}, "tool_search_tool_bm25", "built_in", True),
        ({"type": "mcp_toolset", "mcp_server_name": "x"}, "mcp_toolset", ToolKind.BUILT_IN, True),
        ({"type": "of_the_future_20300101"}, "of_the_future", ToolKind.BUILT_IN, True),
        ({"type": "bash_20250124", "name": "bash"}, "bash", ToolKind.BUILT_IN, False),
        (
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            "text_editor",
            ToolKind.BUILT_IN,
            False,
        ),
        ({"type": "computer_20251124", "name": "computer"}, "computer", "built_in", False),
        ({"type": "memory_20250818", "name": "memory"}, "memory", ToolKind.BUILT_IN, False),
        ({"type": "browser_toolset_20260801"}, "browser_toolset", ToolKind.BUILT_IN, False),
    ],
)
def test_caps_know_a_tool_by_its_name_or_its_type_without_the_date(
    definition: dict[str, Any], name: str, kind: ToolKind, loops: bool
) -> None:
    request = read_request(body(tools=[definition]))
    assert [(tool.name, tool.kind) for tool in request.tools] == [(name, ToolKind(kind))]
    assert request.n == (11 if loops else 1)


def test_a_built_in_tool_is_forced_by_the_name_that_caps_know() -> None:
    editor = {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"}
    choice = {"type": "tool", "name": "str_replace_based_edit_tool"}
    assert read_request(body(tools=[editor], tool_choice=choice)).forced_tool == "text_editor"


def test_a_server_of_tools_that_no_toolset_names_is_one_too() -> None:
    request = read_request(body(mcp_servers=[{"type": "url", "name": "x", "url": "https://x"}]))
    assert (request.tools, request.n) == ((Tool("mcp_toolset", ToolKind.BUILT_IN),), 11)


@pytest.mark.parametrize(
    ("tools", "searches", "needs_limit"),
    [
        ([SEARCH_TOOL], {"web_search": 5}, None),
        ([{"type": "web_search_20260318", "name": "web_search"}], {"web_search": 4}, 4),
        ([SEARCH_TOOL | {"max_uses": None}], {"web_search": 4}, 4),
        ([WEATHER_TOOL], {}, None),
    ],
)
def test_each_search_has_a_fee_and_a_limit_is_given_where_there_is_none(
    tools: list[dict[str, Any]], searches: dict[str, int], needs_limit: int | None
) -> None:
    request = read_request(body(tools=tools))
    assert request.paid_tool_calls == searches
    assert request.needs_tool_limit == needs_limit


def test_a_limit_of_zero_fills_a_cache_and_answers_nothing() -> None:
    request = read_request(body(max_tokens=0))
    assert (request.generates, request.max_output_tokens) == (False, 0)


@pytest.mark.parametrize("place", [None, "global"])
def test_a_call_that_may_be_served_anywhere_costs_no_more(place: str | None) -> None:
    assert read_request(body(inference_geo=place)).surcharge == 1


@pytest.mark.parametrize("kind", ["adaptive", "between_tools"])
def test_thought_without_a_budget_takes_of_the_limit_too(kind: str) -> None:
    assert read_request(body(thinking={"type": kind})).thinking_tokens == 1024
    assert read_request(body(thinking={"type": "disabled"})).thinking_tokens == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": 1}, "model must be a string of 1 to 256 printable characters."),
        ({"max_tokens": None}, _LIMIT),
        ({"max_tokens": -1}, _LIMIT),
        ({"max_tokens": True}, _LIMIT),
        ({"max_tokens": 1.0}, _LIMIT),
        ({"max_tokens": 2**63}, _LIMIT),
        ({"messages": []}, "messages must be an array of at least one message."),
        ({"messages": "x"}, "messages must be an array of at least one message."),
        ({"messages": ["x"]}, "messages[0] must be an object."),
        ({"system": {}}, "system must be a string or an array of blocks."),
        ({"stream": 1}, "stream must be true or false."),
        ({"tools": {}}, "tools must be an array."),
        ({"tools": [1]}, "tools[0] must be an object."),
        ({"tools": [{"name": ""}]}, f"tools[0].name {_NAME}."),
        ({"tools": [{"type": "custom"}]}, f"tools[0].name {_NAME}."),
        ({"tools": [{"type": 1}]}, f"tools[0].type {_NAME}."),
        (
            {"tools": [SEARCH_TOOL | {"max_uses": 0}]},
            "tools[0].max_uses must be a whole number from 1 to 1000.",
        ),
        ({"tool_choice": "auto"}, "tool_choice must be an object."),
        ({"tool_choice": {"type": "tool"}}, f"tool_choice.name {_NAME}."),
        ({"mcp_servers": {}}, "mcp_servers must be an array."),
        ({"thinking": True}, "thinking must be an object."),
        (
            {"thinking": {"type": "enabled", "budget_tokens": "1"}},
            "thinking.budget_tokens must be a whole number of at least 1.",
        ),
        ({"output_config": []}, "output_config must be an object."),
        ({"speed": 1}, "speed must be a string."),
        ({"service_tier": 1}, "service_tier must be a string."),
        ({"inference_geo": 1}, "inference_geo must be a string."),
    ],
)
def test_what_cannot_be_priced_is_refused_with_the_field_and_what_it_accepts(
    fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(Refused) as refusal:
        read_request(body(**fields))
    assert refusal.value.reason is Reason.INVALID_REQUEST
    assert str(refusal.value) == message


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_fields = st.sampled_from(
    [
        *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking"),
        *("stream", "output_config", "context_management", "mcp_servers", "cache_control"),
        *("thread", "container", "fallbacks", "inference_geo", "speed", "output_format"),
    ]
)


@given(st.dictionaries(_fields, _json))
def test_any_body_is_read_or_refused_and_nothing_of_it_is_quoted(fields: dict[str, Any]) -> None:
    secret = "s3cr3t-prompt"
    text = json.dumps(QUESTION | {"metadata": secret} | fields).encode()
    refusal: Refused | None = None
    try:
        read_request(text)
    except Refused as refused:
        refusal = refused
    assert refusal is None or refusal.reason is Reason.INVALID_REQUEST
    assert secret not in str(refusal)
