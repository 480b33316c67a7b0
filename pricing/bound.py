"""The most tokens a prompt can be, how good that bound is, and where it comes from."""

from enum import StrEnum
from typing import Final

import msgspec

from pricing.images import count_image
from pricing.profile import Profile
from pricing.prompt import Audio, File, Image, Part, Prompt, Sealed, Text, Tokens, Unbounded, Unseen
from pricing.tokens import Tokenizers

LOWEST_MP3_BYTES_PER_SECOND: Final = 1_000
"""The lowest bit rate of MPEG layer III is 8 kbit/s (ISO/IEC 13818-3, table of bit rates)."""


class BoundClass(StrEnum):
    """How good a bound is; the worst of its parts decides.

    EXACT is the provider's own count, MARGIN a proven or published upper bound, WINDOW what
    is left of the model's window, NONE no bound at all.
    """

    EXACT = "exact"
    MARGIN = "margin"
    WINDOW = "window"
    NONE = "none"

    def or_worse(self, other: "BoundClass") -> "BoundClass":
        """The worse of the two."""
        return other if _BADNESS[other] > _BADNESS[self] else self


_BADNESS: Final = {grade: place for place, grade in enumerate(BoundClass)}


class BoundLine(msgspec.Struct, frozen=True):
    """What `count` parts of one kind add, for `spendgate estimate`."""

    what: str
    count: int
    tokens: int
    bound_class: BoundClass
    why: str


class InputBound(msgspec.Struct, frozen=True):
    """Upper bounds in tokens, by what they may be billed as.

    `text_tokens` includes framing. `unseen_tokens` is for input that only the provider can
    see, and for all that the further rounds of its loop read; where nothing bounds it the
    class is NONE and it is 0.
    """

    text_tokens: int
    image_tokens: int
    audio_tokens: int
    unseen_tokens: int
    bound_class: BoundClass
    lines: tuple[BoundLine, ...]

    @property
    def total_tokens(self) -> int:
        """The most input tokens a bill can show."""
        return self.text_tokens + self.image_tokens + self.audio_tokens + self.unseen_tokens


def count_prompt(prompt: Prompt, profile: Profile, tokenizers: Tokenizers) -> InputBound:
    """Bound every part of `prompt` for a model of this profile.

    Large texts take long: see `Tokenizers.count`.
    """
    counting = _Counting(profile, tokenizers)
    counting.add_framing(prompt.framing_tokens)
    for part in prompt.parts:
        if type(part) is Text:
            counting.add_text(part)
        else:
            counting.add_other(part)
    return counting.finish(prompt)


class _Counting:
    """Sums by kind, and lines that stay few however many parts there are."""

    def __init__(self, profile: Profile, tokenizers: Tokenizers) -> None:
        self.profile = profile
        self.tokenizers = tokenizers
        self.tokens = {"text": 0, "image": 0, "audio": 0}
        self.lines: dict[tuple[str, str], BoundLine] = {}
        self.unseen: dict[str, str] = {}
        self.is_bounded = profile.context_window is not None

    def add_framing(self, framing_tokens: int) -> None:
        tokenizer = self.profile.tokenizer
        tokens = framing_tokens * tokenizer.framing_factor + tokenizer.overhead_tokens
        grade = BoundClass.EXACT if tokenizer.exact else BoundClass.MARGIN
        self._add("text", "framing", tokens, grade, f"chat template, {tokenizer.name}")

    def add_text(self, part: Text) -> None:
        count = self.tokenizers.count(part.text, self.profile)
        name = self.profile.tokenizer.name
        if count.exact:
            self._add("text", "text", count.tokens, BoundClass.EXACT, f"counted with {name}")
        else:
            self._add("text", "text", count.tokens, BoundClass.MARGIN, f"bounded for {name}")

    def add_other(self, part: Part) -> None:
        match part:
            case Tokens():
                self._add("text", "tokens", part.count, BoundClass.EXACT, "counted by the caller")
            case Image():
                self.add_image(part)
            case Audio():
                self.add_audio(part)
            case File():
                self.add_unseen("file", "a document can unpack to any size")
            case Sealed():
                self._add("text", "sealed", part.payload_bytes, BoundClass.MARGIN, "its bytes")
            case Unseen():
                self.add_unseen(part.what, "only the provider can see it")
            case Unbounded():
                self.add_unseen(part.what, "nobody publishes a limit of it")
                self.is_bounded = False

    def add_image(self, part: Image) -> None:
        rule = self.profile.image_rule
        if rule is None:
            return self.add_unseen("image", "no published rule for images of this model")
        tokens = count_image(rule, part)
        if tokens is None:
            return self.add_unseen("image", "its size is unseen and the model does not shrink it")
        return self._add("image", "image", tokens, BoundClass.MARGIN, "the published rule")

    def add_audio(self, part: Audio) -> None:
        tokens = _audio_tokens(part, self.profile.audio_tokens_per_second)
        window = self.profile.context_window
        if tokens is None:
            return self.add_unseen("audio", "its length is unseen")
        if window is not None and tokens > window:
            return self.add_unseen("audio", "it can be longer than the window")
        return self._add("audio", "audio", tokens, BoundClass.MARGIN, "the published rate")

    def add_unseen(self, what: str, why: str) -> None:
        self.unseen[what] = why

    def finish(self, prompt: Prompt) -> InputBound:
        window = self.profile.context_window
        counted = sum(self.tokens.values())
        rounds, found = prompt.rounds, prompt.rounds_add_tokens
        is_all_seen = not self.unseen
        grade, unseen_tokens = BoundClass.EXACT, 0
        if rounds > 1:
            self.add_unseen("further rounds", f"each of {rounds} reads all there is by then")
        if rounds > 1 and found is not None and is_all_seen:
            grade = BoundClass.WINDOW
            most = counted + found
            unseen_tokens = (rounds - 1) * (most if window is None else min(most, window))
        elif self.unseen and not self.is_bounded:
            grade = BoundClass.NONE
        elif self.unseen and window is not None:
            grade = BoundClass.WINDOW
            unseen_tokens = max(0, rounds * window - counted)
        lines = [*self.lines.values()]
        for line in lines:
            if line.bound_class is not grade:
                grade = grade.or_worse(line.bound_class)
        if self.unseen:
            lines += self._unseen_lines(grade, unseen_tokens)
        tokens = self.tokens
        return InputBound(
            tokens["text"], tokens["image"], tokens["audio"], unseen_tokens, grade, tuple(lines)
        )

    def _add(self, kind: str, what: str, tokens: int, grade: BoundClass, why: str) -> None:
        self.tokens[kind] += tokens
        seen = self.lines.get((what, why))
        if seen is None:
            self.lines[what, why] = BoundLine(what, 1, tokens, grade, why)
        else:
            self.lines[what, why] = BoundLine(
                what, seen.count + 1, seen.tokens + tokens, grade, why
            )

    def _unseen_lines(self, grade: BoundClass, unseen_tokens: int) -> tuple[BoundLine, ...]:
        """All of them share what is left of the window, so the first line carries it."""
        shares = (unseen_tokens, *(0 for _ in self.unseen))
        return tuple(
            BoundLine(what, 1, tokens, grade, why)
            for (what, why), tokens in zip(self.unseen.items(), shares, strict=False)
        )


def _audio_tokens(audio: Audio, tokens_per_second: int | None) -> int | None:
    if tokens_per_second is None:
        return None
    if audio.duration_ms is not None:
        return -(-audio.duration_ms * tokens_per_second // 1_000) + 1
    if audio.format == "mp3":
        return -(-audio.payload_bytes * tokens_per_second // LOWEST_MP3_BYTES_PER_SECOND) + 1
    return None
