"""The tokenizers, read from plain files.

The files are the published vocabularies of tiktoken, named by the SHA-1 of their address.
They are data that the checkout and the installed application carry once, in
`pricing/vocabulary`; they are found as files, so that no code of `pricing` is used.
"""

import base64
import functools
import re
from pathlib import Path

import tiktoken

_FILES = {
    "o200k_base": "fb374d419588a4632f3f557e76b4b70aebbca790",
    "cl100k_base": "9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
}

# Where each encoding cuts a text before it merges bytes, as published with the vocabulary
# (https://github.com/openai/tiktoken/blob/main/tiktoken_ext/openai_public.py).
_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_CUTS = {
    "o200k_base": "|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
            + _CONTRACTIONS,
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
            + _CONTRACTIONS,
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
    "cl100k_base": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
}

# A space after something that is not one always begins a new piece, so a text cut there
# counts the same in two parts as in one.
_SAFE_CUT = re.compile(r"(?<=\S)(?= \S)")
# One call on a longer text could exhaust the stack of the tokenizer's regular expressions.
_LONGEST_SLICE = 200_000


def default_folder() -> Path:
    """Where the checkout and the installed application keep the vocabulary files."""
    return Path(__file__).resolve().parents[2] / "pricing" / "vocabulary"


class Vocabulary:
    """Counts and splits text with the files of one folder, each read when first needed."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or default_folder()

    def count(self, encoding: str, text: str) -> int:
        """Tokens of `text`; special tokens in it are ordinary text.

        Raises FileNotFoundError: the folder has no such vocabulary.
        """
        return _count(self._folder, encoding, text)

    def split(self, encoding: str, text: str) -> tuple[str, ...]:
        """`text` as one string a token; empty where a token ends inside a character."""
        encoder = _load(self._folder, encoding)
        decode = _Utf8()
        return tuple(
            decode.next(token)
            for token in encoder.decode_tokens_bytes(encoder.encode_ordinary(text))
        )


class _Utf8:
    """Decodes bytes as they come and holds back the beginning of a character."""

    def __init__(self) -> None:
        self._held = b""

    def next(self, data: bytes) -> str:
        self._held += data
        try:
            text, self._held = self._held.decode(), b""
        except UnicodeDecodeError as error:
            text = self._held[: error.start].decode()
            self._held = self._held[error.start :]
        return text


@functools.lru_cache(maxsize=8192)
def _count(folder: Path, encoding: str, text: str) -> int:
    encoder = _load(folder, encoding)
    return sum(len(encoder.encode_ordinary(part)) for part in _slices(text))


def _slices(text: str) -> list[str]:
    slices, start = [], 0
    while len(text) - start > _LONGEST_SLICE:
        end = start + _LONGEST_SLICE
        cut = next(_SAFE_CUT.finditer(text, end - 1000, end), None)
        slices.append(text[start : (end := cut.start() if cut else end)])
        start = end
    return [*slices, text[start:]]


@functools.cache
def _load(folder: Path, encoding: str) -> tiktoken.Encoding:
    ranks = {}
    for line in (folder / _FILES[encoding]).read_bytes().splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    return tiktoken.Encoding(
        encoding, pat_str=_CUTS[encoding], mergeable_ranks=ranks, special_tokens={}
    )
