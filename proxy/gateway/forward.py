"""Step 5. One upstream call: with our credential, to the configured address, never further.

`Upstream` is the whole interface to the network; what is behind it is in `upstream/`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

from multidict import CIMultiDict

from proxy.domain.errors import Reason, Refused
from proxy.gateway.identify import Caller
from proxy.gateway.runtime.door import Door, Incoming
from proxy.gateway.runtime.headers import readable_encodings, upstream_headers
from proxy.gateway.upstream.addressing import PLAIN, Addressing
from proxy.gateway.upstream.echo import error_without, headers_without

ANTHROPIC: Final = "anthropic"
"""The API that wants its secret, and a version of itself, in headers of their own."""

AZURE: Final = "azure"
"""The API that wants its secret in another header, and deployments in place of models."""

ANTHROPIC_VERSION: Final = "2023-06-01"
"""For callers that name none: https://platform.claude.com/docs/en/api/versioning"""

_OWN_HEADERS: Final = {ANTHROPIC: "x-api-key", AZURE: "api-key"}
"""Where APIs want their secret that do not want it as a bearer token."""

_UNAUTHORIZED: Final = 401


class CredentialMode(StrEnum):
    """Which credential goes upstream."""

    SECRET = "secret"  # noqa: S105 - the name of a mode
    PASSTHROUGH = "passthrough"
    NONE = "none"
    MISSING = "missing"


class Secret(Protocol):
    """A secret that may change while the proxy runs."""

    @property
    def current(self) -> str:
        """The one in force; empty before the first `renew`."""
        ...

    @property
    def recent(self) -> tuple[str, ...]:
        """Those that an upstream may still repeat."""
        ...

    async def renew(self) -> None:
        """Make sure that `current` is fit to be sent.

        Raises:
            NoCredential: there is none to be had.
        """
        ...

    def refused(self, secret: str) -> None:
        """The upstream answered 401 to it."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """What the upstream is to see: `secret` in mode SECRET alone. `api` is what it speaks."""

    mode: CredentialMode
    secret: Secret | None = field(default=None, repr=False)
    api: str = "openai"


class NoCredential(Exception):
    """No secret can be had. `str()` says why, and repeats nothing that may be one."""


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
        self._secret = credential.secret
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
            if self._secret is not None:
                await self._secret.renew()
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
        secret = self._secret.current if self._secret is not None else ""
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
        if self._secret is not None:
            if answer.status == _UNAUTHORIZED:
                self._secret.refused(secret)
            for each in self._secret.recent:
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
        secret = self._secret.current if self._secret is not None else ""
        self._authorize(headers, secret, door, caller)
        return self._addressing.target(caller.path, door.query, model), headers

    def _authorize(
        self, headers: CIMultiDict[str], secret: str, door: Door, caller: Caller
    ) -> None:
        """Say who pays, in the words of the API."""
        api = self._credential.api
        if api == ANTHROPIC:
            headers.setdefault("anthropic-version", ANTHROPIC_VERSION)
        match self._credential.mode:
            case CredentialMode.SECRET:
                is_bearer = api not in _OWN_HEADERS or (api == AZURE and _is_token(secret))
            case CredentialMode.PASSTHROUGH:
                secret, is_bearer = _passed_through(api, door, caller)
            case _:
                return
        if secret and is_bearer:
            headers["Authorization"] = f"Bearer {secret}"
        elif secret:
            headers[_OWN_HEADERS[api]] = secret

    def for_caller(self, status: int, headers: CIMultiDict[str], body: bytes) -> bytes:
        """The body of a whole answer as the caller may see it; `headers` are changed with it."""
        if status >= 400 and self._secret is not None:
            for each in self._secret.recent:
                body = error_without(each, headers, body)
        return body


def _passed_through(api: str, door: Door, caller: Caller) -> tuple[str, bool]:
    """The caller's own credential, and whether it is a bearer token there.

    It stays in its header where the API knows that. `api-key` is known to Azure alone: a key
    of Azure's goes nowhere else.
    """
    if api == AZURE and caller.foreign_azure_key is not None:
        return caller.foreign_azure_key, False
    secret = caller.foreign_credential or ""
    came_plain = secret == (door.header("x-api-key") or "").strip()
    return secret, api not in _OWN_HEADERS or not came_plain


def _is_token(secret: str) -> bool:
    """Whether it is a token of Entra ID, a JWT, and no key: RFC 7519 section 3.

    Source: https://learn.microsoft.com/azure/ai-services/openai/reference#authentication
    """
    return secret.startswith("eyJ") and secret.count(".") == 2


def _timed_out() -> Refused:
    return Refused(Reason.UPSTREAM_TIMEOUT, "The upstream did not answer in time.")
