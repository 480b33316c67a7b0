"""What is wrong with a body is said in one sentence, without its values."""

import pytest

from proxy.cycles_wire.reading import MAX_DEPTH, MalformedRequest, read_request
from proxy.cycles_wire.requests import CommitRequest, ReleaseRequest

ACTUAL = b'"actual": {"unit": "TOKENS", "amount": 1}'


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "The body is not valid: Input data was truncated."),
        (b"[]", "The body is not valid: Expected `object`, got `array`."),
        (b'{"idempotency_key": ""}', "The body is not valid: Expected `str` of length >= 1 - at"),
        (b'{"idempotency_key": null}', "Expected `str`, got `null`"),
        (b'{"idempotency_key": "\xff"}', "The body is not valid UTF-8."),
        (b'{"idempotency_key": "k", "reason": NaN}', "JSON is malformed"),
        (b'{"idempotency_key": "k", "why": ""}', "Object contains unknown field `why`"),
        (b'{"idempotency_key": "k", "idempotency_key": "k"}', "a key is given twice in the same"),
        (b"{}", "Object missing required field `idempotency_key`"),
    ],
)
def test_the_fault_is_named(body: bytes, sentence: str) -> None:
    with pytest.raises(MalformedRequest) as fault:
        read_request(body, ReleaseRequest)
    assert sentence in str(fault.value)


@pytest.mark.parametrize(
    "metadata",
    [b'{"a": 1, "a": 2}', b'{"a": [{"b": 1, "b": 1}]}', b'{"a": 1, "\\u0061": 2}'],
)
def test_a_key_is_given_once_at_any_depth(metadata: bytes) -> None:
    body = b'{"idempotency_key": "k", ' + ACTUAL + b', "metadata": ' + metadata + b"}"
    with pytest.raises(MalformedRequest, match="a key is given twice in the same object"):
        read_request(body, CommitRequest)


@pytest.mark.parametrize("levels", [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 900, 100_000])
def test_metadata_nests_so_far_and_no_further(levels: int) -> None:
    nested = b"[" * (levels - 2) + b"]" * (levels - 2)
    body = b'{"idempotency_key": "k", ' + ACTUAL + b', "metadata": {"a": ' + nested + b"}}"
    if levels <= MAX_DEPTH:
        assert read_request(body, CommitRequest).idempotency_key == "k"
    else:
        with pytest.raises(MalformedRequest, match="nests deeper than 64 levels"):
            read_request(body, CommitRequest)


def test_a_value_is_never_quoted_and_a_name_only_in_part() -> None:
    with pytest.raises(MalformedRequest) as fault:
        read_request(b'{"idempotency_key": "k", "reason": ["sk-secret"]}', ReleaseRequest)
    assert "secret" not in str(fault.value)
    with pytest.raises(MalformedRequest) as fault:
        read_request(b'{"' + b"x" * 100_000 + b'": 1}', ReleaseRequest)
    assert len(str(fault.value)) == 300


def test_numbers_of_metadata_keep_their_digits() -> None:
    body = b'{"idempotency_key": "k", ' + ACTUAL + b', "metadata": {"a": 123456789012345678901}}'
    assert read_request(body, CommitRequest).metadata == {"a": 123456789012345678901}
