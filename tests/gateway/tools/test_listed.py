"""Which tools are listed, what is held for them, and what is charged."""

import json
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.answer import Answer
from proxy.dialects.chat import CHAT
from proxy.dialects.dialect import Tool, ToolKind
from proxy.domain.money import Unit
from proxy.domain.policy import ToolRule
from proxy.gateway.tools.listed import ListedTool, ListedTools, calls_in, charged_for, held_for

USD, POINTS = Unit.USD_MICROCENTS, Unit.RISK_POINTS
FUNCTION, BUILT_IN = ToolKind.FUNCTION, ToolKind.BUILT_IN
RULES = (
    ToolRule("delete_user", fee_microcents=7),
    ToolRule("delete_*", risk_points=5),
    ToolRule("web_search", fee_microcents=2, risk_points=1),
)


def tools(*names: str) -> list[Tool]:
    return [Tool(name, FUNCTION) for name in names]


def listed(*names: str) -> tuple[ListedTool, ...]:
    return ListedTools(RULES).among(tools(*names))


def answer(**calls: int) -> Answer:
    called = [{"function": {"name": name}} for name, times in calls.items() for _ in range(times)]
    choices = [{"message": {"tool_calls": called}}]
    return CHAT.read_answer(json.dumps({"choices": choices}).encode())


def test_the_first_entry_that_matches_is_about_a_tool() -> None:
    found = listed("read", "delete_user", "delete_row", "Delete_row")
    assert [(tool.name, tool.rule) for tool in found] == [
        ("delete_user", RULES[0]),
        ("delete_row", RULES[1]),
    ]


def test_without_a_list_nothing_is_looked_at() -> None:
    assert ListedTools().among(tools("delete_user")) == ()


def test_a_tool_that_is_offered_twice_is_held_for_once() -> None:
    assert held_for(listed("delete_row", "delete_row"), answers=1) == {POINTS: 5}


@pytest.mark.parametrize(
    ("names", "answers", "held"),
    [
        ((), 3, {}),
        (("read",), 3, {}),
        (("delete_user",), 3, {USD: 21}),
        (("delete_user", "delete_row", "web_search"), 2, {USD: 18, POINTS: 12}),
    ],
)
def test_one_call_of_each_in_each_answer_is_held(
    names: tuple[str, ...], answers: int, held: Mapping[Unit, int]
) -> None:
    assert held_for(listed(*names), answers=answers) == held


def test_calls_of_what_is_not_offered_are_not_charged() -> None:
    offered = listed("delete_row")
    calls = calls_in(offered, answer(delete_row=3, delete_user=1, read=2))
    assert calls == {"delete_row": 3}
    assert charged_for(offered, calls) == {POINTS: 15}


def test_no_answer_calls_nothing() -> None:
    assert calls_in(listed("delete_row"), None) == {}
    assert charged_for(listed("delete_row"), {}) == {}


def test_a_tool_is_known_by_what_answers_call_it() -> None:
    rules = ListedTools([ToolRule("text_editor", risk_points=1)])
    offered = rules.among([Tool("text_editor", BUILT_IN, called="edit"), Tool("edit", FUNCTION)])
    assert calls_in(offered, answer(edit=2)) == {"text_editor": 2}


def test_what_answers_never_tell_counts_once_in_each() -> None:
    offered = ListedTools(RULES).among([Tool("web_search", BUILT_IN, is_told=False)])
    body = json.dumps({"choices": [{"message": {}, "index": 0}, {"message": {}, "index": 1}]})
    assert calls_in(offered, CHAT.read_answer(body.encode())) == {"web_search": 2}


@given(st.lists(st.sampled_from(["delete_user", "delete_row", "web_search"]), unique=True))
def test_an_answer_that_calls_each_tool_once_is_charged_what_was_held(names: list[str]) -> None:
    offered = listed(*names)
    calls = calls_in(offered, answer(**dict.fromkeys(names, 1)))
    assert charged_for(offered, calls) == held_for(offered, answers=1)
