"""What is read of a legacy completion call, what of it is billed, and what is refused."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.bound import BoundClass, count_prompt
from pricing.profile import reviewed_profiles
from pricing.prompt import Prompt, Text, Tokens
from proxy.dialects.completions import COMPLETIONS
from proxy.dialects.dialect import Changes, Request
from proxy.domain.errors import Reason, Refused
from tests.dialects.completions.golden import QUESTION, body
from tests.pricing.make import loaded_tokenizers

_LIMIT = "must be a whole number of at least 0"
_CHOICES = "must be a whole number from 1 to 128"
_NO_CHOICES: tuple[Any, ...] = (0, -1, 129, 10**9, "2", True, 1.0, [])


def read(**fields: Any) -> Request:
    return COMPLETIONS.read_request(body(**fields))


def test_the_documented_call() -> None:
    text = body()

    request = COMPLETIONS.read_request(text)

    assert request.body is text
    assert request == Request(
        body=text,
        fields=QUESTION,
        model="gpt-3.5-turbo-instruct",
        asks_usage=False,
        max_output_tokens=7,
        limit_field="max_tokens",
    )


def test_everything_that_money_depends_on_is_read() -> None:
    options = {"include_usage": True}

    request = read(stream=True, stream_options=options, n=2, service_tier="flex", max_tokens=9)

    assert (request.stream, request.asks_usage, request.n) == (True, True, 2)
    assert (request.max_output_tokens, request.service_tier) == (9, "flex")
    assert request.generates


def test_without_a_limit_an_answer_has_sixteen_tokens_and_no_field_says_so() -> None:
    request = read(max_tokens=None)

    assert (request.max_output_tokens, request.limit_field) == (16, None)


def test_with_a_limit_of_nothing_nothing_is_generated() -> None:
    request = read(max_tokens=0, echo=True, logprobs=1)

    assert (request.generates, request.max_output_tokens) == (False, 0)


@pytest.mark.parametrize(
    ("fields", "n", "hides"),
    [
        ({}, 1, False),
        ({"n": 3}, 3, False),
        ({"best_of": 1}, 1, False),
        ({"best_of": 4}, 4, True),
        ({"n": 2, "best_of": 4}, 4, True),
        ({"n": 4, "best_of": 4}, 4, False),
        # The API refuses this one. Whoever does not is billed for what is shown.
        ({"n": 4, "best_of": 2}, 4, False),
        ({"prompt": ["a", "b", "c"]}, 3, False),
        ({"prompt": ["a", "b", "c"], "n": 2, "best_of": 4}, 12, True),
        ({"prompt": [1, 2, 3], "n": 2}, 2, False),
        ({"prompt": [[1, 2], [3]], "n": 2}, 4, False),
        ({"prompt": None, "n": 2}, 2, False),
    ],
)
def test_every_answer_that_is_paid_for_counts_shown_or_not(
    fields: dict[str, Any], n: int, hides: bool
) -> None:
    request = read(**fields)

    assert (request.n, request.hides_answers) == (n, hides)


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        ({"prompt": "a"}, Prompt((Text("a"),), 0)),
        ({"prompt": ["a", "b"]}, Prompt((Text("a"), Text("b")), 0)),
        ({"prompt": [7, 8, 9]}, Prompt((Tokens(3),), 0)),
        ({"prompt": [[7, 8], [9]]}, Prompt((Tokens(2), Tokens(1)), 0)),
        # A prompt that says nothing is the token that begins every text.
        ({"prompt": None}, Prompt((Text(""),), 1)),
        ({"prompt": ["", "a", ""]}, Prompt((Text(""), Text("a"), Text("")), 2)),
        # An answer is shown with its prompt, a prompt with many answers: it is billed once.
        ({"prompt": "a", "n": 3, "best_of": 5, "echo": True}, Prompt((Text("a"),), 0)),
        ({"prompt": "a", "suffix": "z"}, Prompt((Text("a"), Text("z")), 4)),
        (
            {"prompt": ["a", [1]], "suffix": "z"},
            Prompt((Text("a"), Tokens(1), Text("z"), Text("z")), 8),
        ),
        ({"prompt": "a", "suffix": ""}, Prompt((Text("a"),), 0)),
    ],
)
def test_all_input_is_billed_once(fields: dict[str, Any], prompt: Prompt) -> None:
    assert COMPLETIONS.prompt_of(read(**fields)) == prompt


def test_the_documented_call_counts_what_its_answer_says() -> None:
    profile = reviewed_profiles().find("gpt-3.5-turbo-instruct")

    bound = count_prompt(COMPLETIONS.prompt_of(read()), profile, loaded_tokenizers())

    assert (bound.total_tokens, bound.bound_class) == (5, BoundClass.EXACT)


@pytest.mark.parametrize(
    ("field", "values", "rule"),
    [
        ("max_tokens", (-1, "12", True, 1.5, 12.0, [], {}, 2**63), _LIMIT),
        ("n", _NO_CHOICES, _CHOICES),
        ("best_of", _NO_CHOICES, _CHOICES),
        ("stream", ("true", 1, []), "must be true or false"),
        ("stream_options", ("x", 1, []), "must be an object"),
        ("suffix", (1, [], {}, True), "must be a string"),
        ("service_tier", (1, [], {}), "must be a string"),
        ("model", ("", 1, [], "a\nb"), "must be a string of 1 to 256 printable characters"),
    ],
)
def test_what_money_depends_on_has_to_be_plain(
    field: str, values: tuple[Any, ...], rule: str
) -> None:
    for value in values:
        with pytest.raises(Refused) as refused:
            read(**{field: value})

        assert refused.value.reason is Reason.INVALID_REQUEST
        assert str(refused.value) == f"{field} {rule}."


@pytest.mark.parametrize("prompt", [[], {}, 7, True, [[]], [1, "a"], [None], [1.5], ["a", {}]])
def test_any_other_prompt_is_refused(prompt: Any) -> None:
    with pytest.raises(Refused, match=r"^prompt(\[\d\])? must be"):
        read(prompt=prompt)


def test_more_prompts_than_the_api_takes_are_refused() -> None:
    assert read(prompt=["a"] * 2_048).n == 2_048
    with pytest.raises(Refused, match=r"^prompt must have at most 2048 texts\.$"):
        read(prompt=["a"] * 2_049)


@given(
    st.sampled_from(["prompt", "n", "best_of", "max_tokens", "suffix", "stream_options"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(-9, 9) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    ),
)
def test_whatever_comes_is_bounded_or_refused_without_a_word_of_it(field: str, value: Any) -> None:
    found = read_or_refused(json.dumps(QUESTION | {field: value}).encode())

    if isinstance(found, Refused):
        assert found.reason is Reason.INVALID_REQUEST
        assert re.match(rf"{field}(\[\d+\]|\.include_usage)? must (be|have) ", str(found))
        return
    assert 1 <= found.n <= 128 * 2_048
    assert (found.max_output_tokens or 0) >= 0
    assert COMPLETIONS.prompt_of(found).parts


def read_or_refused(text: bytes) -> Request | Refused:
    try:
        return COMPLETIONS.read_request(text)
    except Refused as refused:
        return refused


def test_what_does_not_change_keeps_its_bytes() -> None:
    text = (
        b'{ "prompt" : "\\u00e9 \\"max_tokens\\": 9", "model":"a", "top_p":1.50, "stream": true,'
        b' "stream_options": {"x": 1.0} }'
    )
    request = COMPLETIONS.read_request(text)

    assert COMPLETIONS.apply(request, Changes()) is request.body
    changed = COMPLETIONS.apply(
        request, Changes(model="b", max_output_tokens=5, include_usage=True)
    )
    assert changed == (
        b'{"prompt":"\\u00e9 \\"max_tokens\\": 9","model":"b","top_p":1.50,"stream":true,'
        b'"stream_options":{"x":1.0,"include_usage":true},"max_tokens":5}'
    )


def test_the_limit_stands_in_the_field_of_this_api() -> None:
    request = COMPLETIONS.read_request(b'{"model":"a","prompt":"b","max_tokens":9}')

    assert COMPLETIONS.limit_field == "max_tokens"
    assert COMPLETIONS.apply(request, Changes(max_output_tokens=9)) is request.body
    assert COMPLETIONS.apply(request, Changes(max_output_tokens=4)) == (
        b'{"model":"a","prompt":"b","max_tokens":4}'
    )
