"""Step 5. One upstream call: with our credential, to the configured address, never further.

`Upstream` is the whole interface to the network; what is behind it is in `upstream/`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from multidict import CIMultiDict

from proxy.domain.errors import Reason, Refused
from proxy.gateway.identify import Caller
from proxy.gateway.runtime.door import Door
from proxy.gateway.runtime.headers import readable_encodings, upstream_headers
from proxy.gateway.upstream.echo import error_without, headers_without

ANTHROPIC: Final = "anthropic"
"""The API that wants its secret, and a version of itself, in headers of their own."""

ANTHROPIC_VERSION: Final = "2023-06-01"
"""For callers that name none: https://platform.claude.com/docs/en/api/versioning"""

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
    """What the upstream is to see: `secret` for mode SECRET only. `api` is what it speaks."""

    mode: CredentialMode
    secret: str = field(default="", repr=False)
    api: str = "openai"


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
                "(upstreams[].api_key) or its environment.",
            )

    async def connect(self) -> Line:
        """A connection to send a request on. No byte of it has left.

        Raises:
            Refused: UPSTREAM_UNREACHABLE.
        """
        try:
            return await self._upstream.connect()
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
    ) -> UpstreamAnswer:
        """Send a request on. `reads_plain` asks for an answer that is not compressed.

        `patience_ms` is how long to go on waiting for a status once the caller has gone.

        Raises:
            Refused: UPSTREAM_TIMEOUT, UPSTREAM_UNREACHABLE: nobody knows what became of it.
        """
        accepted = "" if reads_plain else door.header("Accept-Encoding") or ""
        headers = upstream_headers(door.headers, accept_encoding=readable_encodings(accepted))
        self._authorize(headers, door, caller)
        path = caller.path.removeprefix(API_PREFIX)
        target = f"{path}?{door.query}" if door.query else path
        patience = _Patience(patience_ms)
        try:
            async with patience.deadline:
                door.when_gone(patience.run_out)
                answer = await line.send(door.method, target, headers, body)
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
        answer.headers = headers_without(self._credential.secret, answer.headers)
        return answer

    def _authorize(self, headers: CIMultiDict[str], door: Door, caller: Caller) -> None:
        """Say who pays, in the words of the API. What is passed through stays in its header."""
        credential = self._credential
        is_anthropic = credential.api == ANTHROPIC
        if is_anthropic:
            headers.setdefault("anthropic-version", ANTHROPIC_VERSION)
        match credential.mode:
            case CredentialMode.SECRET:
                secret, is_bearer = credential.secret, not is_anthropic
            case CredentialMode.PASSTHROUGH if caller.foreign_credential is not None:
                secret = caller.foreign_credential
                is_bearer = not is_anthropic or secret != (door.header("x-api-key") or "").strip()
            case _:
                return
        if is_bearer:
            headers["Authorization"] = f"Bearer {secret}"
        else:
            headers["x-api-key"] = secret

    def for_caller(self, status: int, headers: CIMultiDict[str], body: bytes) -> bytes:
        """The body of a whole answer as the caller may see it; `headers` are changed with it."""
        return error_without(self._credential.secret, headers, body) if status >= 400 else body


def _timed_out() -> Refused:
    return Refused(Reason.UPSTREAM_TIMEOUT, "The upstream did not answer in time.")
