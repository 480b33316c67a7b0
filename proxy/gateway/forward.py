"""Step 5. One upstream call: with our credential, to the configured address, never further.

`Upstream` is the whole interface to the network; `HttpUpstream` is aiohttp behind it, so
that the connection pool can be replaced by measurement.
"""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from proxy.domain.errors import Reason, Refused
from proxy.gateway.identify import Caller
from proxy.gateway.runtime.door import Door
from proxy.gateway.runtime.headers import readable_encodings, upstream_headers

_CHUNK_BYTES: Final = 65_536


API_PREFIX: Final = "/v1"
"""What stands in front of every path here, and in the base URL of the upstream."""


class CredentialMode(StrEnum):
    """Which credential goes upstream."""

    SECRET = "secret"  # noqa: S105 - the name of a mode
    PASSTHROUGH = "passthrough"
    NONE = "none"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Credential:
    """What the upstream is to see: `secret` for mode SECRET only."""

    mode: CredentialMode
    secret: str = field(default="", repr=False)


class NotSent(Exception):
    """No byte of the request left: nobody can have billed it."""


class NoStatus(Exception):
    """The request left and no status came back. `timed_out` says which way."""

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__("timed out" if timed_out else "connection lost")
        self.timed_out = timed_out


class BrokenOff(Exception):
    """The answer stopped before its end."""


class UpstreamAnswer(Protocol):
    """A status, headers, and bytes as they arrive."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The next bytes as they came off the wire; empty at the end.

        Raises:
            BrokenOff: the connection ended, or fell silent, before the answer did.
        """
        ...

    def abort(self) -> None:
        """Close the connection now. A read that waits raises BrokenOff."""
        ...


class Upstream(Protocol):
    """Somewhere a request can be sent."""

    async def send(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes
    ) -> UpstreamAnswer:
        """Send one request and wait for its status. `path` is below the base URL.

        Raises:
            NotSent: nothing left this machine.
            NoStatus: it left, and nobody knows what became of it.
        """
        ...


@asynccontextmanager
async def _patience(door: Door, patience_ms: int) -> AsyncIterator[None]:
    """Give up on a status `patience_ms` after the caller has gone. Raises NoStatus."""
    loop = asyncio.get_running_loop()
    waiting = True
    try:
        async with asyncio.timeout(None) as deadline:

            def start() -> None:
                if waiting:
                    deadline.reschedule(loop.time() + patience_ms / 1000)

            door.when_gone(start)
            yield
    except TimeoutError:
        raise NoStatus(timed_out=True) from None
    finally:
        waiting = False


@dataclass(frozen=True, slots=True)
class UpstreamTimeouts:
    """How long to wait: for a connection, for the status, between two reads."""

    connect_ms: int
    response_ms: int
    idle_ms: int


class Forwarder:
    """Sends calls on, with the credential that the upstream is to see."""

    def __init__(self, upstream: Upstream, credential: Credential) -> None:
        self._upstream = upstream
        self._credential = credential

    def check_ready(self) -> None:
        """Refuse early what could not be sent.

        Raises:
            Refused: UPSTREAM_NOT_CONFIGURED, no credential was given for the upstream.
        """
        if self._credential.mode is CredentialMode.MISSING:
            raise Refused(
                Reason.UPSTREAM_NOT_CONFIGURED,
                "The proxy has no key for its upstream: set it in its configuration "
                "(upstreams[0].api_key) or its environment.",
            )

    async def send(
        self, door: Door, caller: Caller, *, body: bytes, reads_plain: bool, patience_ms: int
    ) -> UpstreamAnswer:
        """Send a request on. `reads_plain` asks for an answer that is not compressed.

        `patience_ms` is how long to go on waiting for a status once the caller has gone.

        Raises:
            NotSent, NoStatus: as `Upstream.send`.
        """
        accepted = "" if reads_plain else door.header("Accept-Encoding") or ""
        headers = upstream_headers(
            door.headers,
            connection=door.header("Connection") or "",
            accept_encoding=readable_encodings(accepted),
        )
        match self._credential.mode:
            case CredentialMode.SECRET:
                headers["Authorization"] = f"Bearer {self._credential.secret}"
            case CredentialMode.PASSTHROUGH if caller.foreign_credential is not None:
                headers["Authorization"] = f"Bearer {caller.foreign_credential}"
        path = caller.path.removeprefix(API_PREFIX)
        target = f"{path}?{door.query}" if door.query else path
        async with _patience(door, patience_ms):
            return await self._upstream.send(door.method, target, headers, body)


class HttpUpstream:
    """An upstream over HTTP/1.1. Redirects are answers like others: never followed."""

    def __init__(
        self,
        base_url: str,
        *,
        timeouts: UpstreamTimeouts,
        session: aiohttp.ClientSession,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._session = session
        self._timeouts = timeouts
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=timeouts.connect_ms / 1000)
        self._urls: dict[str, URL] = {}

    async def send(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes
    ) -> UpstreamAnswer:
        try:
            async with asyncio.timeout(self._timeouts.response_ms / 1000):
                response = await self._session.request(
                    method,
                    self._url(path),
                    data=body or None,
                    headers=headers,
                    allow_redirects=False,
                    timeout=self._timeout,
                )
        except aiohttp.ClientConnectorError as failure:
            raise NotSent(_outline(failure)) from None
        except aiohttp.ConnectionTimeoutError:
            raise NotSent("connecting took too long") from None
        except TimeoutError:
            raise NoStatus(timed_out=True) from None
        except (aiohttp.ClientError, OSError, ValueError):
            raise NoStatus(timed_out=False) from None
        self._watch_silence(response)
        return HttpAnswer(response)

    def _watch_silence(self, response: aiohttp.ClientResponse) -> None:
        """From the status on a silence has a limit of its own: before it, models may think."""
        connection = response.connection
        if connection is not None and connection.protocol is not None:
            connection.protocol.read_timeout = self._timeouts.idle_ms / 1000
            connection.protocol.start_timeout()

    def _url(self, path: str) -> URL:
        """The address of a path and query, as they came; parsed once for each."""
        url = self._urls.get(path)
        if url is None:
            url = URL(self._base + path, encoded=True)
            if len(self._urls) < 64:
                self._urls[path] = url
        return url


class HttpAnswer:
    """An answer of `HttpUpstream`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        self._response = response

    async def read(self) -> bytes:
        try:
            return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, TimeoutError):
            raise BrokenOff from None

    def abort(self) -> None:
        self._response.close()


def open_session(*, max_connections: int) -> aiohttp.ClientSession:
    """A session that touches nothing: no cookies, no decompression, no headers of its own."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=max_connections, keepalive_timeout=60),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
        read_bufsize=_CHUNK_BYTES,
    )


def _outline(failure: aiohttp.ClientConnectorError) -> str:
    """Why no connection came about, without addresses that a caller need not know."""
    cause = failure.os_error
    if isinstance(cause, ssl.SSLError):
        return f"TLS failed ({cause.reason})"
    if isinstance(cause, socket.gaierror):
        return "its name was not found"
    return os.strerror(cause.errno) if cause.errno else "no address answered"
