"""Step 5. One upstream call: with our credential, to the configured address, never further.

`Upstream` is the whole interface to the network; what is behind it is in `upstream/`.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from multidict import CIMultiDict

from proxy.domain.errors import Reason, Refused
from proxy.gateway.identify import Caller
from proxy.gateway.runtime.door import Door, Incoming
from proxy.gateway.runtime.headers import readable_encodings, upstream_headers
from proxy.gateway.upstream.addressing import PLAIN, Addressing
from proxy.gateway.upstream.credential import Credential, CredentialMode, NoCredential
from proxy.gateway.upstream.echo import error_without, headers_without


class NotSent(Exception):
    """No byte of the request left: nobody can have billed it."""


class NoRoom(NotSent):
    """As many calls as may be are with the upstream, and none of them ended in time."""


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


class Line(Protocol):
    """A connection to the upstream, free for one request."""

    async def send(
        self, method: str, path: str, headers: CIMultiDict[str], body: bytes
    ) -> UpstreamAnswer:
        """Send one request and wait for its status. `path` is below the base URL.

        Raises:
            NoStatus: it left, and nobody knows what became of it.
        """
        ...

    def release(self) -> None:
        """Nothing will be sent on it after all."""
        ...


@runtime_checkable
class UploadLine(Protocol):
    """A line that takes a body in pieces."""

    async def upload(
        self, method: str, path: str, headers: CIMultiDict[str], begin: bytes, rest: Incoming
    ) -> UpstreamAnswer:
        """Send one request whose body goes on with `rest`, as that comes. As `Line.send`.

        Raises:
            NoStatus: it left, and nobody knows what became of it.
            Refused: what `rest` says; the connection is closed.
        """
        ...


class Upstream(Protocol):
    """Somewhere a request can be sent."""

    async def connect(self) -> Line:
        """A connection, waiting for one while too many are in use.

        Raises:
            NotSent: there is none to be had.
        """
        ...


class _Patience:
    """Ends the waiting for a status `patience_ms` after the caller has gone."""

    def __init__(self, patience_ms: int) -> None:
        self.deadline = asyncio.timeout(None)
        self._patience_ms = patience_ms
        self._is_over = False

    def run_out(self) -> None:
        """The caller has gone."""
        if not self._is_over:
            now_s = asyncio.get_running_loop().time()
            self.deadline.reschedule(now_s + self._patience_ms / 1000)

    def end(self) -> None:
        """There is a status, or there will be none."""
        self._is_over = True


class Forwarder:
    """Sends calls on, with the credential that the upstream is to see."""

    def __init__(
        self, upstream: Upstream, credential: Credential, addressing: Addressing = PLAIN
    ) -> None:
        self._upstream = upstream
        self._credential = credential
        self._addressing = addressing

    def check_ready(self) -> None:
        """Refuse early what could not be sent.

        Raises:
            Refused: UPSTREAM_NOT_CONFIGURED, no credential was given for the upstream.
        """
        if self._credential.mode is CredentialMode.MISSING:
            raise Refused(
                Reason.UPSTREAM_NOT_CONFIGURED,
                "The proxy has no key for its upstream: set it in its configuration "
                "(upstreams[].api_key) or its environment.",
            )

    async def connect(self) -> Line:
        """A connection to send a request on, and the credential for it. No byte of it has left.

        Raises:
            Refused: UPSTREAM_NOT_CONFIGURED, UPSTREAM_UNREACHABLE, OVERLOADED.
        """
        try:
            await self._credential.renew()
            return await self._upstream.connect()
        except NoCredential as failure:
            raise Refused(
                Reason.UPSTREAM_NOT_CONFIGURED,
                f"The proxy cannot get the key for its upstream: {failure}.",
            ) from None
        except NoRoom:
            raise Refused(
                Reason.OVERLOADED,
                "As many calls are with the upstream as may be (upstreams[].max_connections). "
                "Retry shortly.",
            ) from None
        except NotSent as failure:
            raise Refused(
                Reason.UPSTREAM_UNREACHABLE, f"The upstream cannot be reached: {failure}."
            ) from None

    async def send(
        self,
        line: Line,
        door: Door,
        caller: Caller,
        *,
        body: bytes,
        reads_plain: bool,
        patience_ms: int,
        model: str | None = None,
        rest: Incoming | None = None,
    ) -> UpstreamAnswer:
        """Send a request on. `reads_plain` asks for an answer that is not compressed.

        `patience_ms` is how long to go on waiting for a status once the caller has gone.
        `model` is what the upstream calls the model, where the request is for one. `rest` is
        what is still to come of its body.

        Raises:
            Refused: UPSTREAM_TIMEOUT, UPSTREAM_UNREACHABLE, and what `rest` says: nobody knows
                what became of it.
        """
        accepted = "" if reads_plain else door.header("Accept-Encoding") or ""
        secret = self._credential.current
        target, headers = self.request_to(door, caller, accepted=accepted, model=model)
        patience = _Patience(patience_ms)
        try:
            async with patience.deadline:
                door.when_gone(patience.run_out)
                if rest is None:
                    answer = await line.send(door.method, target, headers, body)
                else:
                    assert isinstance(line, UploadLine), "no socket of a caller's brings a form"
                    answer = await line.upload(door.method, target, headers, body, rest)
        except TimeoutError:
            raise _timed_out() from None
        except NoStatus as failure:
            if failure.timed_out:
                raise _timed_out() from None
            raise Refused(
                Reason.UPSTREAM_UNREACHABLE, "The connection to the upstream was lost."
            ) from None
        finally:
            patience.end()
        self._credential.answered(answer.status, secret)
        for each in self._credential.recent:
            answer.headers = headers_without(each, answer.headers)
        return answer

    def over(self, upstream: Upstream) -> "Forwarder":
        """The same by another way: a caller's own line."""
        return Forwarder(upstream, self._credential, self._addressing)

    def request_to(
        self, door: Door, caller: Caller, *, accepted: str = "", model: str | None = None
    ) -> tuple[str, CIMultiDict[str]]:
        """The target of a request below the base URL, and its headers, with the credential."""
        headers = upstream_headers(door.headers, accept_encoding=readable_encodings(accepted))
        self._credential.authorize(headers, door, caller)
        return self._addressing.target(caller.path, door.query, model), headers

    def for_caller(self, status: int, headers: CIMultiDict[str], body: bytes) -> bytes:
        """The body of a whole answer as the caller may see it; `headers` are changed with it."""
        if status >= 400:
            for each in self._credential.recent:
                body = error_without(each, headers, body)
        return body


def _timed_out() -> Refused:
    return Refused(Reason.UPSTREAM_TIMEOUT, "The upstream did not answer in time.")
