"""Counts equal tiktoken's own where they say so, and hold for whatever text there is."""

from collections.abc import Callable
from importlib.resources import files
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tiktoken_ext import openai_public  # type: ignore[import-untyped]

from pricing.profile import Profile
from pricing.tokens import Count, Tokenizers, counting, vocabulary
from pricing.tokens.counting import PIECE_CHARACTERS, PIECE_CHARACTERS_MAX
from pricing.tokens.vocabulary import TextEncoder, VocabularyDamaged, check_vocabulary
from tests.pricing.make import loaded_tokenizers, profile_of, unhurried

O200K, CL100K = profile_of("gpt-4o"), profile_of("gpt-4")
BYTES, UNKNOWN = profile_of("llama-3.1-8b"), profile_of("claude-sonnet-4-5")


class Spy:
    """An encoder of one token a character that remembers the longest text it was given."""

    longest = 0

    def count(self, text: str) -> int:
        self.longest = max(self.longest, len(text))
        return len(text)


class PanicException(BaseException):
    """Named as the type that tiktoken's panics have and nobody can import."""


class Panicking:
    def count(self, text: str) -> int:
        raise PanicException("called `Result::unwrap()` on an `Err` value")


def tokenizers_with(encoder: counting.Encoder) -> Tokenizers:
    tokenizers = Tokenizers(lambda _: encoder)
    tokenizers.load()
    return tokenizers


@pytest.mark.parametrize("name", ["o200k_base", "cl100k_base"])
def test_our_encodings_split_text_as_tiktokens_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openai_public, "load_tiktoken_bpe", lambda *_, **__: {b"a": 0})
    theirs = openai_public.ENCODING_CONSTRUCTORS[name]()

    assert vocabulary.PUBLISHED[name].split == theirs["pat_str"]


KNOWN_COUNTS = [
    # https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
    ("tiktoken is great!", 6, 6),
    ("antidisestablishmentarianism", 6, 6),
    ("2 + 2 = 4", 7, 7),
    ("お誕生日おめでとう", 8, 9),
    ("", 0, 0),
]


@pytest.mark.parametrize(("text", "o200k", "cl100k"), KNOWN_COUNTS)
def test_known_texts_have_their_known_counts(text: str, o200k: int, cl100k: int) -> None:
    tokenizers = loaded_tokenizers()

    assert tokenizers.count(text, O200K) == Count(o200k, exact=True)
    assert tokenizers.count(text, CL100K) == Count(cl100k, exact=True)


def test_a_special_token_in_a_text_is_ordinary_text() -> None:
    assert loaded_tokenizers().count("<|endoftext|>", O200K).tokens > 1


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\ude00", "\ud800" * 100_000])
def test_broken_unicode_is_counted(text: str) -> None:
    tokenizers = loaded_tokenizers()
    most = len(text.encode("utf-8", "surrogatepass"))

    assert 0 < tokenizers.count(text, O200K).tokens <= most
    assert tokenizers.count(text, BYTES).tokens == most + 1
    assert tokenizers.count(text, UNKNOWN).tokens >= most


FRAGMENTS = st.sampled_from(
    (
        *("a", "the", "foo", "Bar's", "IT'LL", "7", "1234", ".", "!!", "//", "/path", "'", "'s"),
        *("\u00e9", "\u4e2d\u6587", "\u0301", "\u200b", "\U0001f600"),
        *(" ", "  ", "\t", "\n", "\r\n", "\n\n  ", "\u00a0", "\u2028", "\x85", "\x1c", "\u3000"),
        *(" \n/", "!\n/x", "\n\u4e2d", " 's"),
    )
)
TEXTS = st.lists(FRAGMENTS, max_size=60).map("".join)


@unhurried
@given(TEXTS, st.sampled_from(["o200k_base", "cl100k_base"]))
@example("a b\n/c d", "o200k_base")
@example("x \n \n y", "cl100k_base")
def test_a_text_counted_in_pieces_counts_as_a_whole(text: str, name: str) -> None:
    tokenizers = loaded_tokenizers()
    encoder = tokenizers._encoders[name]
    with patch.object(counting, "PIECE_CHARACTERS", 5):
        pieces = list(counting._pieces(text))

    assert "".join(pieces) == text
    assert sum(map(encoder.count, pieces)) == encoder.count(text)


def test_prose_of_a_megabyte_is_counted_exactly_and_in_pieces() -> None:
    text = "The quick brown fox jumps over the lazy dog, and writes a report.\n" * 16_000
    encoder = loaded_tokenizers()._encoders["o200k_base"]
    spy = Spy()

    assert tokenizers_with(spy).count(text, O200K) == Count(len(text), exact=True)
    assert spy.longest < 2 * PIECE_CHARACTERS
    assert loaded_tokenizers().count(text, O200K) == Count(encoder.count(text), exact=True)


HOSTILE = {
    "spaces": " ",
    "tabs": "\t",
    "letters": "a",
    "no-break spaces": "\u00a0",
    "marks": "\u0301",
    "ideographs": "\u6c49",
    "quotes": "'",
    "mixed whitespace": " \t\x0b",
    "lone surrogates": "\udc80",
}


@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_megabyte_without_a_place_to_cut_counts_as_its_bytes(unit: str) -> None:
    """A million spaces panic inside tiktoken 0.14: they must never get there."""
    text = unit * (1_000_100 // len(unit))
    most = len(text.encode("utf-8", "surrogatepass"))
    spy = Spy()

    assert tokenizers_with(spy).count(text, O200K) == Count(most, exact=False)
    assert spy.longest == 0
    assert loaded_tokenizers().count(text, O200K) == Count(most, exact=False)


@unhurried
@given(st.sampled_from(sorted(HOSTILE.values())), st.integers(0, 300), TEXTS)
def test_no_encoder_is_ever_given_a_long_text(unit: str, thousands: int, tail: str) -> None:
    spy = Spy()

    tokenizers_with(spy).count(unit * (1_000 * thousands) + tail, O200K)

    assert spy.longest <= PIECE_CHARACTERS_MAX


@unhurried
@given(st.text(max_size=400) | TEXTS, st.sampled_from([O200K, CL100K]))
def test_no_text_has_more_tokens_than_bytes(text: str, profile: Profile) -> None:
    tokens = loaded_tokenizers().count(text, profile).tokens

    assert tokens <= len(text.encode("utf-8", "surrogatepass"))


def test_a_panic_inside_the_encoder_is_a_bound_and_not_an_end() -> None:
    assert tokenizers_with(Panicking()).count("four", O200K) == Count(4, exact=False)


def test_an_interrupt_is_not_swallowed() -> None:
    class Interrupted:
        def count(self, text: str) -> int:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tokenizers_with(Interrupted()).count("text", O200K)


def test_until_a_vocabulary_is_loaded_bytes_serve() -> None:
    tokenizers = Tokenizers()

    assert not tokenizers.is_loaded("o200k_base")
    assert tokenizers.count("tiktoken is great! \u00e9", O200K) == Count(21, exact=False)


def test_a_vocabulary_is_loaded_once() -> None:
    loaded = list[str]()

    def load(name: str) -> Spy:
        loaded.append(name)
        return Spy()

    tokenizers = Tokenizers(load)
    tokenizers.load(["o200k_base"])
    tokenizers.load()

    assert loaded == ["o200k_base", "cl100k_base"]
    assert tokenizers.is_loaded("cl100k_base")


def test_a_tokenizer_that_is_only_presumed_gets_its_margin() -> None:
    """GPT-6 was measured to count like o200k_base, which nobody has confirmed."""
    presumed = profile_of("gpt-6-sol")

    assert loaded_tokenizers().count("tiktoken is great!", presumed) == Count(7, exact=False)


def test_a_known_count_under_an_unlike_chat_template_is_no_longer_exact() -> None:
    assert loaded_tokenizers().count("great", profile_of("gpt-oss-120b")) == Count(1, exact=False)


NORMALISED = [
    # characters, bytes of the longest normal form, and one for a leading space
    ("plain", 6),
    ("\ufdfa", 34),
    ("\U0001d160", 13),
    ("\u0958", 7),
    ("\ufb01", 4),
    ("\u0958\ufb01", 10),
    ("\u6c49\u5b57", 7),
    ("\ufdfa" * 1_000, 33_001),
]


@pytest.mark.parametrize(("text", "tokens"), NORMALISED)
def test_a_tokenizer_that_may_normalise_is_bounded_by_the_longest_form(
    text: str, tokens: int
) -> None:
    """U+FDFA is 3 bytes and 33 after NFKC: the bytes of the text would be no bound."""
    assert loaded_tokenizers().count(text, UNKNOWN) == Count(tokens, exact=False)


def published_bytes(name: str) -> bytes:
    return (files("pricing") / "vocabulary" / vocabulary.PUBLISHED[name].file).read_bytes()


DAMAGED = {
    "one bit": lambda content: bytes([content[0] ^ 1]) + content[1:],
    "cut short": lambda content: content[:-1],
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_vocabulary_is_refused(
    damage: Callable[[bytes], bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = damage(published_bytes("cl100k_base"))
    folder = tmp_path_factory.mktemp("pricing")
    (folder / "vocabulary").mkdir()
    (folder / "vocabulary" / vocabulary.PUBLISHED["cl100k_base"].file).write_bytes(content)

    with (
        patch.object(vocabulary, "files", lambda _: folder),
        pytest.raises(VocabularyDamaged, match="wrong hash"),
    ):
        check_vocabulary("cl100k_base")


def test_a_missing_vocabulary_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        patch.object(vocabulary, "files", lambda _: tmp_path_factory.mktemp("empty")),
        pytest.raises(VocabularyDamaged, match="cannot be read"),
    ):
        check_vocabulary("o200k_base")


def test_the_published_vocabularies_pass_their_check() -> None:
    for name in vocabulary.PUBLISHED:
        check_vocabulary(name)
        assert isinstance(loaded_tokenizers()._encoders[name], TextEncoder)
