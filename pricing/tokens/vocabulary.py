"""The vocabularies that are part of the package, as encoders.

The two files are OpenAI's, under the MIT licence. They are named as tiktoken names its cache:
the SHA-1 of the address they were published at.
"""

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
    """Where a vocabulary lies, what it must be, and how text is split before it is looked up."""

    file: str
    sha256: str
    split: str


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
    ),
}
"""Source: https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py"""


def load_encoder(vocabulary: str) -> tiktoken.Encoding:
    """An encoder for ordinary text: it knows no special token, so none can be smuggled in.

    Takes a few tenths of a second and 40 to 70 MB.

    Raises:
        VocabularyDamaged: the file is missing or its hash is wrong.
    """
    published = PUBLISHED[vocabulary]
    return tiktoken.Encoding(
        vocabulary,
        pat_str=published.split,
        mergeable_ranks=_ranks(_checked_bytes(vocabulary)),
        special_tokens={},
    )


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
