"""Another body for the same call, with every byte kept that need not change."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.dialect import Changes
from proxy.dialects.responses.changes import apply
from proxy.dialects.responses.request import read_request
from proxy.domain.errors import Reason, Refused
from tests.dialects.responses.examples import STORY, WEATHER_TOOL, body

_CUSTOM = {"type": "custom", "name": "sql"}
_SEARCH = {"type": "web_search_2025_08_26"}
_MCP = {"type": "mcp", "server_label": "wiki"}


def _dropping(*names: str, **fields: Any) -> Any:
    return json.loads(apply(read_request(body(**fields)), Changes(drop_tools=frozenset(names))))


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, Changes()),
        ({"stream": True}, Changes(include_usage=True)),
        ({}, Changes(model="gpt-4.1")),
        ({"max_output_tokens": 16}, Changes(max_output_tokens=16)),
        ({"max_output_tokens": 16}, Changes(limit_field="max_output_tokens")),
        ({"tools": [WEATHER_TOOL]}, Changes(drop_tools=frozenset({"function", "another"}))),
    ],
)
def test_a_call_that_needs_no_change_keeps_its_very_bytes(
    fields: dict[str, Any], changes: Changes
) -> None:
    request = read_request(body(**fields))
    assert apply(request, changes) is request.body


def test_every_change_at_once() -> None:
    text = (
        b'{"model": "gpt-5", "input" : [ {"role":"user","content":"\\u0041 \\"model\\": 1"} ],'
        b' "max_output_tokens":9000,"temperature":0.10,"seed":123456789012345678901234567890,'
        b'"tools":[ {"type":"web_search", "odd": 1.0}, {"type":"custom","name":"sql"} ]}'
    )
    changes = Changes(
        model="gpt-5-mini",
        max_output_tokens=256,
        limit_field="max_output_tokens",
        drop_tools=frozenset({"sql"}),
        max_tool_calls=4,
    )
    assert apply(read_request(text), changes) == (
        b'{"model":"gpt-5-mini","input":[ {"role":"user","content":"\\u0041 \\"model\\": 1"} ],'
        b'"max_output_tokens":256,"temperature":0.10,"seed":123456789012345678901234567890,'
        b'"tools":[{"type":"web_search", "odd": 1.0}],"max_tool_calls":4}'
    )


def test_a_limit_goes_into_the_field_of_this_api() -> None:
    changed = json.loads(apply(read_request(body()), Changes(max_output_tokens=64)))
    assert changed == STORY | {"max_output_tokens": 64}


def test_a_built_in_tool_goes_by_its_type_without_the_date() -> None:
    assert _dropping("web_search", tools=[WEATHER_TOOL, _SEARCH])["tools"] == [WEATHER_TOOL]
    assert _dropping("mcp", tools=[_MCP, _CUSTOM])["tools"] == [_CUSTOM]


def test_with_the_last_tool_goes_what_is_said_about_tools() -> None:
    fields = {"tool_choice": "auto", "parallel_tool_calls": True}
    assert _dropping("web_search", tools=[_SEARCH], **fields) == STORY


def test_a_namespace_stays_with_the_tools_that_stay() -> None:
    space = {"type": "namespace", "name": "crm", "description": "d", "tools": [WEATHER_TOOL]}
    both = space | {"tools": [WEATHER_TOOL, _CUSTOM]}
    assert _dropping("sql", tools=[both])["tools"] == [space]
    assert _dropping("get_current_weather", tools=[space, _CUSTOM])["tools"] == [_CUSTOM]
    assert _dropping("web_search", tools=[both, _SEARCH])["tools"] == [both]


@pytest.mark.parametrize(
    ("choice", "left"),
    [
        ({"mode": "auto", "tools": [_CUSTOM, _MCP]}, [_MCP]),
        ({"mode": "required", "tools": [_CUSTOM, _MCP]}, [_MCP]),
        ({"mode": "auto", "tools": [_MCP]}, [_MCP]),
    ],
)
def test_a_choice_lists_no_tool_that_is_gone(choice: dict[str, Any], left: list[Any]) -> None:
    choice = {"type": "allowed_tools"} | choice
    changed = _dropping("sql", tools=[_CUSTOM, _MCP], tool_choice=choice)
    assert changed["tool_choice"] == choice | {"tools": left}


def test_a_choice_of_none_that_is_left_is_none() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [_CUSTOM]}
    assert _dropping("sql", tools=[_CUSTOM, _MCP], tool_choice=choice)["tool_choice"] == "none"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": {"type": "custom", "name": "sql"}}, "tool_choice"),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [_CUSTOM]}},
            "tool_choice",
        ),
        ({"input": [{"type": "additional_tools", "tools": [_CUSTOM]}]}, "input"),
        ({"input": [{"type": "tool_search_output", "tools": [_CUSTOM]}]}, "input"),
    ],
)
def test_what_the_call_cannot_do_without_is_denied(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as refused:
        _dropping("sql", tools=[_CUSTOM, _MCP], **fields)
    assert (refused.value.reason, refused.value.param) == (Reason.TOOL_DENIED, param)


_NAMES = ("sql", "get_current_weather", "web_search", "mcp")


@given(
    st.lists(st.sampled_from([_CUSTOM, WEATHER_TOOL, _SEARCH, _MCP]), max_size=5),
    st.frozensets(st.sampled_from(_NAMES)),
)
def test_dropped_tools_are_gone_and_all_others_are_there(
    tools: list[dict[str, Any]], dropped: frozenset[str]
) -> None:
    request = read_request(body(tools=tools))
    changed = read_request(apply(request, Changes(drop_tools=dropped)))
    assert changed.tools == tuple(tool for tool in request.tools if tool.name not in dropped)
