"""Everything that is billed as input is a part."""

import base64
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from pricing.prompt import Audio, File, Image, Prompt, Text, Unbounded, Unseen
from proxy.dialects.chat.prompt import predicted_texts, prompt_of
from proxy.dialects.chat.request import read_request
from proxy.dialects.openai.framing import (
    CALL_TOKENS,
    ENUM_ITEM_TOKENS,
    MESSAGE_TOKENS,
    NAME_TOKENS,
    PARALLEL_TOOL_TOKENS,
    REPLY_TOKENS,
    SCHEMA_TOKENS,
    TOOL_TOKENS,
    TOOLS_TOKENS,
)
from proxy.domain.errors import Refused
from tests.dialects.examples import WEATHER_TOOL, body


def _prompt(**fields: Any) -> Prompt:
    return prompt_of(read_request(body(**fields)))


def _of_message(**message: Any) -> Prompt:
    return _prompt(messages=[message])


def _of_content(*parts: Any) -> Prompt:
    return _of_message(role="user", content=list(parts))


def _texts(prompt: Prompt) -> list[str]:
    return [part.text for part in prompt.parts if isinstance(part, Text)]


def test_only_the_results_of_parallel_calls_are_escaped() -> None:
    def call(n: int) -> dict[str, Any]:
        return {"id": f"c{n}", "function": {"name": "f", "arguments": "ä"}}

    result = {"role": "tool", "content": "é", "tool_call_id": "c0"}
    prompt = _prompt(
        messages=[
            {"role": "assistant", "content": "ö", "tool_calls": [call(0), call(1)]},
            result,
            result,
            {"role": "user", "content": "ü"},
            result,
            {"role": "assistant", "tool_calls": [call(0)]},
            result,
            {"role": "assistant", "tool_calls": [call(0), call(1)]},
        ],
        tools=[WEATHER_TOOL | {"x": "ß"}],
    )
    texts = _texts(prompt)
    assert texts.count('"\\u00e9"') == 2
    assert texts.count("é") == 2
    assert {"ö", "ü", "ä", '"\\u00e4"'} < set(texts)
    assert "ß" in texts[-1]


def test_a_role_that_the_api_does_not_know_is_counted() -> None:
    assert _texts(_of_message(role="narrator of many words", content="x")) == [
        "narrator of many words",
        "x",
    ]


def test_a_name_is_text_and_a_token() -> None:
    prompt = _of_message(role="user", content="x", name="Ann")
    assert prompt == Prompt((Text("x"), Text("Ann")), REPLY_TOKENS + MESSAGE_TOKENS + NAME_TOKENS)


def test_all_that_a_message_says_beside_its_content_counts() -> None:
    prompt = _of_message(
        role="assistant",
        content=None,
        refusal="I will not",
        reasoning_content="hm",
        tool_calls=[
            {"id": "id1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "id2", "type": "custom", "custom": {"name": "g", "input": "text"}},
        ],
        function_call={"name": "old", "arguments": "[]"},
        unknown={"deep": ["x"]},
        number=5,
    )
    quoted = [json.dumps(text) for text in ("id1", "f", "f", "{}", "id2", "g", "g", "text")]
    texts = _texts(prompt)
    assert texts[:8] == quoted
    assert sorted(map(json.loads, texts[8:])) == sorted(
        ["old", "old", "[]", "I will not", "hm", '{"deep":["x"]}']
    )
    assert prompt.framing_tokens > 3 * CALL_TOKENS


def test_the_call_that_a_result_answers_counts() -> None:
    assert _texts(_of_message(role="tool", content="4", tool_call_id="call_1")) == ["4", "call_1"]


def test_what_is_added_around_the_parts() -> None:
    """Literals, so that a changed constant is a changed promise."""

    def call(**fields: Any) -> int:
        function = {"name": "f", "arguments": "{}"}
        calls = [{"id": "1", "function": function}] * fields.pop("calls", 1)
        return _of_message(role="assistant", tool_calls=calls, **fields).framing_tokens

    assert _of_message(role="user", content="x").framing_tokens == 3 + 4
    assert _of_message(role="user", content="x", name="n").framing_tokens == 3 + 4 + 1
    assert [_of_content(*["x"] * n).framing_tokens for n in range(4)] == [7, 7, 8, 9]
    assert [call(calls=n) for n in range(4)] == [7, 7 + 16, 7 + 30 + 32, 7 + 30 + 48]
    one = {"type": "function", "function": {"name": "f"}}
    assert [_prompt(tools=[one] * n).framing_tokens - 11 for n in (0, 1, 2)] == [0, 22, 232]
    schema = {"type": "json_schema", "json_schema": {}}
    assert _prompt(response_format=schema).framing_tokens - 11 == 32


def test_values_of_enums_count_at_any_depth() -> None:
    deep = {"anyOf": [{"enum": ["a", "b"]}, {"properties": {"x": {"enum": [1, 2, 3]}}}]}
    tool = {"type": "function", "function": {"name": "f", "parameters": deep}}
    assert _prompt(tools=[tool]).framing_tokens - 11 == 22 + 3 * 5


def test_audio_of_an_earlier_answer_is_unseen() -> None:
    prompt = _of_message(role="assistant", audio={"id": "audio_abc"})
    assert prompt.parts == (Unseen("audio of an earlier answer"),)


def _picture(width: int, height: int) -> str:
    out = io.BytesIO()
    Picture.new("RGB", (width, height)).save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()


@pytest.mark.parametrize(
    ("image", "part"),
    [
        ({"url": _picture(640, 480)}, Image(640, 480, "auto")),
        ({"url": _picture(64, 48), "detail": "low"}, Image(64, 48, "low")),
        ({"url": _picture(64, 48), "detail": "high"}, Image(64, 48, "high")),
        ({"url": _picture(64, 48), "detail": "original"}, Image(64, 48, "original")),
        ({"url": _picture(64, 48), "detail": "tiny"}, Image(64, 48, "auto")),
        ({"url": _picture(64, 48), "detail": ["low"]}, Image(64, 48, "auto")),
        ({"url": "https://example.com/a.png", "detail": "low"}, Image(None, None, "low")),
        ({"url": 7}, Image(None, None, "auto")),
        (_picture(2, 3), Image(2, 3, "auto")),
        (None, Image(None, None, "auto")),
    ],
)
def test_an_image_is_a_part_with_the_size_that_can_be_seen(image: object, part: Image) -> None:
    assert _of_content({"type": "image_url", "image_url": image}).parts == (part,)


_DATA = base64.b64encode(b"x" * 300).decode()


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ({"type": "text", "text": "hi"}, Text("hi")),
        ({"type": "refusal", "refusal": "no"}, Text("no")),
        (
            {"type": "input_audio", "input_audio": {"data": _DATA, "format": "mp3"}},
            Audio("mp3", 300, None),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "data:;base64," + _DATA}},
            Audio("", 300, None),
        ),
        ({"type": "input_audio", "input_audio": {"id": "x"}}, Unseen("audio")),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:x," + _DATA}},
            File("a.pdf", 300),
        ),
        ({"type": "file", "file": {"file_data": _DATA}}, File("", 300)),
        ({"type": "file", "file": {"file_id": "file-1"}}, Unseen("a file by its id")),
        (
            {"type": "file", "file": {"file_id": "file-1", "file_data": "eA=="}},
            Unseen("a file by its id"),
        ),
        ({"type": "file"}, Unseen("a file by its id")),
        ("plain", Text("plain")),
    ],
)
def test_each_kind_of_content_is_its_own_part(content: object, part: object) -> None:
    assert _of_content(content).parts == (part,)


def test_inline_wave_has_its_length() -> None:
    wave = (
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0"
        b"data\0\0\0\0" + bytes(16_000)
    )
    data = base64.b64encode(wave).decode()
    prompt = _of_content({"type": "input_audio", "input_audio": {"data": data, "format": "wav"}})
    assert prompt.parts == (Audio("wav", len(wave), 1000),)


def test_content_of_an_unknown_kind_is_counted_and_unseen() -> None:
    prompt = _of_content({"type": "video_url", "video_url": {"url": "https://x"}})
    assert prompt.parts == (
        Text('{"type":"video_url","video_url":{"url":"https://x"}}'),
        Unseen("a part of another type"),
    )


def test_what_is_unseen_is_named_without_its_contents() -> None:
    prompt = _of_content({"type": "file", "file": {"file_id": "file-secret"}}, {"type": "secret"})
    assert all("secret" not in part.what for part in prompt.parts if isinstance(part, Unseen))


def test_tools_schemas_and_predictions_are_text() -> None:
    schema = {"name": "answer", "schema": {"enum": ["a", "b"]}, "strict": True}
    prompt = _prompt(
        tools=[WEATHER_TOOL],
        functions=[{"name": "old"}],
        response_format={"type": "json_schema", "json_schema": schema},
        prediction={"type": "content", "content": [{"type": "text", "text": "I predict"}]},
    )
    compact = {"separators": (",", ":")}
    assert _texts(prompt)[2:] == [
        json.dumps(WEATHER_TOOL, **compact),  # type: ignore[arg-type]
        '{"name":"old"}',
        json.dumps(schema, **compact),  # type: ignore[arg-type]
        "I predict",
    ]
    framing = TOOLS_TOKENS + 2 * TOOL_TOKENS + 2 * ENUM_ITEM_TOKENS + PARALLEL_TOOL_TOKENS
    assert prompt.framing_tokens == (REPLY_TOKENS + 2 * MESSAGE_TOKENS + framing + SCHEMA_TOKENS)


def test_the_tool_for_parallel_calls_comes_with_several_tools_unless_declined() -> None:
    one = _prompt(tools=[WEATHER_TOOL]).framing_tokens
    two = _prompt(tools=[WEATHER_TOOL] * 2).framing_tokens
    declined = _prompt(tools=[WEATHER_TOOL] * 2, parallel_tool_calls=False).framing_tokens
    per_tool = TOOL_TOKENS + 2 * ENUM_ITEM_TOKENS
    assert (declined - one, two - one) == (per_tool, per_tool + PARALLEL_TOOL_TOKENS)


def test_a_tool_that_the_provider_runs_brings_input_that_nobody_sees() -> None:
    searching = _prompt(web_search_options={"search_context_size": "high"})
    assert searching.parts == (*_prompt().parts, Unseen("web_search"))
    assert Unseen("web_search") in _prompt(model="gpt-4o-search-preview").parts
    assert Unseen("mcp") in _prompt(tools=[{"type": "mcp", "server_url": "https://x"}]).parts
    assert not any(isinstance(part, Unseen) for part in _prompt(tools=[WEATHER_TOOL]).parts)


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "prompt"])
def test_input_that_is_stored_elsewhere_is_unseen(field: str) -> None:
    assert Unseen(field) in _prompt(**{field: {"id": "x"}}).parts
    assert _prompt(**{field: None}) == _prompt()


def test_what_azure_searches_is_bounded_by_nobody() -> None:
    sources = [{"type": "azure_search", "parameters": {"index_name": "x"}}]

    assert Unbounded("data_sources") in _prompt(data_sources=sources).parts
    assert not any(isinstance(part, Unbounded) for part in _prompt(data_sources=None).parts)


def test_an_unknown_field_may_be_rendered_so_its_text_counts() -> None:
    assert _texts(_prompt(documents=[{"text": "long"}], note="x", top_k=5, flag=True))[2:] == [
        '[{"text":"long"}]',
        "x",
    ]


def test_fields_that_steer_the_call_are_no_input() -> None:
    steering = {
        "temperature": 0.5,
        "metadata": {"a": "b" * 100},
        "user": "u" * 100,
        "safety_identifier": "s",
        "stop": ["x", "y"],
        "logit_bias": {"1": 2},
        "stream": True,
        "stream_options": {"include_usage": True},
        "service_tier": "flex",
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy"},
        "moderation": {"model": "omni-moderation-latest"},
        "reasoning_effort": "high",
        "verbosity": "low",
        "tool_choice": "none",
        "function_call": "none",
        "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "explicit"},
        "prompt_cache_retention": "24h",
        "response_format": {"type": "json_object"},
    }
    assert _prompt(**steering) == _prompt()


def test_predicted_texts_are_known_for_the_output_they_may_become() -> None:
    def predicted(content: object) -> tuple[str, ...]:
        return predicted_texts(read_request(body(prediction={"content": content})))

    assert predicted("one") == ("one",)
    assert predicted([{"type": "text", "text": "a"}, {"x": 1}, "b"]) == ("a", "b")
    assert predicted(None) == ()
    assert predicted_texts(read_request(body())) == ()


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("type", "text", "image_url", "url", "input_audio", "data", "file", "enum"),
                    *("function", "name", "arguments", "id", "file_data", "content"),
                ]
            ),
            inner | st.sampled_from(["text", "image_url", "input_audio", "file", "function"]),
            max_size=4,
        )
    ),
    max_leaves=10,
)


_MESSAGE_FIELDS = st.sampled_from(
    ["role", "content", "name", "tool_calls", "tool_call_id", "function_call", "audio", "x"]
)


@given(
    messages=st.lists(st.dictionaries(_MESSAGE_FIELDS, _ANY), min_size=1, max_size=3),
    fields=st.dictionaries(
        st.sampled_from(["tools", "functions", "response_format", "prediction", "x"]), _ANY
    ),
)
def test_any_call_that_is_read_has_a_prompt(
    messages: list[dict[str, Any]], fields: dict[str, Any]
) -> None:
    try:
        request = read_request(body(messages=messages, **fields))
    except Refused:
        return
    prompt = prompt_of(request)
    assert prompt.framing_tokens >= REPLY_TOKENS + MESSAGE_TOKENS * len(messages)
    shown = [message["content"] for message in messages if isinstance(message.get("content"), str)]
    for text in shown:
        assert {text, json.dumps(text)} & set(_texts(prompt))
