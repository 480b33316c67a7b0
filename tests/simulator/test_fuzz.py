"""Whatever is sent, the answer is an answer or a refusal: never a failure of the simulator."""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import Behaviour
from simulator.answer.generate import generate
from simulator.answer.render import Answer, json_answer
from simulator.answer.stream import stream_events
from simulator.bill import Input
from simulator.errors import ApiError
from simulator.models import MODELS
from simulator.prompt.count import count_prompt
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import read_request

VOCABULARY = Vocabulary()
CALL = {"id": "call_1", "type": "function", "function": {"name": "roll", "arguments": "{}"}}
SCHEMA = {
    "type": "object",
    "properties": {
        "side": {"type": "string", "enum": ["a", "b"], "description": "Which."},
        "more": {"type": "array", "items": {"$ref": "#/$defs/more"}, "minItems": 1},
        "size": {"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 2},
        "name": {"type": ["string", "null"], "minLength": 3, "maxLength": 9},
        "pick": {"anyOf": [{"const": 1}, {"type": "null"}]},
    },
    "required": ["side"],
    "$defs": {"more": {"type": "boolean"}},
}
EVERYTHING: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [
        {"role": "system", "name": "bob", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "assistant", "function_call": CALL["function"]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "hello"},
                {"type": "image_url", "image_url": {"url": "https://a/b", "detail": "low"}},
                {"type": "file", "file": {"file_id": "file-1"}},
                {"type": "file", "file": {"file_data": "data:a;base64,AAAA"}},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            ],
        },
    ],
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": False},
    "n": 1,
    "max_tokens": 30,
    "tools": [
        {"type": "function", "function": {"name": "roll", "parameters": SCHEMA}},
        {"type": "custom", "custom": {"name": "shell"}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "roll"}},
    "functions": [{"name": "old", "parameters": SCHEMA}],
    "function_call": {"name": "old"},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}},
    "modalities": ["text", "audio"],
    "logprobs": True,
    "top_logprobs": 1,
    "prediction": {"type": "content", "content": [{"type": "text", "text": "hello"}]},
    "service_tier": "auto",
    "reasoning_effort": "low",
}
TEXT_ONLY = {name: EVERYTHING[name] for name in EVERYTHING if name not in ("tools", "functions")}

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 200_000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "x", "function", "custom", "text", "object", "#", "gpt-4", "o3"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["type", "name", "$ref", "text"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value inside `value`."""
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for step, child in inner:
        yield (*path, step)
        yield from places(child, (*path, step))


def replaced(body: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(body)
    holder: Any = changed
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = value
    return changed


def serve(body: dict[str, Any], behaviour: Behaviour) -> Answer | ApiError:
    """All that happens to a call between its socket and its socket."""
    try:
        request = read_request(msgspec.json.encode(body), MODELS)
        prompt = count_prompt(request, VOCABULARY)
        choices = generate(
            request, behaviour, seed=0, prompt_tokens=prompt.total, vocabulary=VOCABULARY
        )
    except ApiError as error:
        return error
    return Answer(
        id="chatcmpl-1",
        created_s=0,
        model=request.model.snapshot,
        service_tier="default",
        request=request,
        choices=choices,
        input=Input(prompt_tokens=prompt.total),
        report=behaviour.report,
        tokens_per_event=behaviour.tokens_per_event,
    )


@settings(max_examples=400, deadline=None)
@given(data=st.data(), tools=st.booleans(), size=st.integers(1, 5))
def test_one_odd_value_anywhere_is_answered_or_refused(
    data: st.DataObject, tools: bool, size: int
) -> None:
    base = EVERYTHING if tools else TEXT_ONLY
    path = data.draw(st.sampled_from(list(places(base))))
    body = replaced(base, path, data.draw(JSON_VALUES))

    answer = serve(body, Behaviour(tokens_per_event=size))

    if isinstance(answer, ApiError):
        assert answer.status in (400, 404)
        return
    shown = [event.output for event in stream_events(answer)]
    assert sum(shown, answer.hidden()) == answer.output()
    assert len(json_answer(answer)["choices"]) == len(answer.choices)
