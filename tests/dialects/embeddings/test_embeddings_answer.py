"""What an answer full of vectors says of itself, read without making numbers of them.

The answer is the one that the public documentation shows:
https://platform.openai.com/docs/api-reference/embeddings/create
"""

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.usage import Usage
from proxy.dialects.answer import add_cost
from proxy.dialects.embeddings import EMBEDDINGS
from proxy.dialects.embeddings.answer import read_usage
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.json_text import read_leniently

_VECTOR = [0.0023064255, -0.009327292, 1e-05, -0.0028842222]
ANSWER: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "embedding": _VECTOR, "index": 0}],
    "model": "text-embedding-ada-002",
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}
WHOLE = json.dumps(ANSWER).encode()


def test_the_documented_answer() -> None:
    answer = EMBEDDINGS.read_answer(WHOLE)

    assert (answer.usage, answer.usage_fault) == (Usage(8, 0), None)
    assert (answer.model, answer.service_tier) == ("text-embedding-ada-002", None)
    assert answer.complete
    assert answer.countable
    assert (answer.choices, answer.delivered_texts()) == (0, ())


@pytest.mark.parametrize(
    "vectors",
    [
        [],
        [{"embedding": "vGdQPQ==", "index": 0}],
        [{"embedding": [[0.5, [1]]]}],
        ['"usage": {"prompt_tokens": 1, "total_tokens": 1}'],
    ],
)
def test_whatever_the_vectors_look_like_the_usage_is_read(vectors: list[Any]) -> None:
    answer = EMBEDDINGS.read_answer(json.dumps(ANSWER | {"data": vectors}).encode())

    assert (answer.usage, answer.complete) == (Usage(8, 0), True)


def test_an_answer_that_is_not_quite_json_may_begin_with_its_usage() -> None:
    turned = {name: ANSWER[name] for name in reversed(ANSWER)}
    odd = json.dumps(turned).encode().replace(b"1e-05", b"NaN")

    assert EMBEDDINGS.read_answer(odd).usage == Usage(8, 0)


def test_where_the_usage_stands_does_not_matter() -> None:
    turned = {name: ANSWER[name] for name in reversed(ANSWER)}

    assert EMBEDDINGS.read_answer(json.dumps(turned, indent=2).encode()).usage == Usage(8, 0)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_are_none_do_not_hide_the_usage(number: bytes) -> None:
    """Servers write what a model computes, and JSON has no word for it (field-report 40)."""
    odd = WHOLE.replace(b"1e-05", number)

    answer = EMBEDDINGS.read_answer(odd)

    assert (answer.usage, answer.complete) == (Usage(8, 0), True)
    assert answer.model == "text-embedding-ada-002"


@pytest.mark.parametrize("sent", [WHOLE, WHOLE.replace(b"1e-05", b"NaN")], ids=["JSON", "NaN"])
def test_cut_at_every_byte_it_is_never_complete_and_never_free(sent: bytes) -> None:
    for length in range(len(sent)):
        answer = EMBEDDINGS.read_answer(sent[:length])

        assert not answer.complete
        assert answer.usage is None


@pytest.mark.parametrize(
    "text", [b"", b"{}", b"[]", b"null", b'{"error": {"message": "no"}}', b"\xff", b'{"data": 1}']
)
def test_what_is_no_answer_is_not_complete(text: bytes) -> None:
    answer = EMBEDDINGS.read_answer(text)

    assert (answer.usage, answer.model, answer.complete) == (None, None, False)


@given(st.binary(max_size=40), st.integers(0, len(WHOLE)))
def test_any_bytes_anywhere_are_survived(noise: bytes, place: int) -> None:
    answer = EMBEDDINGS.read_answer(WHOLE[:place] + noise + WHOLE[place:])

    assert answer.usage is None or answer.usage.output_tokens == 0


@pytest.mark.parametrize(
    ("reported", "usage"),
    [
        ({"prompt_tokens": 5, "total_tokens": 5}, Usage(5, 0)),
        ({"prompt_tokens": 0, "total_tokens": 0}, Usage(0, 0)),
        ({"prompt_tokens": 5}, Usage(5, 0)),
        ({"total_tokens": 5}, Usage(5, 0)),
        ({"prompt_tokens": 5.0, "total_tokens": "5"}, Usage(5, 0)),
        # What a total has beyond the prompt was billed as something.
        ({"prompt_tokens": 5, "total_tokens": 7}, Usage(7, 0)),
        ({"prompt_tokens": 5, "completion_tokens": 0, "total_tokens": 5}, Usage(5, 0)),
        # What a router says it billed: $0.0000001 (field-report 58).
        ({"total_tokens": 5, "cost": 1e-07}, Usage(5, 0, billed_microcents=10)),
    ],
)
def test_every_token_that_is_reported_is_input(reported: Any, usage: Usage) -> None:
    assert read_usage(reported) == (usage, None)


@pytest.mark.parametrize(
    ("reported", "fault"),
    [
        (None, None),
        ({}, UsageFault.INCOMPLETE),
        ({"prompt_tokens": None}, UsageFault.INCOMPLETE),
        ([], UsageFault.NOT_A_COUNT),
        (8, UsageFault.NOT_A_COUNT),
        ({"prompt_tokens": -1}, UsageFault.NOT_A_COUNT),
        ({"prompt_tokens": 8, "total_tokens": 1.5}, UsageFault.NOT_A_COUNT),
        ({"prompt_tokens": True, "total_tokens": 8}, UsageFault.NOT_A_COUNT),
        ({"prompt_tokens": 2**31, "total_tokens": 2**31}, UsageFault.IMPLAUSIBLE),
        ({"prompt_tokens": 8, "total_tokens": 7}, UsageFault.CONTRADICTORY),
    ],
)
def test_a_report_that_cannot_be_true_counts_as_none(reported: Any, fault: Any) -> None:
    assert read_usage(reported) == (None, fault)


def test_the_cost_stands_beside_the_usage_and_nothing_else_changes() -> None:
    told = add_cost(WHOLE, "0.00000016")

    assert json.loads(told)["usage"]["cost_usd"] == "0.00000016"
    assert json.dumps(_VECTOR).encode() in told


def test_vectors_are_passed_over_and_not_decoded() -> None:
    """512 vectors of 1,536 numbers: their objects alone would be 25 MB."""
    vectors = [{"embedding": [0.0123456789] * 1_536, "index": place} for place in range(512)]
    sent = json.dumps(ANSWER | {"data": vectors}).encode()

    assert _peak_bytes(EMBEDDINGS.read_answer, sent) < 64 * 1024
    assert _peak_bytes(read_leniently, sent) > 10 * 2**20


def _peak_bytes(read: Any, sent: bytes) -> int:
    tracemalloc.start()
    try:
        kept = read(sent)
        assert kept is not None
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_usage_that_nests_without_measure_is_none() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    odd = json.dumps(ANSWER | {"usage": "deep"}).encode().replace(b'"deep"', deep)

    answer = EMBEDDINGS.read_answer(odd)

    assert (answer.usage, answer.complete) == (None, False)
