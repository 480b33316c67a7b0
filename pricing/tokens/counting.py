"""Counts that never break and never take long, whatever the text.

Measured with tiktoken 0.14: a run of a million spaces panics inside it (an exception that is
not an Exception), and text without natural splits costs about 0.3 ms a kB. So a long text is
cut where both encodings split anyway, and a piece without such a place counts as its bytes:
these encodings are byte-level, no text has more tokens than bytes. docs/decisions/tokens.md.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from threading import Lock
from typing import Final, Protocol
from unicodedata import normalize

import msgspec

from pricing.profile import Profile, Tokenizer
from pricing.tokens.vocabulary import PUBLISHED, TextEncoder

PIECE_CHARACTERS: Final = 32_768
"""A longer text is counted in pieces of about this length."""

PIECE_CHARACTERS_MAX: Final = 4 * PIECE_CHARACTERS
"""A piece longer than this has nowhere to be cut and counts as its bytes."""

REMEMBERED_CHARACTERS_MIN: Final = 256
"""Counting a shorter text is as quick as taking its digest."""

REMEMBERED_MAX: Final = 16_384
"""Two or three megabytes of digests."""

DIGEST_BYTES: Final = 16
"""Of SHA-256, for which processors have instructions: nobody finds two texts with the same."""

NORMALISED_CHARACTERS: Final = 128
"""Normalising is quadratic in the length of a run of combining marks, so runs are kept short."""

_NATURAL_SPLIT: Final = re.compile(r"(?<=[a-z])(?= [a-z])|(?<=\n)(?=[^\s/])")
"""Where o200k_base and cl100k_base both begin a new token, whatever stands around it: a space
between small ASCII letters goes with the second word, and nothing but more white space or a
slash continues a line's end."""


class Encoder(Protocol):
    """What counts with one vocabulary."""

    def count(self, text: str) -> int:
        """How many tokens `text` has; special tokens in it are ordinary text."""
        ...


class Count(msgspec.Struct, frozen=True):
    """`exact`: the provider's own count. Otherwise an upper bound of it."""

    tokens: int
    exact: bool


class Tokenizers:
    """Counts text by the tokenizer of a model.

    A vocabulary that is not loaded yet is replaced by the bytes of the text, so counting
    works from the first moment on. All methods may be called from any thread.
    """

    def __init__(self, load: Callable[[str], Encoder] = TextEncoder) -> None:
        self._load = load
        self._loading = Lock()
        self._encoders: dict[str, Encoder] = {}
        self._remembered: dict[bytes, Count] = {}

    def load(self, vocabularies: Iterable[str] = tuple(PUBLISHED)) -> None:
        """Load what is not loaded yet. Takes tenths of a second: meant for a thread.

        Raises:
            VocabularyDamaged: a file is missing or its hash is wrong.
        """
        for vocabulary in vocabularies:
            with self._loading:
                if vocabulary not in self._encoders:
                    self._encoders[vocabulary] = self._load(vocabulary)

    def is_loaded(self, vocabulary: str) -> bool:
        """Whether counts with this vocabulary are its own."""
        return vocabulary in self._encoders

    def count(self, text: str, profile: Profile) -> Count:
        """The most tokens `text` can be for a model of this profile.

        Up to 32 kB it takes less than 10 ms, beyond that up to half a second a MB: in a thread.
        """
        tokenizer = profile.tokenizer
        if tokenizer.vocabulary is None:
            return Count(_most_bytes(text, tokenizer), exact=False)
        encoder = self._encoders.get(tokenizer.vocabulary)
        if encoder is None:
            return Count(_utf8_bytes(text), exact=False)
        count = self._count(text, tokenizer.vocabulary, encoder)
        if tokenizer.exact:
            return count
        return Count(-(-count.tokens * (100 + tokenizer.margin_pct) // 100), exact=False)

    def _count(self, text: str, vocabulary: str, encoder: Encoder) -> Count:
        """Count a text, or remember how many tokens it had.

        An agent sends its whole conversation again with every call. What is remembered is a
        digest, never the text.
        """
        if len(text) < REMEMBERED_CHARACTERS_MIN:
            return _count(text, encoder)
        encoded = text.encode("utf-8", "surrogatepass")
        key = sha256(encoded).digest()[:DIGEST_BYTES] + vocabulary.encode()
        count = self._remembered.get(key)
        if count is None:
            count = _count(text, encoder)
            if len(self._remembered) >= REMEMBERED_MAX:
                self._remembered.clear()
            self._remembered[key] = count
        return count


def _count(text: str, encoder: Encoder) -> Count:
    if len(text) <= PIECE_CHARACTERS:
        return _count_piece(text, encoder)
    counts = [_count_piece(piece, encoder) for piece in _pieces(text)]
    return Count(sum(count.tokens for count in counts), all(count.exact for count in counts))


def _pieces(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        split = _NATURAL_SPLIT.search(text, start + PIECE_CHARACTERS)
        end = split.start() if split else len(text)
        yield text[start:end]
        start = end


def _count_piece(piece: str, encoder: Encoder) -> Count:
    if len(piece) > PIECE_CHARACTERS_MAX:
        return Count(_utf8_bytes(piece), exact=False)
    try:
        return Count(encoder.count(piece), exact=True)
    except BaseException as error:
        # A panic inside tiktoken is a BaseException of a type that cannot be imported.
        if type(error).__name__ != "PanicException":
            raise
        return Count(_utf8_bytes(piece), exact=False)


def _most_bytes(text: str, tokenizer: Tokenizer) -> int:
    """The bytes of the text or of its longest normal form; one more for a leading space that
    some tokenizers put before it."""
    if text.isascii() or not tokenizer.normalises:
        return _utf8_bytes(text) + 1
    pieces = [
        text[start : start + NORMALISED_CHARACTERS]
        for start in range(0, len(text), NORMALISED_CHARACTERS)
    ]
    composed = sum(_utf8_bytes(normalize("NFC", piece)) for piece in pieces)
    compatible = sum(_utf8_bytes(normalize("NFKC", piece)) for piece in pieces)
    return max(_utf8_bytes(text), composed, compatible) + 1


def _utf8_bytes(text: str) -> int:
    """A lone surrogate counts as the three bytes of the character that replaces it."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
