"""What a whole answer says and delivered, and what a refusal looks like."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.usage import Usage
from proxy.dialects.answer import MAX_CHOICES_KEPT, MAX_TEXT_CHARS, DeliveredTexts, add_cost
from proxy.dialects.chat.answer import deliver, read_answer
from proxy.dialects.dialect import ErrorWords
from proxy.dialects.openai.error import error_body
from proxy.dialects.usage import UsageFault
from tests.dialects.examples import ANSWER, TOOL_ANSWER, encoded


def _message(index: int = 0, **message: Any) -> dict[str, Any]:
    return {"index": index, "message": message, "finish_reason": "stop"}


def test_the_documented_answer() -> None:
    answer = read_answer(encoded(ANSWER))
    assert answer.usage == Usage(19, 10)
    assert answer.usage_fault is None
    assert (answer.model, answer.service_tier) == ("gpt-4.1-2025-04-14", "default")
    assert (answer.choices, answer.complete, answer.countable) == (1, True, True)
    assert answer.delivered_texts() == ("Hello! How can I assist you today?",)


def test_the_documented_answer_with_a_tool_call() -> None:
    answer = read_answer(encoded(TOOL_ANSWER))
    assert answer.usage == Usage(82, 17)
    assert answer.delivered_texts() == (
        "get_current_weather",
        '{\n"location": "Boston, MA"\n}',
    )


def test_every_text_that_came_is_delivered() -> None:
    choices = [
        _message(0, content="a", refusal="b", reasoning_content="c", reasoning="d"),
        _message(1, content=[{"type": "text", "text": "e"}, {"type": "text", "text": "f"}, 7]),
        _message(2, audio={"id": "x", "data": "AAAA", "transcript": "g"}),
        _message(3, function_call={"name": "h", "arguments": "i"}),
        _message(
            4,
            tool_calls=[
                {"id": "1", "function": {"name": "j", "arguments": "k"}},
                {"id": "2", "custom": {"name": "l", "input": "m"}},
                None,
            ],
        ),
        None,
    ]
    answer = read_answer(encoded({"choices": choices}))
    assert answer.delivered_texts() == tuple(["a", "b", "c", "d", "ef", *"ghijklm"])
    assert answer.choices == 5


@pytest.mark.parametrize(
    ("body", "complete"),
    [
        (b'{"choices":[]}', True),
        (b'{"choices":[],"x":NaN}', True),
        (b'{"choices":null}', False),
        (b'{"error":{"message":"x"}}', False),
        (b'{"usage":{"prompt_tokens":1,"completion_tokens":1}}', False),
        (b"[]", False),
        (b"<html></html>", False),
        (b"", False),
    ],
)
def test_only_a_whole_object_with_choices_is_a_complete_answer(body: bytes, complete: bool) -> None:
    assert read_answer(body).complete is complete


def test_an_answer_cut_anywhere_is_not_complete_and_has_no_usage() -> None:
    whole = encoded(ANSWER)
    for length in range(len(whole)):
        answer = read_answer(whole[:length])
        assert (answer.complete, answer.usage) == (False, None)


def test_of_an_answer_that_breaks_off_the_texts_that_came_are_kept() -> None:
    whole = encoded({"choices": [_message(content='said "hi"'), _message(1, content="then")]})
    assert read_answer(whole[: whole.index(b"then") + 3]).delivered_texts() == (
        'said \\"hi\\"',
        "the",
    )


def test_text_that_breaks_off_inside_a_character_is_kept_up_to_it() -> None:
    whole = '{"choices":[{"message":{"content":"café"'.encode()
    assert read_answer(whole[:-2]).delivered_texts() == ("caf\ufffd",)


def test_a_usage_that_cannot_be_is_named_and_not_taken() -> None:
    answer = read_answer(encoded(ANSWER | {"usage": {"prompt_tokens": -1}}))
    assert (answer.usage, answer.usage_fault) == (None, UsageFault.NOT_A_COUNT)
    assert answer.complete


def test_no_usage_is_no_fault() -> None:
    answer = read_answer(b'{"choices":[],"model":7,"service_tier":{}}')
    assert (answer.usage, answer.usage_fault) == (None, None)
    assert (answer.model, answer.service_tier) == (None, None)


def test_texts_never_show_in_the_representation_of_an_answer() -> None:
    assert "assist" not in repr(read_answer(encoded(ANSWER)))


def test_texts_are_kept_up_to_a_bound_and_no_longer_countable_beyond() -> None:
    texts = DeliveredTexts()
    for _ in range(MAX_TEXT_CHARS // 2**16 + 1):
        deliver(texts, [{"delta": {"content": "x" * 2**16}}], "delta")
    assert texts.is_partial
    assert sum(map(len, texts.texts())) <= MAX_TEXT_CHARS


def test_places_for_text_are_bounded_too() -> None:
    texts = DeliveredTexts()
    deliver(texts, [{"index": index} for index in range(MAX_CHOICES_KEPT)], "delta")
    assert (texts.choices, texts.is_partial) == (MAX_CHOICES_KEPT, False)
    deliver(texts, [{"index": 0, "delta": {"content": "x"}}], "delta")
    assert not texts.is_partial
    deliver(texts, [{"index": MAX_CHOICES_KEPT, "delta": {"content": "x"}}], "delta")
    assert (texts.choices, texts.is_partial) == (MAX_CHOICES_KEPT, True)
    texts = DeliveredTexts()
    calls = [{"index": place, "function": {"name": "x"}} for place in range(MAX_TEXT_CHARS // 64)]
    deliver(texts, [{"delta": {"tool_calls": calls}}], "delta")
    assert texts.is_partial


def test_choices_are_finished_when_each_has_said_so() -> None:
    texts = DeliveredTexts()
    assert not texts.finished
    deliver(texts, [{"index": 0, "finish_reason": None}, {"index": 1}], "delta")
    deliver(texts, [{"index": 0, "finish_reason": "stop"}], "delta")
    assert not texts.finished
    deliver(texts, [{"index": 1, "finish_reason": "length"}, {"index": 0}], "delta")
    assert texts.finished


def test_the_cost_joins_the_usage_and_everything_else_keeps_its_bytes() -> None:
    body = b'{"id": "x","odd":1.50,"usage": {"prompt_tokens": 1,"completion_tokens":1e0} }'
    assert add_cost(body, "0.0421") == (
        b'{"id":"x","odd":1.50,'
        b'"usage":{"prompt_tokens":1,"completion_tokens":1e0,"cost_usd":"0.0421"}}'
    )
    assert json.loads(add_cost(encoded(ANSWER), "0.01"))["usage"]["cost_usd"] == "0.01"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"usage":null}', b'{"usage":3}', b'{"usage":{', b"<html>"]
)
def test_where_no_usage_is_no_cost_is_shown(body: bytes) -> None:
    assert add_cost(body, "0.01") is body


@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_of_some_sort(body: bytes) -> None:
    answer = read_answer(body)
    assert not answer.complete
    answer.delivered_texts()
    assert add_cost(body, "0.01") == body


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("index", "message", "delta", "content", "tool_calls", "function", "audio"),
                    *("finish_reason", "arguments", "text", "usage", "transcript"),
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["choices", "usage", "model", "service_tier"]), _ANY))
def test_any_shape_of_answer_is_read(fields: dict[str, Any]) -> None:
    answer = read_answer(encoded(fields))
    assert all(isinstance(text, str) for text in answer.delivered_texts())
    assert answer.choices >= 0


def test_a_refusal_has_the_shape_of_this_api() -> None:
    budget: dict[str, str | int | None] = {
        "reason": "budget_exceeded",
        "required": 4210000,
        "resets_at": None,
    }
    words = ErrorWords("insufficient_quota", "insufficient_quota", "billing_error")
    body = error_body(words, "Budget exhausted.", param=None, budget=budget)
    assert json.loads(body) == {
        "error": {
            "message": "Budget exhausted.",
            "type": "insufficient_quota",
            "code": "insufficient_quota",
            "param": None,
            "budget": budget,
        }
    }
