"""What the model says: as long as it should be, as the schema wants it, always the same."""

import json
from itertools import product
from random import Random
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import Behaviour
from simulator.answer.generate import Choice, generate
from simulator.answer.schema import make_value
from simulator.answer.words import WORDS, choose_words
from simulator.models import MODELS
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import read_request

VOCABULARY = Vocabulary()
ROLL = {"type": "function", "function": {"name": "roll", "parameters": {"type": "object"}}}


HONEST = Behaviour()


def choices(
    behaviour: Behaviour = HONEST, *, seed: int = 0, prompt_tokens: int = 9, **fields: Any
) -> tuple[Choice, ...]:
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]} | fields
    return generate(
        read_request(json.dumps(body).encode(), MODELS),
        behaviour,
        seed=seed,
        prompt_tokens=prompt_tokens,
        vocabulary=VOCABULARY,
    )


def said(choice: Choice) -> int:
    return choice.output().completion_tokens


@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_every_word_is_one_token_alone_and_after_a_space(encoding: str) -> None:
    for word, lead in product(WORDS, ("", " ")):
        assert VOCABULARY.count(encoding, lead + word) == 1


@settings(deadline=None)
@given(st.integers(0, 2000), st.integers())
def test_a_text_of_words_has_as_many_tokens_as_words(count: int, seed: int) -> None:
    pieces = choose_words(Random(seed), count)

    assert len(pieces) == VOCABULARY.count("o200k_base", "".join(pieces)) == count


@settings(deadline=None)
@given(
    limit=st.integers(1, 60),
    output=st.none() | st.integers(0, 80),
    reasoning=st.none() | st.integers(0, 80),
    model=st.sampled_from(["gpt-4o", "o3"]),
    tools=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_no_answer_is_longer_than_its_limit(
    limit: int, output: int | None, reasoning: int | None, model: str, tools: bool, seed: int
) -> None:
    behaviour = Behaviour(output_tokens=output, reasoning_tokens=reasoning)
    fields: dict[str, Any] = {"tools": [ROLL]} if tools else {}
    (choice,) = choices(behaviour, seed=seed, model=model, max_completion_tokens=limit, **fields)

    assert said(choice) <= limit
    if choice.finish_reason == "length":
        assert said(choice) == limit


@pytest.mark.parametrize(
    ("wanted", "limit", "tokens", "reason"),
    [(4, 5, 4, "stop"), (5, 5, 5, "stop"), (6, 5, 5, "length"), (0, 5, 0, "stop")],
)
def test_the_reason_says_whether_the_limit_cut_it(
    wanted: int, limit: int, tokens: int, reason: str
) -> None:
    (choice,) = choices(Behaviour(output_tokens=wanted), max_tokens=limit)

    assert (said(choice), choice.finish_reason) == (tokens, reason)


def test_reasoning_uses_up_the_limit() -> None:
    behaviour = Behaviour(reasoning_tokens=30, output_tokens=10)
    (choice,) = choices(behaviour, model="o3", max_completion_tokens=32)

    assert choice.hidden.reasoning_tokens == 30
    assert len(choice.pieces) == 2
    assert choice.finish_reason == "length"


def test_a_limit_can_be_spent_on_reasoning_alone() -> None:
    (choice,) = choices(Behaviour(reasoning_tokens=99), model="o3", max_completion_tokens=20)

    assert (choice.text(), said(choice), choice.finish_reason) == ("", 20, "length")


@pytest.mark.parametrize(
    ("model", "effort", "reasons"),
    [("gpt-4o", None, False), ("o3", None, True), ("gpt-5", "minimal", False)],
)
def test_only_a_model_that_reasons_does(model: str, effort: str | None, reasons: bool) -> None:
    fields: dict[str, Any] = {"reasoning_effort": effort} if effort else {}
    hidden = [
        choices(seed=seed, model=model, **fields)[0].hidden.reasoning_tokens for seed in range(20)
    ]

    assert (max(hidden) > 0) == reasons


def test_without_a_limit_the_model_has_its_own() -> None:
    (choice,) = choices(Behaviour(output_tokens=20_000), model="gpt-4o-mini")

    assert (said(choice), choice.finish_reason) == (16_384, "length")


def test_an_answer_ends_where_the_window_does() -> None:
    (choice,) = choices(Behaviour(output_tokens=100), model="gpt-4", prompt_tokens=8_182)

    assert (said(choice), choice.finish_reason) == (10, "length")


def test_an_ignored_limit_is_no_limit() -> None:
    behaviour = Behaviour(output_tokens=100, ignore_limit=True)
    (choice,) = choices(behaviour, max_tokens=5)

    assert (said(choice), choice.finish_reason) == (100, "stop")


def test_the_same_seed_and_request_get_the_same_answer() -> None:
    assert choices(seed=3, n=2) == choices(seed=3, n=2)
    assert choices(seed=3) != choices(seed=4)
    assert choices(seed=3) != choices(seed=3, messages=[{"role": "user", "content": "hi"}])


def test_what_does_not_concern_the_answer_does_not_change_it() -> None:
    """A proxy that asks for usage gets the answer that the client alone would have got."""
    asking = choices(stream=True, stream_options={"include_usage": True})

    assert asking == choices(stream=True) == choices(max_tokens=100)


def test_a_given_text_is_counted_by_the_tokenizer() -> None:
    (choice,) = choices(Behaviour(content='{"usage": 1}'))

    assert choice.text() == '{"usage": 1}'
    assert said(choice) == 6


def test_a_limit_cuts_the_arguments_of_a_call() -> None:
    parameters = {"type": "object", "properties": {"word": {"type": "string"}}}
    tool = {"type": "function", "function": {"name": "roll", "parameters": parameters}}
    (whole,) = choices(tools=[tool])
    (cut,) = choices(tools=[tool], max_tokens=said(whole) - 1)
    (bare,) = choices(tools=[tool], max_tokens=1)

    assert cut.finish_reason == "length"
    assert cut.tool_calls[0].pieces == whole.tool_calls[0].pieces[:-1]
    assert [call.pieces for call in bare.tool_calls] == [()]


def test_a_name_that_does_not_fit_is_not_begun() -> None:
    tool = {"type": "function", "function": {"name": "roll_the_great_dice", "parameters": {}}}
    (choice,) = choices(tools=[tool], max_tokens=2)

    assert (choice.tool_calls, choice.finish_reason) == ((), "length")


def test_several_calls_can_be_made_at_once() -> None:
    (choice,) = choices(Behaviour(tool_calls=3), tools=[ROLL])

    assert [call.name for call in choice.tool_calls] == ["roll"] * 3


def test_no_call_is_made_when_told_so() -> None:
    (choice,) = choices(Behaviour(tool_calls=0), tools=[ROLL])

    assert choice.finish_reason == "stop"


def test_wrong_predictions_are_generated_within_the_limit() -> None:
    prediction = {"type": "content", "content": "one two three four five six seven"}
    free = choices(Behaviour(output_tokens=4), prediction=prediction)[0]
    tight = choices(Behaviour(output_tokens=4), prediction=prediction, max_tokens=6)[0]

    assert free.hidden.accepted_prediction_tokens == 2
    assert free.hidden.rejected_prediction_tokens == 5
    assert said(free) == 9
    assert said(tight) == 6


def schemas() -> st.SearchStrategy[dict[str, Any]]:
    leaves: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            {"type": "string"},
            {"type": "string", "format": "date-time"},
            {"type": "string", "minLength": 12, "maxLength": 14},
            {"type": "integer", "minimum": 7, "maximum": 9},
            {"type": "integer", "exclusiveMinimum": 7},
            {"type": "number", "maximum": -2},
            {"type": "integer", "multipleOf": 5, "minimum": 1},
            {"type": "integer", "exclusiveMaximum": 3},
            {"type": "boolean"},
            {"type": "null"},
            {"type": ["string", "null"]},
            {"enum": ["a", 1, None]},
            {"const": "fixed"},
        ]
    )

    def grown(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        fields = st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
        return st.one_of(
            fields.map(
                lambda properties: {
                    "type": "object",
                    "properties": properties,
                    "required": list(properties),
                    "additionalProperties": False,
                }
            ),
            inner.map(lambda items: {"type": "array", "items": items, "minItems": 1}),
            st.lists(inner, min_size=1, max_size=3).map(lambda branches: {"anyOf": branches}),
        )

    return st.recursive(leaves, grown, max_leaves=8)


@settings(deadline=None)
@given(schemas(), st.integers())
def test_a_value_made_for_a_schema_is_accepted_by_it(schema: dict[str, Any], seed: int) -> None:
    jsonschema.validate(make_value(schema, Random(seed)), schema)


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    schema = {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {
                    "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#"}},
                },
                "required": ["next", "children"],
            }
        },
        "$ref": "#/$defs/node",
    }

    jsonschema.validate(make_value(schema, Random(1)), schema)


@settings(deadline=None)
@given(schemas(), st.integers(1, 40))
def test_a_structured_answer_is_valid_unless_it_was_cut(schema: dict[str, Any], n: int) -> None:
    wrapped = {"type": "object", "properties": {"it": schema}, "required": ["it"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "it", "schema": wrapped}}
    (choice,) = choices(response_format=wanted, max_tokens=n)

    if choice.finish_reason == "stop":
        jsonschema.validate(json.loads(choice.text()), wrapped)
    else:
        assert said(choice) == n
