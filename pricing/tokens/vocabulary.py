"""The vocabularies that are part of the package, as encoders.

The two files are OpenAI's, under the MIT licence. They are named as tiktoken names its cache:
the SHA-1 of the address they were published at.
"""

import re
from base64 import b64decode
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files
from typing import Final

import tiktoken


class VocabularyDamaged(Exception):
    """A vocabulary file is missing or is not the one that was published."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where a vocabulary lies, what it must be, and how text is split before it is looked up.

    `split` is the published pattern, `plain_split` one without look-ahead: see `TextEncoder`.
    """

    file: str
    sha256: str
    split: str
    plain_split: str


PUBLISHED: Final = {
    "o200k_base": Published(
        file="fb374d419588a4632f3f557e76b4b70aebbca790",
        sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        split="|".join(
            (
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+(?!\S)",
                r"\s+",
            )
        ),
        plain_split="|".join(
            (
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
                r"\s*[\r\n]+",
                r"\s+",
            )
        ),
    ),
    "cl100k_base": Published(
        file="9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        split="|".join(
            (
                r"'(?i:[sdmt]|ll|ve|re)",
                r"[^\r\n\p{L}\p{N}]?+\p{L}++",
                r"\p{N}{1,3}+",
                r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
                r"\s++$",
                r"\s*[\r\n]",
                r"\s+(?!\S)",
                r"\s",
            )
        ),
        plain_split="|".join(
            (
                r"'(?i:[sdmt]|ll|ve|re)",
                r"[^\r\n\p{L}\p{N}]?\p{L}+",
                r"\p{N}{1,3}",
                r" ?[^\s\p{L}\p{N}]+[\r\n]*",
                r"\s+$",
                r"\s*[\r\n]",
                r"\s+",
            )
        ),
    ),
}
"""Source: https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py"""

_RARE_BLANKS: Final = "\t\x0b\f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
"""White space as Unicode has it, but for the space and the ends of lines; Python's has more."""

_SPACES: Final = re.compile("   *")
_BLANKS: Final = re.compile(f"[ {_RARE_BLANKS}]{{2,}}")


class TextEncoder:
    """Counts ordinary text: it knows no special token, so none can be smuggled in.

    The published patterns look ahead in one place alone: of several blanks before a word, all
    but the last are a piece of their own, and the last goes with the word. For that tiktoken
    leaves its linear matcher for one that backtracks, takes half as long again, and panics on
    a long run. So a digit is put before each such last blank: there a piece ends anyway, and
    the digit is a piece itself, one token in either vocabulary.
    """

    def __init__(self, vocabulary: str) -> None:
        """Takes a few tenths of a second and 25 to 50 MB.

        Raises:
            VocabularyDamaged: the file is missing or its hash is wrong.
        """
        ranks = _ranks(_checked_bytes(vocabulary))
        encoding = tiktoken.Encoding(
            vocabulary,
            pat_str=PUBLISHED[vocabulary].plain_split,
            mergeable_ranks=ranks,
            special_tokens={},
        )
        # tiktoken counts with a copy, and keeps the table only to be pickled: 36 MB for both
        # vocabularies that nobody reads again.
        ranks.clear()
        self._encode = encoding.encode_ordinary

    def count(self, text: str) -> int:
        """How many tokens the text has."""
        if text.isascii() and not ("  " in text or "\t" in text or "\v" in text or "\f" in text):
            return len(self._encode(text))
        pieces = _cut_before_last_blanks(text)
        return len(self._encode("1".join(pieces))) - (len(pieces) - 1)


def _cut_before_last_blanks(text: str) -> list[str]:
    """The text, cut before the last of several blanks that stand before anything visible."""
    # A single character is searched for far more quickly than one of a set.
    has_rare_blanks = any(map(text.__contains__, _RARE_BLANKS))
    pieces = []
    start = 0
    for run in (_BLANKS if has_rare_blanks else _SPACES).finditer(text):
        last = run.end() - 1
        if text[last + 1 : last + 2] not in ("", "\r", "\n"):
            pieces.append(text[start:last])
            start = last
    pieces.append(text[start:])
    return pieces


def check_vocabulary(vocabulary: str) -> None:
    """Make sure that the file is the published one, without building its encoder.

    Raises:
        VocabularyDamaged: the file is missing or its hash is wrong.
    """
    _checked_bytes(vocabulary)


def _checked_bytes(vocabulary: str) -> bytes:
    published = PUBLISHED[vocabulary]
    try:
        content = (files("pricing") / "vocabulary" / published.file).read_bytes()
    except OSError as error:
        raise VocabularyDamaged(f"vocabulary {vocabulary} cannot be read: {error}") from error
    if sha256(content).hexdigest() != published.sha256:
        raise VocabularyDamaged(f"vocabulary {vocabulary} is not the published file: wrong hash")
    return content


def _ranks(content: bytes) -> dict[bytes, int]:
    lines = (line.split() for line in content.splitlines())
    return {b64decode(token): int(rank) for token, rank in lines}
