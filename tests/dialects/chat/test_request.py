"""What is read of a call, and everything that is refused with a clear word."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.chat.request import read_request
from proxy.dialects.dialect import Request, Tool, ToolKind
from proxy.domain.errors import Reason, Refused
from tests.dialects.examples import QUESTION, TOOL_QUESTION, WEATHER_TOOL, body, encoded

_WHOLE = "must be a whole number of at least 1"
_MODEL = "must be a string of 1 to 256 printable characters"
_NAME = "must be a non-empty string"
_N = "must be a whole number from 1 to 128"
_FLAG = "must be true or false"
_LIMITS = ("max_tokens", "max_completion_tokens")
_NO_LIMITS: tuple[Any, ...] = ("12", -1, 0, True, False, 1.5, 12.0, [12], {}, 2**63, 10**400 - 1)
_NO_CHOICES: tuple[Any, ...] = (0, -1, 129, 10**9, "2", True, 1.0, [])


def _named(kind: str, name: Any) -> dict[str, Any]:
    return {"type": kind, kind: {"name": name}}


def test_a_plain_call_has_the_defaults_of_the_api() -> None:
    text = encoded(QUESTION)
    request = read_request(text)
    assert request.body is text
    assert request == Request(
        body=text,
        fields=QUESTION,
        model="gpt-4.1",
        stream=False,
        asks_usage=False,
        n=1,
        max_output_tokens=None,
        limit_field=None,
        tools=(),
        forced_tool=None,
        has_prediction=False,
        has_images=False,
        asks_audio=False,
        wants_json_schema=False,
        service_tier=None,
        reasoning_effort=None,
    )


def test_everything_that_money_depends_on_is_read() -> None:
    request = read_request(
        body(
            messages=[
                {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url"}]}
            ],
            stream=True,
            stream_options={"include_usage": True},
            n=3,
            max_completion_tokens=77,
            tools=[WEATHER_TOOL],
            tool_choice=_named("function", "get_current_weather"),
            prediction={"type": "content", "content": "x"},
            modalities=["text", "audio"],
            response_format={"type": "json_schema", "json_schema": {"name": "x"}},
            service_tier="flex",
            reasoning_effort="low",
        )
    )
    assert (request.stream, request.asks_usage, request.n) == (True, True, 3)
    assert (request.max_output_tokens, request.limit_field) == (77, "max_completion_tokens")
    assert request.tools == (Tool("get_current_weather", ToolKind.FUNCTION),)
    assert request.forced_tool == "get_current_weather"
    assert (request.has_prediction, request.has_images) == (True, True)
    assert (request.asks_audio, request.wants_json_schema) == (True, True)
    assert (request.service_tier, request.reasoning_effort) == ("flex", "low")


def test_null_is_as_good_as_absent() -> None:
    names = (
        *("stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "tools"),
        *("functions", "tool_choice", "function_call", "prediction", "modalities"),
        *("response_format", "service_tier", "reasoning_effort", "web_search_options"),
    )
    with_nulls = read_request(body(**dict.fromkeys(names)))
    plain = read_request(body())
    for name in Request.__struct_fields__:
        if name not in ("body", "fields"):
            assert getattr(with_nulls, name) == getattr(plain, name), name


def test_the_older_limit_is_a_limit_too() -> None:
    request = read_request(body(max_tokens=5))
    assert (request.max_output_tokens, request.limit_field) == (5, "max_tokens")


def test_usage_of_a_stream_is_asked_for_only_by_a_stream() -> None:
    assert not read_request(body(stream_options={"include_usage": True})).asks_usage
    assert not read_request(body(stream=True, stream_options={"include_usage": None})).asks_usage
    assert not read_request(body(stream=True)).asks_usage


@pytest.mark.parametrize(
    ("fields", "param", "rule"),
    [
        ({"model": None}, "model", _MODEL),
        ({"model": ""}, "model", _MODEL),
        ({"model": 4}, "model", _MODEL),
        ({"model": ["gpt-4o"]}, "model", _MODEL),
        ({"model": "gpt\r\nX-Evil: 1"}, "model", _MODEL),
        ({"model": "m" * 257}, "model", _MODEL),
        ({"messages": None}, "messages", "must be an array of at least one message"),
        ({"messages": "hi"}, "messages", "must be an array of at least one message"),
        ({"messages": {}}, "messages", "must be an array of at least one message"),
        ({"messages": []}, "messages", "must be an array of at least one message"),
        ({"messages": [{}, "secret"]}, "messages[1]", "must be an object"),
        ({"messages": [None]}, "messages[0]", "must be an object"),
        *[({field: value}, field, _WHOLE) for field in _LIMITS for value in _NO_LIMITS],
        *[({"n": value}, "n", _N) for value in _NO_CHOICES],
        ({"stream": "true"}, "stream", _FLAG),
        ({"stream": 1}, "stream", _FLAG),
        ({"stream_options": []}, "stream_options", "must be an object"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", _FLAG),
        ({"modalities": "audio"}, "modalities", "must be an array of strings"),
        ({"service_tier": 1}, "service_tier", "must be a string"),
        ({"reasoning_effort": {}}, "reasoning_effort", "must be a string"),
        ({"response_format": "json"}, "response_format", "must be an object"),
        ({"prediction": "text"}, "prediction", "must be an object"),
        ({"web_search_options": True}, "web_search_options", "must be an object"),
        ({"tools": {}}, "tools", "must be an array"),
        ({"tools": ["x"]}, "tools[0]", "must be an object"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", _NAME),
        ({"tools": [_named("custom", "")]}, "tools[0].custom.name", _NAME),
        ({"tools": [_named("function", 1)]}, "tools[0].function.name", _NAME),
        ({"tools": [{"type": "function", "function": 1}]}, "tools[0].function.name", _NAME),
        ({"tools": [{"type": 3}]}, "tools[0].type", _NAME),
        ({"functions": [{}]}, "functions[0].name", _NAME),
        ({"tool_choice": 1}, "tool_choice", "must be a string or an object"),
        ({"tool_choice": _named("function", None)}, "tool_choice.function.name", _NAME),
        ({"function_call": {}}, "function_call.name", _NAME),
    ],
)
def test_a_field_of_the_wrong_kind_is_refused_by_name(
    fields: dict[str, Any], param: str, rule: str
) -> None:
    with pytest.raises(Refused) as refusal:
        read_request(body(**fields))
    assert refusal.value.reason is Reason.INVALID_REQUEST
    assert refusal.value.param == param
    assert str(refusal.value) == f"{param} {rule}."


@pytest.mark.parametrize("literal", [b"1e309", b"-1e309", b"1e2", b"12.0", b"-0", b"-0.0"])
@pytest.mark.parametrize("field", [b"max_tokens", b"max_completion_tokens", b"n"])
def test_a_number_that_is_no_count_is_refused_however_it_is_written(
    field: bytes, literal: bytes
) -> None:
    text = encoded(QUESTION)[:-1] + b',"' + field + b'":' + literal + b"}"
    with pytest.raises(Refused, match="whole number") as refusal:
        read_request(text)
    assert refusal.value.param == field.decode()


@pytest.mark.parametrize("missing", ["model", "messages"])
def test_what_the_api_requires_must_be_there(missing: str) -> None:
    with pytest.raises(Refused) as refusal:
        read_request(encoded({key: QUESTION[key] for key in QUESTION if key != missing}))
    assert refusal.value.param == missing


def test_two_limits_exclude_each_other() -> None:
    with pytest.raises(Refused, match="exclude each other") as refusal:
        read_request(body(max_tokens=5, max_completion_tokens=5))
    assert refusal.value.param == "max_tokens"
    assert read_request(body(max_tokens=None, max_completion_tokens=5)).max_output_tokens == 5


def test_the_bounds_themselves_are_accepted() -> None:
    request = read_request(body(n=128, max_tokens=2**63 - 1))
    assert (request.n, request.max_output_tokens) == (128, 2**63 - 1)
    assert read_request(body(n=1, max_tokens=1)).max_output_tokens == 1


def test_a_model_has_a_name_of_any_bearable_length() -> None:
    for name in ("m", "m" * 256, "org/model:free", "modèle"):
        assert read_request(body(model=name)).model == name


@pytest.mark.parametrize(
    ("content", "has_images"),
    [
        ("image_url", False),
        ([{"type": "text", "text": "image_url"}, "image_url", None], False),
        ([{"type": "text"}, {"type": "image_url"}], True),
        ([], False),
        (None, False),
    ],
)
def test_images_are_seen_in_the_parts_of_any_message(content: object, has_images: bool) -> None:
    messages = [{"role": "system", "content": "x"}, {"role": "tool", "content": content}]
    assert read_request(body(messages=messages)).has_images is has_images


def test_what_we_do_not_know_is_none_of_our_business() -> None:
    request = read_request(
        body(temperature="hot", stop=5, top_k=[], logit_bias=None, messages=[{"x": 1}])
    )
    assert request.model == "gpt-4.1"


@pytest.mark.parametrize(
    ("fields", "tools"),
    [
        ({"tools": []}, []),
        ({"tools": [WEATHER_TOOL]}, [("get_current_weather", "function")]),
        ({"tools": [_named("custom", "code_exec")]}, [("code_exec", "custom")]),
        ({"tools": [{"type": "function", "name": "flat"}]}, [("flat", "function")]),
        ({"tools": [{"function": {"name": "bare"}}]}, [("bare", "function")]),
        ({"tools": [{"type": "web_search_2025_08_26"}]}, [("web_search", "built_in")]),
        ({"tools": [{"type": "web_search_20250305"}]}, [("web_search", "built_in")]),
        ({"tools": [{"type": "code_interpreter"}]}, [("code_interpreter", "built_in")]),
        ({"functions": [{"name": "old"}]}, [("old", "function")]),
        ({"web_search_options": {}}, [("web_search", "built_in")]),
        ({"model": "gpt-4o-search-preview"}, [("web_search", "built_in")]),
        ({"model": "gpt-4o-mini-search-preview-2025-03-11"}, [("web_search", "built_in")]),
        ({"model": "gpt-5-search-api"}, [("web_search", "built_in")]),
        (
            {"tools": [_named("function", "a"), {"type": "x"}], "functions": [{"name": "b"}]},
            [("a", "function"), ("x", "built_in"), ("b", "function")],
        ),
    ],
)
def test_tools_go_by_the_names_that_caps_use(
    fields: dict[str, Any], tools: list[tuple[str, str]]
) -> None:
    request = read_request(body(**fields))
    assert [(tool.name, tool.kind) for tool in request.tools] == tools


@pytest.mark.parametrize(
    ("fields", "forced"),
    [
        ({"tool_choice": "auto"}, None),
        ({"tool_choice": "required"}, None),
        ({"tool_choice": _named("function", "f")}, "f"),
        ({"tool_choice": _named("custom", "c")}, "c"),
        ({"tool_choice": {"type": "web_search_2025_08_26"}}, "web_search"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, None),
        ({"function_call": "auto"}, None),
        ({"function_call": {"name": "old"}}, "old"),
    ],
)
def test_a_forced_tool_is_the_one_the_model_must_call(
    fields: dict[str, Any], forced: str | None
) -> None:
    assert read_request(body(**fields)).forced_tool == forced


def test_a_prompt_never_shows_in_the_representation_of_a_call() -> None:
    request = read_request(body(messages=[{"role": "user", "content": "my secret"}]))
    assert repr(request) == f"<Request model='gpt-4.1' of {len(request.body)} bytes>"


def test_the_documented_call_with_a_tool_is_read() -> None:
    request = read_request(encoded(TOOL_QUESTION))
    assert request.tools == (Tool("get_current_weather", ToolKind.FUNCTION),)
    assert request.forced_tool is None


def _read_or_refused(text: bytes) -> Request | Refused:
    try:
        return read_request(text)
    except Refused as refusal:
        return refusal


@given(st.binary(max_size=300))
def test_bytes_that_are_no_call_are_refused(text: bytes) -> None:
    refusal = _read_or_refused(text)
    assert isinstance(refusal, Refused)
    assert refusal.reason is Reason.INVALID_REQUEST


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 200)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
_FIELDS = st.sampled_from(
    [
        *("model", "messages", "max_tokens", "max_completion_tokens", "n", "stream"),
        *("stream_options", "tools", "functions", "tool_choice", "function_call", "prediction"),
        *("modalities", "response_format", "service_tier", "reasoning_effort"),
    ]
)


@given(st.dictionaries(_FIELDS, _JSON))
def test_any_fields_are_read_or_refused(
    fields: dict[str, Any],
) -> None:
    read = _read_or_refused(body(**fields))
    if isinstance(read, Refused):
        assert read.param is not None
    else:
        assert 1 <= read.n <= 128
        assert read.max_output_tokens is None or read.max_output_tokens >= 1
