"""What goes into a model, as parts that can be counted. Made by a dialect, counted by `bound`."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Text:
    """Text that the provider tokenizes as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """An image. `width` and `height` in pixels, None where only the provider can see it."""

    width: int | None
    height: int | None
    detail: Literal["auto", "low", "high", "original"] = "auto"


@dataclass(frozen=True, slots=True)
class Audio:
    """Inline audio. `payload_bytes` is its decoded size; `format` as the API names it."""

    format: str
    payload_bytes: int
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class File:
    """An inline document of `payload_bytes`, which the provider turns into text and images."""

    filename: str
    payload_bytes: int


@dataclass(frozen=True, slots=True)
class Unseen:
    """Input that only the provider can see: a file id, a stored prompt, an image address."""

    what: str


Part = Text | Image | Audio | File | Unseen


@dataclass(frozen=True, slots=True)
class Prompt:
    """The parts of one request.

    `framing_tokens` is what the API adds around them: per message, per name, per tool,
    and the priming of the reply.
    """

    parts: tuple[Part, ...]
    framing_tokens: int
