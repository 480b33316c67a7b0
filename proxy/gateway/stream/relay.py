"""A stream on its way: the bytes go on as they came, and are read along.

Where the hold of a stream grows, whole events go on, and none that the hold does not cover.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from proxy.dialects.stream import Relayed
from proxy.dialects.wire.decoding import Undecodable, decoder_for
from proxy.gateway.ending import Ending, Outcome
from proxy.gateway.forward import BrokenOff, UpstreamAnswer
from proxy.gateway.metered import Disconnects, Metered, outcome_of
from proxy.gateway.runtime.door import ClientGone, Door
from proxy.gateway.stream.keeper import Keeper

_DRAIN_STEP_BYTES: Final = 16_384
"""How often the worth of a drained answer is looked at."""

_LOOKAHEAD_BYTES_MAX: Final = 2**20
"""The most that is read of what has come when a stream is cut."""

_TURNS: Final = 2
"""Of the loop: in the first the socket is read, in the second we read what it had."""


class StreamRelay:
    """Sends a stream on as it comes, and reads along.

    A caller who leaves stops the sending. Then the upstream is closed at once, or read on
    for a while, as `Disconnects` says. `cost_of` prices an answer of so many tokens.
    `keeper` says how far the stream may go; None: its hold is for all that can come.
    """

    def __init__(
        self,
        answer: UpstreamAnswer,
        door: Door,
        stream: Relayed,
        disconnects: Disconnects,
        keeper: Keeper | None,
        cost_of: Callable[[int], int],
    ) -> None:
        self._answer = answer
        self._door = door
        self._stream = stream
        self._disconnects = disconnects
        self._keeper = keeper
        self._cost_of = cost_of
        self._decoder = decoder_for(answer.headers.get("Content-Encoding", ""))
        self._answer_bytes = 0
        self._gone = False
        self._is_cut = False
        self._is_ended = False
        self._lookahead_bytes = 0
        self._drained_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def sends_decoded(self) -> bool:
        """Whether the caller gets plain bytes of an answer that came compressed."""
        return self._stream.rewrites and self._decoder is not None

    async def run(self, headers: Mapping[str, str], on_first_byte: Callable[[], None]) -> Metered:
        """Relay to the end, whichever side it comes from."""
        broken = False
        self._door.when_gone(self._leave)
        try:
            await self._begin(headers)
            while chunk := await self._answer.read():
                if not self._answer_bytes:
                    on_first_byte()
                self._answer_bytes += len(chunk)
                ready = self._read_along(chunk)
                if self._keeper is not None and not await self._keeper.let_pass():
                    ready += await self._cut(self._keeper)
                    break
                await self._pass_on(ready)
                if self._gone:
                    self._weigh(len(chunk))
            else:
                ready = self._stream.finish()
        except BrokenOff:
            broken = True
            ready = self._stream.finish()
        finally:
            if self._deadline is not None:
                self._deadline.cancel()
            if self._keeper is not None:
                await self._keeper.close()
        await self._pass_on(ready)
        return self._metered(broken=broken)

    async def _cut(self, keeper: Keeper) -> bytes:
        """End the stream here; what the caller gets beside what has come by now.

        What is on its way already is paid for. If it is all that was missing, nothing is cut.
        """
        rest = await self._what_has_come()
        self._answer.abort()
        if self._stream.is_told_complete:
            return rest + self._stream.finish()
        self._stream.stop()
        self._is_cut = True
        end = self._stream.closing_events(await keeper.cut())
        self._is_ended = bool(end)
        return rest + end

    async def _what_has_come(self) -> bytes:
        """What lies in our buffers and in the socket, without waiting for more."""
        pieces: list[bytes] = []
        for _ in range(_TURNS):
            try:
                async with asyncio.timeout(0):
                    while self._lookahead_bytes < _LOOKAHEAD_BYTES_MAX and (
                        chunk := await self._answer.read()
                    ):
                        self._answer_bytes += len(chunk)
                        self._lookahead_bytes += len(chunk)
                        pieces.append(self._read_along(chunk))
            except TimeoutError:
                continue
            except BrokenOff:
                break
        return b"".join(pieces)

    def _metered(self, *, broken: bool) -> Metered:
        read = self._stream.answer
        is_half = not read.complete or (broken and not self._stream.tells_its_end)
        if (is_half or broken) and not self._is_ended:
            self._door.break_off()
        outcome = outcome_of(self._answer.status, is_broken=is_half)
        ending = Ending(
            Outcome.CUT if self._is_cut else outcome,
            status=self._answer.status,
            has_usage=read.usage is not None,
            answer_bytes=self._answer_bytes,
            streamed=True,
        )
        return Metered(ending, read)

    async def _begin(self, headers: Mapping[str, str]) -> None:
        try:
            await self._door.start(self._answer.status, headers)
        except ClientGone:
            self._leave()

    def _read_along(self, chunk: bytes) -> bytes:
        """What the caller gets for a chunk."""
        if self._decoder is None:
            return self._stream.feed(chunk)
        try:
            plain = self._stream.feed(self._decoder.feed(chunk))
        except Undecodable:
            if self._stream.rewrites:
                # The caller gets it unpacked, and there is nothing to unpack any more.
                self._answer.abort()
                raise BrokenOff from None
            # Nothing more can be read of it: it then counts as an answer without usage.
            self._decoder = None
            return chunk
        return plain if self._stream.rewrites else chunk

    async def _pass_on(self, data: bytes) -> None:
        if self._gone or not data:
            return
        try:
            await self._door.write(data)
        except ClientGone:
            self._leave()

    def _leave(self) -> None:
        """The caller is gone."""
        if self._gone:
            return
        self._gone = True
        if self._disconnects.on_disconnect == "abort":
            self._answer.abort()
        else:
            self._deadline = asyncio.get_running_loop().call_later(
                self._disconnects.drain_ms / 1000, self._answer.abort
            )

    def _weigh(self, drained_bytes: int) -> None:
        """Stop reading on when what came since could cost more than it may."""
        limit = self._disconnects.drain_microcents
        self._drained_bytes += drained_bytes
        if limit is None or self._drained_bytes < _DRAIN_STEP_BYTES:
            return
        self._drained_bytes = 0
        delivered = self._stream.answer.delivered()
        text_bytes = sum(len(text.encode()) for text in delivered.texts())
        if self._cost_of(text_bytes + delivered.sound_tokens) > limit:
            self._answer.abort()
