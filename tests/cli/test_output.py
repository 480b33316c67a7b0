"""What commands print, for people."""

import pytest

from proxy.cli.output import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 calls"), (1, "1 call"), (2, "2 calls"), (2_000, "2,000 calls")]
)
def test_only_one_is_one(number: int, text: str) -> None:
    assert counted(number, "call") == text


@pytest.mark.parametrize(("number", "text"), [(1, "1 entry"), (12, "12 entries")])
def test_not_every_word_takes_an_s(number: int, text: str) -> None:
    assert counted(number, "entry", "entries") == text
