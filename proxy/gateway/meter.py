"""Step 6. Read what was used from the bytes on their way to the caller.

Bytes go on as they came; what is read from them is a copy, decompressed where needed. No
JSON is decoded and nothing is tokenized per chunk.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from multidict import CIMultiDict

from pricing.cost import hold
from proxy.dialects.answer import Answer
from proxy.dialects.dialect import Dialect
from proxy.dialects.openai.error import is_filtered
from proxy.dialects.stream import AnswerStream
from proxy.dialects.wire.decoding import Undecodable, decoder_for
from proxy.dialects.wire.json_text import read_leniently
from proxy.gateway.charge import Pricer
from proxy.gateway.ending import Ending
from proxy.gateway.estimate import Way
from proxy.gateway.forward import BrokenOff, UpstreamAnswer
from proxy.gateway.metered import Disconnects, Metered, outcome_of
from proxy.gateway.runtime.door import Door
from proxy.gateway.stream.hold import GrowingHold
from proxy.gateway.stream.keeper import Keeping
from proxy.gateway.stream.relay import StreamRelay

ANSWER_BYTES_MAX: Final = 256 * 2**20
"""An answer in one piece is kept until its end; a longer one is no answer of a model."""

NO_CONTENT: Final = 204
"""The one status below 300 whose answer ends with its headers: RFC 9110 section 15.3.5."""

_BAD_REQUEST: Final = 400


class Meter:
    """Takes answers in: passes a stream on as it comes, keeps any other for its end.

    `exposes_cost`: the usage that a caller gets also says what the call cost.
    """

    def __init__(
        self, disconnects: Disconnects, pricer: Pricer, keeping: Keeping, *, exposes_cost: bool
    ) -> None:
        self.disconnects = disconnects
        self._pricer = pricer
        self._keeping = keeping
        self.exposes_cost = exposes_cost

    async def read(
        self,
        dialect: Dialect,
        answer: UpstreamAnswer,
        door: Door,
        headers: CIMultiDict[str],
        way: Way,
        *,
        strips_usage: bool,
        on_first_byte: Callable[[], None],
        growing: GrowingHold | None = None,
    ) -> Metered:
        """Read an answer to its end. `headers` are what the caller of a stream gets.

        `strips_usage`: the usage of a stream was asked for by us, so it is taken out again.
        `growing`: the hold may be smaller than what the answer can come to.
        """
        sound = dialect.new_sound(answer.headers.get("Content-Type", ""))
        if sound is not None and answer.status < 400:
            relay = StreamRelay(answer, door, sound, self.disconnects, None, _priced(way))
            return await relay.run(headers, on_first_byte)
        if not _is_event_stream(answer):
            if growing is not None and answer.status < 400:
                await growing.grow_at_once()
            metered = await read_whole(answer, door, self.disconnects, dialect.read_answer)
            on_first_byte()
            return metered
        cost_of = partial(self._pricer.reported_usd, dialect, way) if self.exposes_cost else None
        reader = dialect.new_reader(way.terms["n"])
        stream = AnswerStream(
            reader, strip_usage=strips_usage, cost_of=cost_of, may_be_cut=growing is not None
        )
        relay = StreamRelay(
            answer,
            door,
            stream,
            self.disconnects,
            self._keeping.keeper(growing, way, stream) if growing is not None else None,
            _priced(way),
        )
        if relay.sends_decoded:
            headers.popall("Content-Encoding", None)
        return await relay.run(headers, on_first_byte)


def _priced(way: Way) -> Callable[[int], int]:
    """What an answer of so many tokens costs."""
    return lambda tokens: hold(way.model.card, way.bound, output_tokens=tokens, **way.terms)


def _is_event_stream(answer: UpstreamAnswer) -> bool:
    content_type = answer.headers.get("Content-Type", "")
    return answer.status < 400 and content_type.lower().startswith("text/event-stream")


async def read_whole(
    answer: UpstreamAnswer,
    door: Door,
    disconnects: Disconnects,
    read_answer: Callable[[bytes], Answer] | None = None,
) -> Metered:
    """Take the whole answer in, then read it. Errors of the upstream stay as they are.

    An abandoned answer costs as much as one that is heard, so it is always read on, for
    `drain_ms` after the caller has gone.
    """
    pieces: list[bytes] = []
    size = 0
    broken = False
    with _DeadlineWhenGone(answer, door, disconnects.drain_ms):
        try:
            while piece := await answer.read():
                pieces.append(piece)
                size += len(piece)
                if size > ANSWER_BYTES_MAX:
                    answer.abort()
        except BrokenOff:
            broken = True
    body = b"".join(pieces)
    read = None
    if not broken and answer.status < 400:
        plain = _plain(answer.headers, pieces)
        broken = plain is None
        if plain is not None:
            read = read_answer(plain) if read_answer is not None else None
            is_whole = read is not None and read.complete
            has_body = answer.status != NO_CONTENT
            broken = has_body and not is_whole and _is_cut(answer.headers, plain)
    ending = Ending(
        outcome_of(answer.status, is_broken=broken),
        status=answer.status,
        has_usage=read is not None and read.usage is not None,
        answer_bytes=len(body),
        is_filtered=answer.status == _BAD_REQUEST and is_filtered(_plain(answer.headers, pieces)),
    )
    return Metered(ending, read, body)


def _plain(headers: Mapping[str, str], pieces: Iterable[bytes]) -> bytes | None:
    """The body without its compression; None when it breaks off or is something else."""
    decoder = decoder_for(headers.get("Content-Encoding", ""))
    if decoder is None:
        return b"".join(pieces)
    try:
        return b"".join([*map(decoder.feed, pieces), decoder.finish()])
    except Undecodable:
        return None


def _is_cut(headers: Mapping[str, str], plain: bytes) -> bool:
    """Whether a JSON body ends too early: with no length given, a cut looks like an end."""
    if not plain.strip():
        return "Content-Length" not in headers
    return plain.lstrip()[:1] == b"{" and read_leniently(plain) is None


class _DeadlineWhenGone:
    """Once the caller has gone, gives the answer `drain_ms` more."""

    def __init__(self, answer: UpstreamAnswer, door: Door, drain_ms: int) -> None:
        self._answer = answer
        self._door = door
        self._drain_ms = drain_ms
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        self._door.when_gone(self._start)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _start(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(
            self._drain_ms / 1000, self._answer.abort
        )
