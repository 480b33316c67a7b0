"""What goes into a model, as parts that can be counted. Made by a dialect, counted by `bound`."""

from typing import Literal

import msgspec


class Text(msgspec.Struct, frozen=True):
    """Text that the provider tokenizes as it stands."""

    text: str


class Tokens(msgspec.Struct, frozen=True):
    """Text that comes as the tokens of the provider, so that their number is known."""

    count: int


class Image(msgspec.Struct, frozen=True):
    """An image. `width` and `height` in pixels, None where only the provider can see it."""

    width: int | None
    height: int | None
    detail: Literal["auto", "low", "high", "original"] = "auto"


class Audio(msgspec.Struct, frozen=True):
    """Inline audio. `payload_bytes` is its decoded size; `format` as the API names it."""

    format: str
    payload_bytes: int
    duration_ms: int | None = None


class File(msgspec.Struct, frozen=True):
    """An inline document of `payload_bytes`, which the provider turns into text and images."""

    filename: str
    payload_bytes: int


class Sealed(msgspec.Struct, frozen=True):
    """Text that only the provider can read, of which the size is known: encrypted reasoning.

    It is bounded by its bytes, as if nobody compressed what is then encrypted: no provider
    is known to.
    """

    payload_bytes: int


class Unseen(msgspec.Struct, frozen=True):
    """Input that only the provider can see: a file id, a stored prompt, an image address."""

    what: str


class Unbounded(msgspec.Struct, frozen=True):
    """Work of the provider for which nobody names a most: a summary, a second model."""

    what: str


Part = Text | Tokens | Image | Audio | File | Sealed | Unseen | Unbounded


class Prompt(msgspec.Struct, frozen=True):
    """The parts of one request.

    `framing_tokens` is what the API adds around them: per message, per name, per tool,
    and the priming of the reply. `rounds` is how often a loop of the provider may read all
    of it again, with what its tools found, for one call. `rounds_add_tokens` is the most
    that they find, where that is published; None: the window alone limits it.
    """

    parts: tuple[Part, ...]
    framing_tokens: int
    rounds: int = 1
    rounds_add_tokens: int | None = None
