"""What an upstream is to see as credential: ours or the caller's, in the header it knows."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from multidict import CIMultiDict

from proxy.gateway.identify import Caller
from proxy.gateway.runtime.door import Door

ANTHROPIC: Final = "anthropic"
"""The API that wants its secret, and a version of itself, in headers of their own."""

AZURE: Final = "azure"
"""The API that wants its secret in another header, and deployments in place of models."""

ANTHROPIC_VERSION: Final = "2023-06-01"
"""For callers that name none: https://platform.claude.com/docs/en/api/versioning"""

_UNAUTHORIZED: Final = 401

_OWN_HEADERS: Final = {ANTHROPIC: "x-api-key", AZURE: "api-key"}
"""Where APIs want their secret that do not want it as a bearer token."""


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

    @property
    def current(self) -> str:
        """The secret in force; empty where there is none."""
        return self.secret.current if self.secret is not None else ""

    @property
    def recent(self) -> tuple[str, ...]:
        """What an upstream may still repeat."""
        return self.secret.recent if self.secret is not None else ()

    async def renew(self) -> None:
        """Make sure that there is something to send, where anything is.

        Raises:
            NoCredential: no secret can be had.
        """
        if self.secret is not None:
            await self.secret.renew()

    def answered(self, status: int, sent: str) -> None:
        """The upstream has answered so to this secret."""
        if status == _UNAUTHORIZED and self.secret is not None:
            self.secret.refused(sent)

    def authorize(self, headers: CIMultiDict[str], door: Door, caller: Caller) -> None:
        """Say who pays, in the words of the API."""
        if self.api == ANTHROPIC:
            headers.setdefault("anthropic-version", ANTHROPIC_VERSION)
        match self.mode:
            case CredentialMode.SECRET:
                secret = self.current
                is_bearer = self.api not in _OWN_HEADERS or (
                    self.api == AZURE and _is_token(secret)
                )
            case CredentialMode.PASSTHROUGH:
                secret, is_bearer = _passed_through(self.api, door, caller)
            case _:
                return
        if secret and is_bearer:
            headers["Authorization"] = f"Bearer {secret}"
        elif secret:
            headers[_OWN_HEADERS[self.api]] = secret


class NoCredential(Exception):
    """No secret can be had. `str()` says why, and repeats nothing that may be one."""


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
