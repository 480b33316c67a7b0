"""The name of a hold says what it is made of, whatever an authority calls its reservations."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.money import Unit
from proxy.ledger.cycles.asking.requests import key_of
from proxy.ledger.cycles.parts import Part, by_unit, name_of, parts_of

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=128)


@given(st.lists(st.builds(Part, st.sampled_from(Unit), IDS), min_size=1, max_size=4))
def test_a_name_reads_back_as_its_parts(parts: list[Part]) -> None:
    assert parts_of(name_of(parts)) == tuple(parts)


@pytest.mark.parametrize("plain", ["rsv_1", "5f7d7a52-08f1-4b6f-8a0e-4d4f8d3f6c11", "a/b:c"])
def test_a_reservation_in_dollars_goes_by_its_own_id(plain: str) -> None:
    assert name_of([Part(Unit.USD_MICROCENTS, plain)]) == plain


def test_what_is_held_in_one_unit_has_a_name_of_its_own() -> None:
    assert by_unit("a,TOKENS=b,c") == (
        (Unit.USD_MICROCENTS, "a,c"),
        (Unit.TOKENS, "TOKENS=b"),
    )


def test_a_key_that_is_too_long_for_the_wire_is_told_by_its_digest() -> None:
    assert key_of("a", "", "b") == "a/b"
    assert key_of("a" * 256) == "a" * 256
    long, other = key_of("a" * 257), key_of("a" * 256, "b")
    assert long != other
    assert max(len(long), len(other)) <= 256
