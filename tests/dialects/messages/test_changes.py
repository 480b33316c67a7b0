"""Another body for the same call; what is not changed keeps its bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.dialect import Changes
from proxy.dialects.messages.changes import apply
from proxy.dialects.messages.request import read_request
from proxy.domain.errors import Reason, Refused
from tests.dialects.messages.examples import QUESTION, SEARCH_TOOL, WEATHER_TOOL, body

BASH = {"type": "bash_20250124", "name": "bash"}
UNLIMITED = {"type": "web_search_20260318", "name": "web_search"}
MCP_SERVERS = [{"type": "url", "name": "x", "url": "https://x"}]
TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "x"}


def changed(changes: Changes, **fields: Any) -> dict[str, Any]:
    """The body after the changes, decoded."""
    decoded: dict[str, Any] = json.loads(apply(read_request(body(**fields)), changes))
    return decoded


def dropping(*names: str) -> Changes:
    return Changes(drop_tools=frozenset(names))


@pytest.mark.parametrize(
    "changes",
    [
        Changes(),
        Changes(model="claude-opus-4-5", max_output_tokens=1024, limit_field="max_tokens"),
        Changes(drop_tools=frozenset({"nobody"}), include_usage=True, max_tool_calls=4),
    ],
)
def test_without_a_change_the_body_is_the_very_same(changes: Changes) -> None:
    request = read_request(body(tools=[SEARCH_TOOL, WEATHER_TOOL]))
    assert apply(request, changes) is request.body


def test_a_model_and_a_limit_are_written_and_nothing_else() -> None:
    text = b'{"x": 1.10, "model": "claude-opus-5", "max_tokens":9, "messages" : [{"a":"\\u00e9"}]}'
    changes = Changes(model="claude-haiku-4-5", max_output_tokens=7, limit_field="max_tokens")
    assert apply(read_request(text), changes) == (
        b'{"x":1.10,"model":"claude-haiku-4-5","max_tokens":7,"messages":[{"a":"\\u00e9"}]}'
    )


@pytest.mark.parametrize(
    ("asked", "budget", "limit", "thinking"),
    [
        # it fits as it is
        (32_000, 10_000, 10_001, {"type": "enabled", "budget_tokens": 10_000}),
        # it keeps its share, of which an answer has a quarter at least
        (32_000, 16_000, 10_000, {"type": "enabled", "budget_tokens": 5_000}),
        (32_000, 31_999, 10_000, {"type": "enabled", "budget_tokens": 7_500}),
        # and is never below what the API takes
        (32_000, 16_000, 1_280, {"type": "enabled", "budget_tokens": 1_024}),
        (32_000, 16_000, 1_025, {"type": "enabled", "budget_tokens": 1_024}),
        # where the least thought has no room there is none
        (32_000, 16_000, 1_024, {"type": "disabled"}),
        # thought between tools has a budget above the limit, by a header of the call
        (4_000, 16_000, 2_000, {"type": "enabled", "budget_tokens": 16_000}),
    ],
)
def test_a_limit_stays_above_the_budget_for_thought(
    asked: int, budget: int, limit: int, thinking: dict[str, Any]
) -> None:
    after = changed(
        Changes(max_output_tokens=limit),
        max_tokens=asked,
        thinking={"type": "enabled", "budget_tokens": budget},
    )
    assert (after["max_tokens"], after["thinking"]) == (limit, thinking)


@given(st.integers(2, 10**6), st.integers(1, 10**6), st.integers(1, 10**6))
def test_no_shorter_limit_makes_a_call_that_the_api_refuses(
    asked: int, budget: int, limit: int
) -> None:
    thinking = {"type": "enabled", "budget_tokens": budget, "display": "omitted"}
    after = changed(
        Changes(max_output_tokens=min(limit, asked)), max_tokens=asked, thinking=thinking
    )
    left = after["thinking"].get("budget_tokens")
    if 1_024 <= budget < asked:
        assert left is None or 1_024 <= left < after["max_tokens"]
        assert left is None or left <= budget
    if left is not None:
        assert after["thinking"]["display"] == "omitted"


@pytest.mark.parametrize("kind", ["adaptive", "disabled"])
def test_thought_without_a_budget_stays_as_it_is(kind: str) -> None:
    after = changed(Changes(max_output_tokens=300), thinking={"type": kind})
    assert (after["max_tokens"], after["thinking"]) == (300, {"type": kind})


def test_tools_go_by_the_names_that_caps_know() -> None:
    tools = [WEATHER_TOOL, BASH, SEARCH_TOOL]
    assert changed(dropping("bash", "web_search"), tools=tools)["tools"] == [WEATHER_TOOL]


def test_with_the_last_tool_the_choice_goes_too() -> None:
    after = changed(dropping("bash"), tools=[BASH], tool_choice={"type": "auto"})
    assert after == QUESTION


def test_with_the_toolset_its_servers_go_too() -> None:
    after = changed(dropping("mcp_toolset"), tools=[TOOLSET, WEATHER_TOOL], mcp_servers=MCP_SERVERS)
    assert after == QUESTION | {"tools": [WEATHER_TOOL]}
    assert changed(dropping("mcp_toolset"), mcp_servers=MCP_SERVERS) == QUESTION


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ([BASH, WEATHER_TOOL], {"type": "tool", "name": "bash"}),
        ([BASH], {"type": "any"}),
    ],
)
def test_a_tool_that_the_call_forces_is_not_taken_away_in_silence(
    tools: list[dict[str, Any]], choice: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as refusal:
        changed(dropping("bash"), tools=tools, tool_choice=choice)
    assert (refusal.value.reason, refusal.value.param) == (Reason.TOOL_DENIED, "tool_choice")


def test_a_search_without_a_limit_gets_one() -> None:
    tools = [WEATHER_TOOL, UNLIMITED, SEARCH_TOOL, BASH]
    limited = UNLIMITED | {"max_uses": 4}
    assert changed(Changes(max_tool_calls=9), tools=tools)["tools"] == [
        WEATHER_TOOL,
        limited,
        SEARCH_TOOL,
        BASH,
    ]
    both = Changes(max_tool_calls=9, drop_tools=frozenset({"bash"}))
    assert changed(both, tools=tools)["tools"] == [WEATHER_TOOL, limited, SEARCH_TOOL]


def test_a_search_that_is_dropped_needs_no_limit() -> None:
    both = Changes(max_tool_calls=4, drop_tools=frozenset({"web_search"}))
    assert changed(both, tools=[UNLIMITED, BASH])["tools"] == [BASH]
