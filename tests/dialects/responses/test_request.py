"""What is read of a call, and everything that is refused with a clear word."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.dialect import Request, Tool, ToolKind
from proxy.dialects.responses.request import read_compaction, read_request
from proxy.domain.errors import Reason, Refused
from tests.dialects.responses.examples import (
    NAMES,
    STORY,
    VALUES,
    WEATHER,
    WEATHER_TOOL,
    body,
    encoded,
)

_WHOLE = "must be a whole number of at least 1"
_CALLS = "must be a whole number from 0 to 10000"
_NAME = "must be a non-empty string"
_SEARCH = {"type": "web_search"}
_IMAGE = {"type": "input_image", "image_url": "https://example.com/cat.png", "detail": "auto"}


def test_a_plain_call_has_the_defaults_of_the_api() -> None:
    text = encoded(STORY)
    request = read_request(text)
    assert request.body is text
    assert request == Request(body=text, fields=STORY, model="gpt-4.1")
    assert request.asks_usage, "a stream says its usage unasked"


def test_everything_that_money_depends_on_is_read() -> None:
    request = read_request(
        body(
            input=[{"role": "user", "content": [{"type": "input_text", "text": "x"}, _IMAGE]}],
            stream=True,
            max_output_tokens=77,
            max_tool_calls=3,
            tools=[WEATHER_TOOL, {"type": "file_search", "vector_store_ids": ["vs_1"]}],
            tool_choice={"type": "function", "name": "get_current_weather"},
            text={"format": {"type": "json_schema", "name": "x", "schema": {}}},
            reasoning={"effort": "low"},
            service_tier="flex",
            prompt_cache_retention="24h",
        )
    )
    assert (request.stream, request.n) == (True, 1)
    assert (request.max_output_tokens, request.limit_field) == (77, "max_output_tokens")
    assert request.tools == (
        Tool("get_current_weather", ToolKind.FUNCTION),
        Tool("file_search", ToolKind.BUILT_IN),
    )
    assert request.forced_tool == "get_current_weather"
    assert (request.paid_tool_calls, request.needs_tool_limit) == ({"file_search": 3}, None)
    assert (request.has_images, request.wants_json_schema) == (True, True)
    assert (request.service_tier, request.reasoning_effort) == ("flex", "low")
    assert request.caches_long


def test_null_is_as_good_as_absent() -> None:
    names = (
        *("stream", "max_output_tokens", "max_tool_calls", "tools", "tool_choice", "text"),
        *("reasoning", "service_tier", "background", "prompt_cache_options", "prompt"),
        *("previous_response_id", "conversation", "context_management", "instructions"),
    )
    with_nulls = read_request(body(**dict.fromkeys(names)))
    plain = read_request(body())
    for name in Request.__struct_fields__:
        if name not in ("body", "fields"):
            assert getattr(with_nulls, name) == getattr(plain, name), name


def test_input_may_come_from_what_the_provider_keeps() -> None:
    kept = read_request(encoded({"model": "gpt-4.1", "previous_response_id": "resp_1"}))
    assert kept.needs_tool_limit is None


@pytest.mark.parametrize(
    "tool",
    [
        *({"type": name} for name in ("web_search", "web_search_2025_08_26", "mcp")),
        *({"type": name} for name in ("file_search", "code_interpreter", "image_generation")),
        *({"type": name} for name in ("web_search_preview_2025_03_11", "tool_search")),
        {"type": "shell", "environment": {"type": "container_auto"}},
        {"type": "something_that_nobody_knows_yet"},
    ],
    ids=lambda tool: str(tool["type"]),
)
def test_a_loop_of_the_provider_without_a_limit_gets_one(tool: dict[str, Any]) -> None:
    request = read_request(body(tools=[WEATHER_TOOL, tool]))
    assert request.needs_tool_limit == 4
    assert set(request.paid_tool_calls.values()) <= {4}
    asked = read_request(body(tools=[tool], max_tool_calls=9))
    assert asked.needs_tool_limit is None
    assert set(asked.paid_tool_calls.values()) <= {9}


@pytest.mark.parametrize(
    "tool",
    [
        WEATHER_TOOL,
        {"type": "custom", "name": "sql"},
        *({"type": name} for name in ("local_shell", "apply_patch", "computer", "shell")),
        {"type": "computer_use_preview", "display_width": 1024},
        {"type": "shell", "environment": {"type": "local"}},
        {"type": "tool_search", "execution": "client"},
    ],
    ids=lambda tool: str(tool["type"]),
)
def test_what_the_caller_runs_makes_no_loop_and_has_no_fee(tool: dict[str, Any]) -> None:
    request = read_request(body(tools=[tool]))
    assert (request.needs_tool_limit, request.paid_tool_calls) == (None, {})


@pytest.mark.parametrize("name", ["mcp", "tool_search"])
def test_a_loop_may_cost_tokens_alone(name: str) -> None:
    assert read_request(body(tools=[{"type": name}])).paid_tool_calls == {}


@pytest.mark.parametrize("name", ["image_generation", "a_tool_of_tomorrow", "shell"])
def test_of_what_nobody_knows_a_fee_is_presumed(name: str) -> None:
    tool = {"type": name, "environment": {"type": "container_auto"}}
    assert read_request(body(tools=[tool])).paid_tool_calls == {name: 4}


def test_a_stored_prompt_may_bring_tools_of_its_own() -> None:
    request = read_request(body(prompt={"id": "pmpt_1"}))
    assert (request.needs_tool_limit, request.paid_tool_calls) == (4, {"web_search": 4})


def test_no_call_of_a_tool_may_be_asked_for() -> None:
    request = read_request(body(tools=[_SEARCH], max_tool_calls=0))
    assert (request.needs_tool_limit, request.paid_tool_calls) == (None, {"web_search": 0})


def test_tools_are_found_wherever_they_come_from() -> None:
    more = {"type": "additional_tools", "role": "developer", "tools": [_SEARCH]}
    found = {"type": "tool_search_output", "tools": [{"type": "custom", "name": "late"}]}
    listed = {"type": "mcp_list_tools", "tools": [{"name": "not_one_of_ours"}]}
    space = {"type": "namespace", "name": "crm", "description": "d", "tools": [WEATHER_TOOL]}
    request = read_request(body(tools=[space], input=[more, found, listed]))
    assert [tool.name for tool in request.tools] == ["get_current_weather", "web_search", "late"]
    assert request.paid_tool_calls == {"web_search": 4}


@pytest.mark.parametrize(
    ("fields", "is_long"),
    [
        ({"prompt_cache_options": {"ttl": "30m", "mode": "explicit"}}, False),
        ({"prompt_cache_options": {"ttl": "12h"}}, True),
        ({"prompt_cache_retention": "in_memory"}, False),
        ({"prompt_cache_retention": "24h"}, True),
        ({"prompt_cache_key": "k"}, False),
    ],
)
def test_a_longer_cache_is_noticed(fields: dict[str, Any], is_long: bool) -> None:
    assert read_request(body(**fields)).caches_long is is_long


@pytest.mark.parametrize("holder", ["content", "output"])
@pytest.mark.parametrize(("ttl", "is_long"), [("12h", True), ("30m", False)])
def test_a_longer_cache_of_one_part_is_noticed(holder: str, ttl: str, is_long: bool) -> None:
    part = {"type": "input_text", "text": "x", "prompt_cache_breakpoint": {"ttl": ttl}}
    kind = {"content": "message", "output": "function_call_output"}[holder]
    assert read_request(body(input=[{"type": kind, holder: [part]}])).caches_long is is_long


@pytest.mark.parametrize(
    "item",
    [
        {"role": "user", "content": [_IMAGE]},
        {"type": "function_call_output", "call_id": "c", "output": [_IMAGE]},
        {"type": "computer_call_output", "output": {"type": "computer_screenshot"}},
    ],
)
def test_pictures_are_noticed_wherever_they_are(item: dict[str, Any]) -> None:
    assert read_request(body(input=[item])).has_images


def test_a_compaction_is_a_call_without_a_limit() -> None:
    request = read_compaction(body(input=[{"role": "user", "content": [_IMAGE]}]))
    assert (request.takes_limit, request.generates, request.stream) == (False, True, False)
    assert request.has_images


_WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"model": None}, "model", "must be a string of 1 to 256 printable characters"),
    ({"input": 4}, "input", "must be a string or an array of items"),
    ({"input": {}}, "input", "must be a string or an array of items"),
    ({"input": [{}, "secret"]}, "input[1]", "must be an object"),
    *[
        ({"max_output_tokens": value}, "max_output_tokens", _WHOLE)
        for value in ("12", -1, 0, True, 1.5, [12], 2**63)
    ],
    *[
        ({"max_tool_calls": value}, "max_tool_calls", _CALLS)
        for value in ("1", -1, True, 1.5, 10_001, 10**9)
    ],
    ({"stream": "true"}, "stream", "must be true or false"),
    ({"background": 1}, "background", "must be true or false"),
    ({"text": "json"}, "text", "must be an object"),
    ({"text": {"format": "json"}}, "format", "must be an object"),
    ({"reasoning": "high"}, "reasoning", "must be an object"),
    ({"reasoning": {"effort": 3}}, "effort", "must be a string"),
    ({"service_tier": 1}, "service_tier", "must be a string"),
    ({"tools": {}}, "tools", "must be an array"),
    ({"tools": ["secret"]}, "tools[0]", "must be an object"),
    ({"tools": [{}]}, "tools[0].type", _NAME),
    ({"tools": [{"type": ["x"]}]}, "tools[0].type", _NAME),
    ({"tools": [{"type": "function"}]}, "tools[0].name", _NAME),
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools[0].name", _NAME),
    ({"tools": [{"type": "custom", "name": ""}]}, "tools[0].name", _NAME),
    ({"tools": [{"type": "namespace", "tools": [4]}]}, "tools[0].tools[0]", "must be an object"),
    (
        {"input": [{"type": "additional_tools", "tools": [{}]}]},
        "input[0].tools[0].type",
        _NAME,
    ),
    ({"tool_choice": 4}, "tool_choice", "must be a string or an object"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.name", _NAME),
]


@pytest.mark.parametrize(("fields", "param", "rule"), _WRONG)
def test_what_is_wrong_is_refused_by_name_and_nothing_is_quoted(
    fields: dict[str, Any], param: str, rule: str
) -> None:
    with pytest.raises(Refused) as refused:
        read_request(body(**fields))
    assert refused.value.reason is Reason.INVALID_REQUEST
    assert refused.value.param is not None
    assert refused.value.param.endswith(param)
    assert rule in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_response_in_the_background_is_refused_with_a_hint() -> None:
    with pytest.raises(Refused, match="not metered") as refused:
        read_request(body(background=True))
    assert (refused.value.reason, refused.value.param) == (Reason.INVALID_REQUEST, "background")
    assert not read_request(body(background=False)).stream


@given(st.dictionaries(NAMES, VALUES))
def test_whatever_comes_is_read_or_refused(fields: dict[str, Any]) -> None:
    for read in (read_request, read_compaction):
        try:
            request = read(body(**fields))
        except Refused as refused:
            found: object = refused.reason
        else:
            found = request.fields
        assert found in (Reason.INVALID_REQUEST, json.loads(body(**fields)))


def test_what_is_read_shows_no_prompt() -> None:
    assert "unicorn" not in repr(read_request(encoded(STORY)))
    assert read_request(encoded(WEATHER)).tools[0].name == "get_current_weather"
