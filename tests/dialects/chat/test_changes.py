"""Another body for the same call, with every byte kept that need not change."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.chat.changes import apply
from proxy.dialects.chat.request import LimitField, read_request
from proxy.dialects.dialect import Changes
from proxy.domain.errors import Reason, Refused
from tests.dialects.examples import QUESTION, WEATHER_TOOL, body, encoded

_CUSTOM = {"type": "custom", "custom": {"name": "code_exec"}}
_SEARCH = {"type": "web_search_2025_08_26"}


def _changed(text: bytes, **changes: Any) -> Any:
    return json.loads(apply(read_request(text), Changes(**changes)))


def _dropping(*names: str, **fields: Any) -> Any:
    return _changed(body(**fields), drop_tools=frozenset(names))


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, Changes()),
        ({"stream": True}, Changes()),
        ({}, Changes(model="gpt-4.1")),
        ({"max_tokens": 5}, Changes(max_output_tokens=5)),
        ({"max_tokens": 5}, Changes(max_output_tokens=5, limit_field="max_tokens")),
        ({"stream": True, "stream_options": {"include_usage": True}}, Changes(include_usage=True)),
        ({}, Changes(include_usage=True)),
        ({"tools": [WEATHER_TOOL]}, Changes(drop_tools=frozenset({"another"}))),
        ({"tools": [WEATHER_TOOL]}, Changes(drop_tools=frozenset({"function"}))),
        ({}, Changes(limit_field="max_tokens")),
    ],
)
def test_a_call_that_needs_no_change_keeps_its_very_bytes(
    fields: dict[str, Any], changes: Changes
) -> None:
    request = read_request(body(**fields))
    assert apply(request, changes) is request.body


def test_every_change_at_once() -> None:
    text = (
        b'{"model": "gpt-4o", "messages" : [ {"role":"user","content":"\\u0041 \\"model\\": 1"} ],'
        b' "max_tokens":9000,"temperature":0.10,"seed":123456789012345678901234567890,'
        b'"stream":true, "stream_options":{"include_obfuscation": false},"odd":1e400}'
    )
    changes = Changes(
        model="gpt-4o-mini",
        max_output_tokens=256,
        limit_field="max_completion_tokens",
        include_usage=True,
    )
    assert apply(read_request(text), changes) == (
        b'{"model":"gpt-4o-mini","messages":[ {"role":"user","content":"\\u0041 \\"model\\": 1"} ],'
        b'"temperature":0.10,"seed":123456789012345678901234567890,"stream":true,'
        b'"stream_options":{"include_obfuscation":false,"include_usage":true},"odd":1e400,'
        b'"max_completion_tokens":256}'
    )


@pytest.mark.parametrize(
    ("asked", "field", "written"),
    [
        ({}, None, {"max_completion_tokens": 7}),
        ({}, "max_tokens", {"max_tokens": 7}),
        ({"max_tokens": 9}, None, {"max_tokens": 7}),
        ({"max_completion_tokens": 9}, None, {"max_completion_tokens": 7}),
        ({"max_tokens": 9}, "max_completion_tokens", {"max_completion_tokens": 7}),
        ({"max_tokens": 7}, "max_completion_tokens", {"max_completion_tokens": 7}),
        ({"max_completion_tokens": 9}, "max_tokens", {"max_tokens": 7}),
    ],
)
def test_the_limit_stands_in_one_field(
    asked: dict[str, int], field: LimitField | None, written: dict[str, int]
) -> None:
    changed = _changed(body(**asked), max_output_tokens=7, limit_field=field)
    limits = {k: v for k, v in changed.items() if k in ("max_tokens", "max_completion_tokens")}
    assert limits == written


@pytest.mark.parametrize(
    ("options", "written"),
    [
        (None, {"include_usage": True}),
        ({}, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_obfuscation": True}, {"include_obfuscation": True, "include_usage": True}),
    ],
)
def test_usage_is_asked_for_beside_what_the_caller_asks(
    options: dict[str, bool] | None, written: dict[str, bool]
) -> None:
    changed = _changed(body(stream=True, stream_options=options), include_usage=True)
    assert changed["stream_options"] == written
    assert _changed(body(stream=True), include_usage=True)["stream_options"] == {
        "include_usage": True
    }


def test_a_dropped_tool_leaves_the_others_as_they_were() -> None:
    text = encoded(QUESTION)[:-1] + (
        b',"tools":[{"type":"custom" , "custom":{"name":"code_exec"}}, '
        b'{"type":"web_search_2025_08_26"},{"function":{"name":"f","x":1.0}}],'
        b'"tool_choice":"required","parallel_tool_calls":true}'
    )
    edited = apply(read_request(text), Changes(drop_tools=frozenset({"web_search"})))
    assert (
        b'"tools":[{"type":"custom" , "custom":{"name":"code_exec"}},'
        b'{"function":{"name":"f","x":1.0}}],"tool_choice":"required","parallel_tool_calls":true}'
    ) in edited


def test_with_the_last_tool_goes_all_that_is_about_tools() -> None:
    changed = _dropping(
        "get_current_weather",
        "code_exec",
        "unknown",
        tools=[WEATHER_TOOL, _CUSTOM],
        tool_choice="auto",
        parallel_tool_calls=False,
    )
    assert changed == QUESTION


def test_with_the_last_old_function_goes_its_choice() -> None:
    changed = _dropping("a", functions=[{"name": "a"}], function_call="auto", tools=[_CUSTOM])
    assert changed == QUESTION | {"tools": [_CUSTOM]}
    assert _dropping("a", functions=[{"name": "a"}, {"name": "b"}], function_call="auto") == (
        QUESTION | {"functions": [{"name": "b"}], "function_call": "auto"}
    )


def test_web_search_leaves_with_its_options() -> None:
    assert _dropping("web_search", web_search_options={"search_context_size": "low"}) == QUESTION
    assert _dropping("web_search", web_search_options={}, tools=[_SEARCH, _CUSTOM]) == (
        QUESTION | {"tools": [_CUSTOM]}
    )


def test_a_swap_of_the_model_takes_web_search_out_of_it() -> None:
    changes = {"drop_tools": frozenset({"web_search"}), "model": "gpt-4.1"}
    assert _changed(body(model="gpt-4o-search-preview"), **changes) == QUESTION


@pytest.mark.parametrize(
    ("fields", "dropped", "param"),
    [
        (
            {
                "tools": [WEATHER_TOOL, _CUSTOM],
                "tool_choice": {"type": "function", "function": {"name": "get_current_weather"}},
            },
            "get_current_weather",
            "tool_choice",
        ),
        ({"tools": [_SEARCH], "tool_choice": _SEARCH}, "web_search", "tool_choice"),
        ({"functions": [{"name": "f"}], "function_call": {"name": "f"}}, "f", "tool_choice"),
        ({"model": "gpt-4o-search-preview"}, "web_search", "model"),
        (
            {
                "tools": [_CUSTOM, WEATHER_TOOL],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": [_CUSTOM]},
                },
            },
            "code_exec",
            "tool_choice",
        ),
    ],
)
def test_a_tool_that_the_call_cannot_do_without_is_a_refusal(
    fields: dict[str, Any], dropped: str, param: str
) -> None:
    with pytest.raises(Refused) as refusal:
        _dropping(dropped, **fields)
    assert refusal.value.reason is Reason.TOOL_DENIED
    assert refusal.value.param == param


def test_a_dropped_tool_is_no_longer_allowed_either() -> None:
    def choosing(mode: str, *tools: Any) -> dict[str, Any]:
        return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": list(tools)}}

    tools = [_CUSTOM, WEATHER_TOOL]
    short = {"type": "function", "function": {"name": "get_current_weather"}}
    changed = _dropping("code_exec", tools=tools, tool_choice=choosing("required", _CUSTOM, short))
    assert changed["tool_choice"] == choosing("required", short)
    changed = _dropping("code_exec", tools=tools, tool_choice=choosing("auto", _CUSTOM))
    assert changed["tool_choice"] == "none"
    changed = _dropping("code_exec", tools=tools, tool_choice=choosing("auto", short))
    assert changed["tool_choice"] == choosing("auto", short)
    changed = _dropping("code_exec", tools=[_CUSTOM], tool_choice=choosing("auto", _CUSTOM))
    assert changed == QUESTION


@pytest.mark.parametrize("allowed", [None, [], {"tools": None}, {"mode": "auto"}])
def test_a_choice_that_the_upstream_will_refuse_is_left_to_it(allowed: object) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    changed = _dropping("code_exec", tools=[_CUSTOM, WEATHER_TOOL], tool_choice=choice)
    assert changed["tool_choice"] == choice
    assert changed["tools"] == [WEATHER_TOOL]


_TEXTS = st.text() | st.sampled_from(
    [
        '"max_tokens": 1',
        '\\"model\\":',
        '{"model":"gpt-4","max_tokens":1}',
        "}\\",
        '"stream_options"',
    ]
)
_NUMBERS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,30})(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,4})?", fullmatch=True
)


@given(
    texts=st.lists(_TEXTS, min_size=1, max_size=3),
    number=_NUMBERS,
    indent=st.sampled_from([None, 0, 3]),
    escapes=st.booleans(),
)
def test_an_edit_changes_what_it_says_and_no_more(
    texts: list[str], number: str, indent: int | None, escapes: bool
) -> None:
    fields = body(
        messages=[{"role": "user", "content": text} for text in texts],
        metadata={text: text for text in texts},
        max_tokens=9,
        stream=True,
    )
    written = json.dumps(json.loads(fields), indent=indent, ensure_ascii=escapes).encode()
    text = written.rstrip(b"}\n ") + b',"seed":' + number.encode() + b"}"
    before = _literal(text)
    changes = Changes(model="other", max_output_tokens=4, include_usage=True)
    after = _literal(apply(read_request(text), changes))
    edited = {"model": "other", "max_tokens": "4", "stream_options": {"include_usage": True}}
    assert after == before | edited


def _literal(text: bytes) -> Any:
    """The JSON with its numbers as they are spelled."""
    return json.loads(text, parse_int=str, parse_float=str, parse_constant=str)
