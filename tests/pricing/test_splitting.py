"""Our patterns, without look-ahead, split every text as the published ones do."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pricing.tokens.vocabulary import PUBLISHED, TextEncoder
from tests.pricing.make import loaded_tokenizers, published_encoding, unhurried

NAMES = sorted(PUBLISHED)

BLANKS = "\t\x0b\x0c \x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
NEARLY_BLANK = "\x1c\x1d\x1e\x1f\u200b\ufeff\u180e"
LINE_ENDS = ("\n", "\r", "\r\n", "\n\n")
VISIBLE = (
    *("a", "A", "word", "Bar's", "IT'LL", "'s", "'\u017f", "\u212a", "1", "12345", "!", "//", "/"),
    *("<|endoftext|>", "\u4e2d\u6587", "\u0301", "\u02b0", "\u01c5", "\u0660", "\U0001f600"),
    *("\ud83d", "\ude00", "\u1acf"),
)
TEXTS = st.lists(
    st.sampled_from((*BLANKS, "  ", "    ", *LINE_ENDS, *NEARLY_BLANK, *VISIBLE)), max_size=60
).map("".join)


def count(name: str, text: str) -> int:
    encoder = loaded_tokenizers()._encoders[name]
    assert isinstance(encoder, TextEncoder)
    return encoder.count(text)


def published_count(name: str, text: str) -> int:
    return len(published_encoding(name).encode_ordinary(text))


@unhurried
@given(st.text(max_size=300) | TEXTS, st.sampled_from(NAMES))
@example("x \t y", "o200k_base")
@example("x\n    y\n\n  \n z  ", "cl100k_base")
@example("7  7\u3000\u3000\u4e2d", "o200k_base")
def test_a_text_counts_as_under_the_published_pattern(text: str, name: str) -> None:
    assert count(name, text) == published_count(name, text)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("blank", BLANKS + NEARLY_BLANK)
def test_every_kind_of_blank_counts_as_under_the_published_pattern(name: str, blank: str) -> None:
    for other in (*BLANKS, *NEARLY_BLANK, *LINE_ENDS):
        for word in VISIBLE:
            for end in (f"{2 * blank}{other}{word}", f"\n{2 * blank}{word}{other}{blank}", ""):
                text = f"{word}{blank}{other}{word}{end}\n{other}{2 * blank}"
                assert count(name, text) == published_count(name, text), repr(text)


@pytest.mark.parametrize("name", NAMES)
def test_code_counts_as_under_the_published_pattern(name: str) -> None:
    code = Path(__file__).read_text("utf-8")
    for text in (code, code.replace("    ", "\t"), code.replace("\n", "\r\n"), code * 20):
        assert count(name, text) == published_count(name, text)


@pytest.mark.parametrize("blank", [" ", "\t", "\u3000"])
def test_a_long_run_of_blanks_takes_no_longer_than_any_text(blank: str) -> None:
    """The published pattern panics on a million of them."""
    run = blank * 30_000
    assert count("o200k_base", f"{run}word{run}\n{run}word") < 3 * len(run.encode())
