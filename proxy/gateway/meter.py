"""Step 6. Read what was used from the bytes on their way to the caller.

Bytes go on as they came; what is read from them is a copy, decompressed where needed. No
JSON is decoded and nothing is tokenized per chunk.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from proxy.dialects.chat_answer import Answer, read_answer
from proxy.dialects.chat_stream import AnswerStream
from proxy.dialects.decoding import Decoder, UndecodableAnswer, decoder_for
from proxy.domain.errors import Reason, Refused
from proxy.gateway.ending import Ending, Outcome
from proxy.gateway.forward import BrokenOff, UpstreamAnswer
from proxy.gateway.reply import ClientGone, Reply


@dataclass(slots=True)
class Metered:
    """What came of a call: how it ended, and what was read on the way."""

    ending: Ending
    answer: Answer | None = None
    body: bytes = b""
    """The answer as it came, for one that is not streamed."""
    client_left: bool = False


class DrainMeter(Protocol):
    """Says when an answer that nobody hears has cost enough."""

    def __call__(self, answer_bytes: int) -> bool:
        """Whether to go on reading after so many bytes."""
        ...


async def read_whole(answer: UpstreamAnswer) -> Metered:
    """Take the whole answer in, then read it. Errors of the upstream stay as they are."""
    pieces: list[bytes] = []
    outcome = _outcome_of(answer.status)
    try:
        while piece := await answer.read():
            pieces.append(piece)
    except BrokenOff:
        outcome = Outcome.REFUSED if outcome is Outcome.REFUSED else Outcome.BROKEN
    body = b"".join(pieces)
    read = None
    if outcome is Outcome.COMPLETE:
        read = read_answer(_decoded(body, answer.headers.get("Content-Encoding", "")))
        if not read.complete and read.looks_like_json:
            outcome = Outcome.BROKEN
    ending = Ending(
        outcome,
        status=answer.status,
        has_usage=read is not None and read.usage is not None,
        answer_bytes=len(body),
    )
    return Metered(ending, read, body)
