"""Everything that is billed as input is a part, and the parts are a bound on the bill.

The bills are real: the documented examples of the API reference.
"""

import base64
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Picture

from pricing.bound import BoundClass, InputBound, count_prompt
from pricing.prompt import Audio, File, Image, Prompt, Sealed, Text, Unseen
from proxy.dialects.openai.framing import (
    CALL_TOKENS,
    MESSAGE_TOKENS,
    PARALLEL_CALLS_TOKENS,
    PARALLEL_TOOL_TOKENS,
    REPLY_TOKENS,
    SCHEMA_TOKENS,
)
from proxy.dialects.responses.prompt import BUILT_IN_TOKENS, PREAMBLE_TOKENS, prompt_of
from proxy.dialects.responses.request import read_compaction, read_request
from proxy.domain.errors import Refused
from tests.dialects.responses.examples import (
    HELLO,
    NAMES,
    STORY,
    VALUES,
    WEATHER,
    WEATHER_TOOL,
    body,
    encoded,
)
from tests.pricing.make import loaded_tokenizers, profile_of

_SEARCH = {"type": "web_search"}
_CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "ä"}
_RESULT = {"type": "function_call_output", "call_id": "c", "output": "é"}


def _prompt(**fields: Any) -> Prompt:
    return prompt_of(read_request(body(**fields)))


def _of_items(*items: dict[str, Any]) -> Prompt:
    return _prompt(input=list(items))


def _of_content(*parts: Any) -> Prompt:
    return _of_items({"role": "user", "content": list(parts)})


def _bound(prompt: Prompt, model: str = "gpt-4.1") -> InputBound:
    return count_prompt(prompt, profile_of(model), loaded_tokenizers())


def _texts(prompt: Prompt) -> list[str]:
    return [part.text for part in prompt.parts if isinstance(part, Text)]


@pytest.mark.parametrize(
    ("call", "billed"),
    [(STORY, 36), (HELLO, 37), (WEATHER, 291)],
    ids=["a text", "instructions", "a tool"],
)
def test_the_documented_bills_are_bounded_and_not_by_much(
    call: dict[str, Any], billed: int
) -> None:
    bound = _bound(prompt_of(read_request(encoded(call))))
    assert billed <= bound.total_tokens <= 1.4 * billed
    assert bound.bound_class is BoundClass.EXACT


def test_a_text_is_a_message() -> None:
    as_text = _prompt(input="Hello!")
    as_items = _of_items({"type": "message", "role": "user", "content": "Hello!"})
    as_parts = _of_content({"type": "input_text", "text": "Hello!"})
    assert as_text == as_items == as_parts
    assert as_text.framing_tokens == PREAMBLE_TOKENS + REPLY_TOKENS + MESSAGE_TOKENS
    assert _texts(as_text) == ["Hello!"]


def test_instructions_are_a_message_too() -> None:
    plain, instructed = _prompt(), _prompt(instructions="Be brief.")
    assert instructed.framing_tokens - plain.framing_tokens == MESSAGE_TOKENS
    assert _texts(instructed) == ["Be brief.", *_texts(plain)]


@pytest.mark.parametrize(
    ("item", "texts"),
    [
        (
            {"type": "message", "role": "assistant", "id": "msg_1", "phase": "commentary"}
            | {"content": [{"type": "output_text", "text": "a", "annotations": [{"url": "u"}]}]},
            ["a"],
        ),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}, ["no"]),
        ({"role": "narrator", "content": "a", "mood": "b"}, ["narrator", "a", "b"]),
        (_CALL, ["f", "c", "f", "ä"]),
        ({**_CALL, "type": "custom_tool_call", "arguments": None, "input": "x"}, ["f", "c", "f"]),
        (_RESULT, ["c", "é"]),
        ({**_RESULT, "output": [{"type": "input_text", "text": "t"}]}, ["c", "t"]),
        ({"type": "mcp_list_tools", "tools": [{"name": "n"}]}, ['{"tools":[{"name":"n"}]}']),
        ({"type": "web_search_call", "id": "w", "action": {"query": "q"}}, ['{"action":']),
        ({"type": "local_shell_call_output", "output": "ok"}, ['{"output":"ok"}']),
        ({"type": "an_item_of_tomorrow", "words": ["w"]}, ['{"words":["w"]}']),
    ],
)
def test_every_item_counts_all_that_it_says(item: dict[str, Any], texts: list[str]) -> None:
    found = _texts(_of_items(item))
    assert all(text in "\n".join(found) for text in texts)
    assert len(found) >= len(texts)


def test_results_of_parallel_calls_count_as_the_ascii_they_are_rendered_in() -> None:
    parallel = _of_items(_CALL, _CALL, _RESULT, _RESULT)
    assert _texts(parallel).count(json.dumps("é")) == 2
    assert parallel.framing_tokens >= 2 * CALL_TOKENS + PARALLEL_CALLS_TOKENS


def test_calls_one_after_the_other_are_not_parallel() -> None:
    thought = {"type": "reasoning", "summary": [], "encrypted_content": "QUJD"}
    in_turn = _of_items(_CALL, _RESULT, thought, _CALL, _RESULT)
    assert _texts(in_turn).count("é") == 2
    new_turn = _of_items(_CALL, {"role": "user", "content": "x"}, _CALL, _RESULT)
    assert _texts(new_turn).count("é") == 1


def test_thoughts_that_only_the_provider_can_read_are_bounded_by_their_bytes() -> None:
    sealed = base64.b64encode(b"t" * 3_000).decode()
    prompt = _of_items(
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "s"}],
            "encrypted_content": sealed,
        },
        {"type": "compaction", "encrypted_content": "QUJD"},
    )
    assert [part for part in prompt.parts if isinstance(part, Sealed)] == [Sealed(3_000), Sealed(3)]
    assert _texts(prompt) == ["s"]
    bound = _bound(prompt)
    assert (bound.bound_class, bound.unseen_tokens) == (BoundClass.MARGIN, 0)
    assert 3_003 < bound.total_tokens < 3_050


@pytest.mark.parametrize(
    "fields",
    [
        {"previous_response_id": "resp_1"},
        {"conversation": {"id": "conv_1"}},
        {"prompt": {"id": "pmpt_1", "variables": {"a": "b"}}},
        {"input": [{"type": "item_reference", "id": "msg_1"}]},
        {"input": [{"id": "msg_1"}]},
        {"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]},
        {"tools": [{"type": "mcp", "server_label": "wiki"}]},
    ],
)
def test_what_only_the_provider_has_is_unseen(fields: dict[str, Any]) -> None:
    assert any(isinstance(part, Unseen) for part in _prompt(**fields).parts)
    assert _bound(_prompt(**fields)).total_tokens >= 1_047_576


def _picture(width: int, height: int) -> str:
    written = io.BytesIO()
    Picture.new("RGB", (width, height)).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


def test_images_are_measured_wherever_they_are() -> None:
    url = f"data:image/png;base64,{_picture(640, 480)}"
    image = {"type": "input_image", "image_url": url, "detail": "low"}
    prompt = _of_items(
        {"role": "user", "content": [image, {"type": "input_image", "file_id": "file_1"}]},
        {"type": "function_call_output", "call_id": "c", "output": [image]},
        {
            "type": "computer_call_output",
            "output": {"type": "computer_screenshot", "image_url": url},
        },
        {"type": "image_generation_call", "result": _picture(64, 32), "revised_prompt": "p"},
    )
    assert [part for part in prompt.parts if isinstance(part, Image)] == [
        Image(640, 480, "low"),
        Image(None, None, "auto"),
        Image(640, 480, "low"),
        Image(640, 480, "auto"),
        Image(64, 32, "high"),
    ]


def test_files_and_sound_are_parts() -> None:
    audio = {"data": base64.b64encode(b"x" * 300).decode(), "format": "mp3"}
    prompt = _of_content(
        {
            "type": "input_file",
            "filename": "a.pdf",
            "file_data": "data:application/pdf;base64,QUJD",
        },
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_audio", "input_audio": audio},
        {"type": "input_hologram", "light": "x"},
    )
    assert prompt.parts == (
        File("a.pdf", 3),
        Unseen("a file by its id"),
        Audio("mp3", 300, None),
        Text('{"type":"input_hologram","light":"x"}'),
        Unseen("a part of another type"),
    )


def test_schemas_and_fields_that_we_do_not_know_count() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}}
    prompt, plain = _prompt(text={"format": schema}), _prompt()
    assert prompt.framing_tokens - plain.framing_tokens == SCHEMA_TOKENS
    assert any('"schema":{"type":"object"}' in text for text in _texts(prompt))
    assert "odd" in _texts(_prompt(preamble="odd", temperature=1, user="me"))
    assert "me" not in _texts(_prompt(user="me", metadata={"a": "b"}))


def test_a_single_tool_brings_the_one_that_calls_several() -> None:
    one, alone = _prompt(tools=[WEATHER_TOOL]), {"parallel_tool_calls": False}
    without = _prompt(tools=[WEATHER_TOOL], **alone)
    assert one.framing_tokens - without.framing_tokens == PARALLEL_TOOL_TOKENS


def test_tools_in_namespaces_and_in_the_input_count() -> None:
    space = {"type": "namespace", "name": "crm", "description": "dd", "tools": [WEATHER_TOOL]}
    more = {"type": "additional_tools", "role": "developer", "tools": [_SEARCH]}
    prompt = _prompt(tools=[space], input=[more])
    assert any('"description":"dd"' in text for text in _texts(prompt))
    assert any('"web_search"' in text for text in _texts(prompt))
    assert prompt.framing_tokens > BUILT_IN_TOKENS


def test_a_search_of_the_web_reads_everything_again_and_at_most_so_much_more() -> None:
    prompt = _prompt(tools=[_SEARCH], max_tool_calls=13)
    bound = _bound(prompt)
    seen = bound.total_tokens - bound.unseen_tokens
    assert (prompt.rounds, bound.bound_class) == (14, BoundClass.WINDOW)
    assert bound.unseen_tokens == 13 * (seen + 128_000)
    # community.openai.com/t/1317167: 13 searches after 4,981 tokens billed 243,551 and 650,000.
    assert bound.total_tokens >= 650_000


def test_a_window_limits_what_is_read_again() -> None:
    assert _bound(_prompt(tools=[_SEARCH], max_tool_calls=2), "gpt-4o").unseen_tokens == 2 * 128_000


@pytest.mark.parametrize("name", ["file_search", "mcp", "code_interpreter"])
def test_any_other_loop_may_fill_the_window_each_time(name: str) -> None:
    bound = _bound(_prompt(tools=[_SEARCH, {"type": name}]))
    assert bound.bound_class is BoundClass.WINDOW
    assert bound.total_tokens == 5 * 1_047_576


def test_a_loop_that_may_not_turn_is_read_once() -> None:
    assert _prompt(tools=[_SEARCH], max_tool_calls=0).rounds == 1


def test_in_a_window_that_nobody_knows_only_a_published_limit_bounds_a_loop() -> None:
    assert _bound(_prompt(tools=[_SEARCH]), "some-model").bound_class is BoundClass.WINDOW
    assert _bound(_prompt(tools=[{"type": "mcp"}]), "some-model").bound_class is BoundClass.NONE


@pytest.mark.parametrize(
    "fields",
    [
        {"context_management": [{"type": "compaction", "compact_threshold": 9}]},
        {"input": [{"role": "user", "content": "x"}, {"type": "compaction_trigger"}]},
    ],
)
def test_a_summary_within_the_call_reads_it_once_more(fields: dict[str, Any]) -> None:
    assert _prompt(**fields).rounds == 2
    assert _bound(_prompt(**fields)).total_tokens == 2 * 1_047_576


def test_the_input_of_a_compaction_counts_as_ever() -> None:
    text = body(instructions="i")
    assert prompt_of(read_compaction(text)) == prompt_of(read_request(text))


@given(st.dictionaries(NAMES, VALUES))
def test_whatever_is_read_can_be_counted(fields: dict[str, Any]) -> None:
    try:
        request = read_request(body(**fields))
    except Refused:
        return
    prompt = prompt_of(request)
    assert prompt.framing_tokens >= PREAMBLE_TOKENS + REPLY_TOKENS
    given_text = request.fields.get("input")
    assert not isinstance(given_text, str) or given_text in _texts(prompt)
