"""What may befall a request to an authority, and its answer."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

Json = dict[str, Any]


@dataclass(frozen=True)
class LoseRequest:
    """The connection breaks before the authority has it."""


@dataclass(frozen=True)
class LoseReply:
    """It is applied; then the connection breaks."""


@dataclass(frozen=True)
class Hang:
    """It is applied, and no answer ever comes."""


@dataclass(frozen=True)
class HoldReply:
    """It is applied; the answer waits until it is released."""

    released: asyncio.Event


@dataclass(frozen=True)
class Answer:
    """It is not applied; this is the answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Garble:
    """It is applied; the answer becomes this."""

    change: Callable[[int, Json], tuple[int, bytes]]


@dataclass(frozen=True)
class Pass:
    """Nothing befalls it."""


Fate = LoseRequest | LoseReply | Hang | HoldReply | Answer | Garble | Pass


def throttled(after_s: int) -> Answer:
    return error("LIMIT_EXCEEDED", 429, ("Retry-After", str(after_s)))


def error(code: str, status: int, *headers: tuple[str, str]) -> Answer:
    body = {"error": code, "message": "no", "request_id": "r", "details": {"any": [1]}}
    return Answer(status, msgspec.json.encode(body), headers)
