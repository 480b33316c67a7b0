"""Counts are remembered by digest: a conversation that is sent again is not counted again."""

from pricing.profile import Profile, reviewed_profiles
from pricing.tokens import Tokenizers
from pricing.tokens.counting import REMEMBERED_CHARACTERS_MIN, REMEMBERED_MAX

LONG = "word " * REMEMBERED_CHARACTERS_MIN


class CountingEncoder:
    """One token a character, and every text that was asked for."""

    def __init__(self, factor: int = 1) -> None:
        self.factor = factor
        self.asked = 0

    def count(self, text: str) -> int:
        self.asked += 1
        return len(text) * self.factor


def tokenizers(encoders: dict[str, CountingEncoder]) -> Tokenizers:
    made = Tokenizers(load=lambda name: encoders[name])
    made.load(encoders)
    return made


def profile(model: str) -> Profile:
    return reviewed_profiles().find(model)


def test_a_long_text_is_counted_once() -> None:
    encoder = CountingEncoder()
    counting = tokenizers({"o200k_base": encoder})
    first = counting.count(LONG, profile("gpt-4o"))
    assert counting.count(LONG, profile("gpt-4o-mini")) == first
    assert first.tokens == len(LONG)
    assert encoder.asked == 1


def test_texts_that_differ_anywhere_are_counted_apart() -> None:
    counting = tokenizers({"o200k_base": CountingEncoder()})
    assert counting.count(LONG + "a", profile("gpt-4o")).tokens == len(LONG) + 1
    assert counting.count(LONG + "ab", profile("gpt-4o")).tokens == len(LONG) + 2


def test_the_count_of_one_vocabulary_is_not_that_of_another() -> None:
    counting = tokenizers({"o200k_base": CountingEncoder(), "cl100k_base": CountingEncoder(2)})
    assert counting.count(LONG, profile("gpt-4o")).tokens == len(LONG)
    assert counting.count(LONG, profile("gpt-4")).tokens == 2 * len(LONG)


def test_memory_is_bounded() -> None:
    counting = tokenizers({"o200k_base": CountingEncoder()})
    for number in range(REMEMBERED_MAX + 10):
        counting.count(f"{number:0{REMEMBERED_CHARACTERS_MIN}}", profile("gpt-4o"))
    assert len(counting._remembered) <= REMEMBERED_MAX
