"""What is read of an embeddings call, what of it is billed, and what is refused.

The first call is the one that the public documentation shows:
https://platform.openai.com/docs/api-reference/embeddings/create
"""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.bound import BoundClass, count_prompt
from pricing.profile import reviewed_profiles
from pricing.prompt import Prompt, Text, Tokens
from proxy.dialects.dialect import Changes, Request
from proxy.dialects.embeddings import EMBEDDINGS
from proxy.domain.errors import Reason, Refused
from tests.pricing.make import loaded_tokenizers

QUESTION: dict[str, Any] = {
    "input": "The food was delicious and the waiter...",
    "model": "text-embedding-ada-002",
    "encoding_format": "float",
}
"""Its documented answer says 8 tokens."""

_FORMS = (
    "must be a string, an array of strings, tokens as an array of whole numbers, "
    "or an array of such arrays"
)
_ITEM = "must be a string or an array of whole numbers"


def body(**fields: Any) -> bytes:
    return json.dumps(QUESTION | fields).encode()


def test_nothing_is_generated_and_nothing_else_read() -> None:
    text = body(dimensions=256, user="somebody", unknown=[1])

    request = EMBEDDINGS.read_request(text)

    assert request.body is text
    assert request == Request(
        body=text, fields=json.loads(text), model="text-embedding-ada-002", generates=False
    )


@pytest.mark.parametrize(
    ("given_input", "parts"),
    [
        ("a", (Text("a"),)),
        ("", (Text(""),)),
        (["a", "b"], (Text("a"), Text("b"))),
        ([1, 2, 3], (Tokens(3),)),
        ([0], (Tokens(1),)),
        ([[1, 2], [3]], (Tokens(2), Tokens(1))),
        (["a", [3, 4]], (Text("a"), Tokens(2))),
    ],
)
def test_every_form_of_input_is_billed(given_input: Any, parts: tuple[Any, ...]) -> None:
    request = EMBEDDINGS.read_request(body(input=given_input))

    assert EMBEDDINGS.prompt_of(request) == Prompt(parts, 0)


def test_the_documented_call_counts_what_its_answer_says() -> None:
    prompt = EMBEDDINGS.prompt_of(EMBEDDINGS.read_request(body()))
    profile = reviewed_profiles().find("text-embedding-ada-002")

    bound = count_prompt(prompt, profile, loaded_tokenizers())

    assert (bound.total_tokens, bound.bound_class) == (8, BoundClass.EXACT)


@pytest.mark.parametrize(
    ("given_input", "param", "rule"),
    [
        (None, "input", _FORMS),
        ({}, "input", _FORMS),
        (7, "input", _FORMS),
        (True, "input", _FORMS),
        ([], "input", _FORMS),
        ([[]], "input[0]", _ITEM),
        ([1, "a"], "input[0]", _ITEM),
        (["a", None], "input[1]", _ITEM),
        (["a", {"text": "b"}], "input[1]", _ITEM),
        ([[1, -1]], "input[0]", _ITEM),
        ([-1], "input[0]", _ITEM),
        ([True], "input[0]", _ITEM),
        ([1.0], "input[0]", _ITEM),
        ([["a"]], "input[0]", _ITEM),
        (["a"] * 2_049, "input", "must have at most 2048 texts"),
        ([[1]] * 2_049, "input", "must have at most 2048 texts"),
    ],
)
def test_any_other_input_is_refused(given_input: Any, param: str, rule: str) -> None:
    with pytest.raises(Refused) as refused:
        EMBEDDINGS.read_request(body(input=given_input))

    assert refused.value.reason is Reason.INVALID_REQUEST
    assert refused.value.param == param
    assert str(refused.value) == f"{param} {rule}."


def test_as_many_texts_and_tokens_as_the_api_takes_are_read() -> None:
    texts = EMBEDDINGS.read_request(body(input=["a"] * 2_048))
    tokens = EMBEDDINGS.read_request(body(input=[1] * 300_000))

    assert len(EMBEDDINGS.prompt_of(texts).parts) == 2_048
    assert EMBEDDINGS.prompt_of(tokens).parts == (Tokens(300_000),)


def test_a_model_has_to_be_named() -> None:
    with pytest.raises(Refused, match=r"^model must be"):
        EMBEDDINGS.read_request(b'{"input": "a"}')


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-2, 9) | st.floats(-9, 9) | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2),
    )
)
def test_whatever_comes_is_counted_whole_or_refused_without_a_word_of_it(value: Any) -> None:
    read = read_or_refused(body(input=value))

    if isinstance(read, Refused):
        assert read.reason is Reason.INVALID_REQUEST
        assert re.match(r"input(\[\d+\])? must (be|have) ", str(read))
        return
    texts = [value] if isinstance(value, str) or isinstance(value[0], int) else value
    parts = EMBEDDINGS.prompt_of(read).parts
    counted = [part.text if isinstance(part, Text) else part for part in parts]
    assert counted == [each if isinstance(each, str) else Tokens(len(each)) for each in texts]


def read_or_refused(text: bytes) -> Request | Refused:
    try:
        return EMBEDDINGS.read_request(text)
    except Refused as refused:
        return refused


def test_only_the_model_can_change_and_the_rest_keeps_its_bytes() -> None:
    text = b'{ "input" : "caf\\u00e9 \\"model\\": 1",  "model":"a", "dimensions": 2.50e2}'
    request = EMBEDDINGS.read_request(text)

    unchanged = EMBEDDINGS.apply(request, Changes(model="a", include_usage=True))
    changed = EMBEDDINGS.apply(request, Changes(model="b"))

    assert unchanged is request.body
    assert changed == b'{"input":"caf\\u00e9 \\"model\\": 1","model":"b","dimensions":2.50e2}'


def test_a_prompt_does_not_reach_a_log() -> None:
    assert "delicious" not in repr(EMBEDDINGS.read_request(body()))
