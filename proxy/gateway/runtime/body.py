"""The body of a request on a socket: taken whole, or in pieces as it comes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http import HttpVersion11

from proxy.domain.errors import Reason, Refused


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large a body may be, and how long it may take to arrive."""

    max_bytes: int
    timeout_ms: int


class SocketBody:
    """A body that is read only when asked for: an `Incoming`."""

    def __init__(self, request: web.BaseRequest, limits: BodyLimits) -> None:
        self._request = request
        self._limits = limits
        self._has_begun = False
        self._size_bytes = 0
        self.is_lost = request.transport is None
        """Whether its caller is gone."""

    @property
    def length_bytes(self) -> int | None:
        is_chunked = "Transfer-Encoding" in self._request.headers
        return None if is_chunked else self._request.content_length or 0

    @property
    def max_bytes(self) -> int:
        length = self.length_bytes
        return self._limits.max_bytes if length is None else length

    async def whole(self) -> bytes:
        """All of it. Raises Refused, as `read`, when it takes longer than it may."""
        await self._begin()
        content = self._request.content
        if content.is_eof():  # it came with its head, as most do: nothing to wait for
            return self._counted(content.read_nowait())
        pieces = []
        async with self._waiting():
            while piece := self._counted(await content.readany()):
                pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def read(self) -> bytes:
        if not self._has_begun:
            await self._begin()
        async with self._waiting():
            return self._counted(await self._request.content.readany())

    async def _begin(self) -> None:
        """Refuse what its head tells, and ask for it where its caller waits for that."""
        request = self._request
        self._has_begun = True
        codings = request.headers.getall("Content-Encoding", [])
        if any(coding.lower() != "identity" for coding in codings):
            raise Refused(Reason.INVALID_REQUEST, "Compressed request bodies are not accepted.")
        if (request.content_length or 0) > self._limits.max_bytes:
            raise self._too_large()
        if _waits_for_leave(request):
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    @asynccontextmanager
    async def _waiting(self) -> AsyncIterator[None]:
        """Bound the wait for what its caller sends, and say what went wrong."""
        try:
            async with asyncio.timeout(self._limits.timeout_ms / 1000):
                if self.is_lost:
                    raise ConnectionResetError
                yield
        except TimeoutError:
            raise Refused(
                Reason.REQUEST_TIMEOUT, "The body of the request did not arrive in time."
            ) from None
        except (web.RequestPayloadError, ConnectionError) as broken:
            self.is_lost = isinstance(broken, ConnectionError)
            raise Refused(Reason.INVALID_REQUEST, "The body of the request broke off.") from None

    def _counted(self, piece: bytes) -> bytes:
        self._size_bytes += len(piece)
        if self._size_bytes > self._limits.max_bytes:
            raise self._too_large()
        return piece

    def _too_large(self) -> Refused:
        return Refused(
            Reason.REQUEST_TOO_LARGE,
            f"The body is larger than {self._limits.max_bytes} bytes (limits.max_body_bytes).",
        )


def _waits_for_leave(request: web.BaseRequest) -> bool:
    """Whether the body comes only when it is asked for. RFC 9110 section 10.1.1."""
    return (
        request.headers.get("Expect", "").lower() == "100-continue"
        and request.version == HttpVersion11
    )
