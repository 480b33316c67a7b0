"""Vectors of RFC 8785, and what its reader must be able to trust."""

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cycles_wire.canonical import canonical, payload_hash
from proxy.cycles_wire.reading import read_request
from proxy.cycles_wire.requests import ReservationCreateRequest

MINIMAL = {
    "idempotency_key": "k",
    "subject": {"tenant": "acme"},
    "action": {"kind": "llm.completion", "name": "m"},
    "estimate": {"unit": "TOKENS", "amount": 1},
}

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner)
    ),
    max_leaves=10,
)


def test_the_sample_of_section_3_2_2() -> None:
    text = rb"""{
        "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
        "literals": [null, true, false]
    }"""
    assert (
        canonical(json.loads(text))
        == (
            '{"literals":[null,true,false],'
            '"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
            '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
        ).encode()
    )


def test_names_are_sorted_by_utf16_as_in_section_3_2_3() -> None:
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    ordered = json.loads(canonical(dict.fromkeys(names, 0)))
    assert list(ordered) == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


@pytest.mark.parametrize(
    ("bits", "written"),
    [
        ("0000000000000000", "0"),
        ("8000000000000000", "0"),
        ("0000000000000001", "5e-324"),
        ("8000000000000001", "-5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("ffefffffffffffff", "-1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("c340000000000000", "-9007199254740992"),
        ("4430000000000000", "295147905179352830000"),
        ("44b52d02c7e14af5", "9.999999999999997e+22"),
        ("44b52d02c7e14af6", "1e+23"),
        ("44b52d02c7e14af7", "1.0000000000000001e+23"),
        ("444b1ae4d6e2ef4e", "999999999999999700000"),
        ("444b1ae4d6e2ef4f", "999999999999999900000"),
        ("444b1ae4d6e2ef50", "1e+21"),
        ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("41b3de4355555553", "333333333.3333332"),
        ("41b3de4355555557", "333333333.33333343"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
    ],
)
def test_the_numbers_of_appendix_b(bits: str, written: str) -> None:
    value = memoryview(bytes.fromhex(bits)[::-1]).cast("d")[0]
    assert canonical(value) == written.encode()


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_what_json_has_not_is_an_error(number: str) -> None:
    with pytest.raises(ValueError, match="neither infinity nor NaN"):
        canonical(float(number))


def test_a_lone_surrogate_is_an_error() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        canonical("\ud800")


@given(VALUES)
def test_it_reads_back_as_what_it_was(value: Any) -> None:
    read = json.loads(canonical(value))
    assert read == value
    assert canonical(read) == canonical(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_double_keeps_its_value(value: float) -> None:
    assert float(canonical(value)) == value


@given(st.integers(min_value=2**53 - 2, max_value=2**63 - 1))
def test_neighbours_beyond_doubles_are_two_values(amount: int) -> None:
    assert canonical(amount) != canonical(amount - 1)


def test_a_hash_is_of_the_canonical_bytes() -> None:
    assert payload_hash({"b": 1, "a": 2}) == hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


@pytest.mark.parametrize(
    "spelled_out",
    [
        {"dry_run": False},
        {"ttl_ms": 60_000, "grace_period_ms": 5_000},
        {"overage_policy": "ALLOW_IF_AVAILABLE"},
    ],
)
def test_a_default_that_is_spelled_out_is_the_same_request(spelled_out: dict[str, Any]) -> None:
    assert hash_of(MINIMAL | spelled_out) == hash_of(MINIMAL)


@pytest.mark.parametrize(
    "change",
    [
        {"dry_run": True},
        {"estimate": {"unit": "TOKENS", "amount": 2}},
        {"estimate": {"unit": "CREDITS", "amount": 1}},
        {"subject": {"tenant": "Acme"}},
        {"metadata": {}},
        {"ttl_ms": 60_001},
    ],
)
def test_any_change_is_another_request(change: dict[str, Any]) -> None:
    assert hash_of(MINIMAL | change) != hash_of(MINIMAL)


def test_amounts_beyond_doubles_hash_exactly() -> None:
    amounts = [{"estimate": {"unit": "TOKENS", "amount": 2**53 + more}} for more in (0, 1)]
    assert hash_of(MINIMAL | amounts[0]) != hash_of(MINIMAL | amounts[1])


def hash_of(request: dict[str, Any]) -> str:
    return payload_hash(read_request(msgspec.json.encode(request), ReservationCreateRequest))
