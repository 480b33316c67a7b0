"""Who may connect, where calls go, and how much of anything is let in."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from proxy.config.sections.base import Accepts, Section, invalid, later, unique
from proxy.config.sections.values import (
    Address,
    BaseUrl,
    HostName,
    ListenAddress,
    ModelGlob,
    Name,
    Origin,
    Usd,
)


class ListenConfig(Section):
    """The sockets of the proxy, and who may knock at them."""

    proxy: ListenAddress = Address("127.0.0.1", 7676)
    """Where agents send their calls. On a loopback address, as by default, only programs of
    this machine (or of this pod) can spend."""

    authority: ListenAddress = Field(
        default=Address("127.0.0.1", 7878), examples=["127.0.0.1:7878"]
    )
    """Where clients of the Cycles protocol reserve and commit. It wants a key of `keys` with
    every request; without any it serves health alone."""

    admin: ListenAddress = Field(default=Address("127.0.0.1", 7979), examples=["127.0.0.1:7979"])
    """Where health, metrics and the operator's view are served."""

    allowed_hosts: Annotated[tuple[HostName, ...], AfterValidator(unique())] = (
        "localhost",
        "127.0.0.1",
        "::1",
    )
    """Values of the Host header that are answered. It keeps a web page from spending through
    a name that it points at this machine. Health and metrics answer every Host."""

    allowed_origins: Annotated[tuple[Origin, ...], AfterValidator(unique())] = ()
    """Web pages that may call, by origin. None by default: a page in a browser must not
    spend through a port that holds your key."""


class KeyMode(StrEnum):
    """What goes upstream as credential."""

    SECRET = "secret"  # noqa: S105 - the name of a mode
    PASSTHROUGH = "passthrough"
    NONE = "none"
    MISSING = "missing"


def _check_header_value(value: SecretStr) -> SecretStr:
    if not all(" " < c <= "~" for c in value.get_secret_value()):
        raise invalid("blanks, line ends or other characters that no HTTP header can carry")
    return value


class UpstreamConfig(Section):
    """One LLM API that calls are forwarded to."""

    name: Name
    """What logs and metrics call it."""

    base_url: BaseUrl
    """Its address, with the version in the path where the API has one."""

    api_key: Annotated[
        SecretStr,
        AfterValidator(_check_header_value),
        Accepts(
            "the secret itself, best as ${NAME}; passthrough; or none", '"${OPENAI_API_KEY:-}"'
        ),
    ]
    """The credential sent upstream, in place of the caller's. `passthrough` sends on what the
    caller brought; `none` is for local servers that ask for no key. Left empty, the proxy
    starts with a warning and answers calls with 503."""

    api: Annotated[Literal["openai", "anthropic"], later("azure", "gemini")] = "openai"
    """The API it speaks. `anthropic` gets its key as `x-api-key`, and `anthropic-version` with
    calls that name none; the prices of its address hold, or else those of this API's maker."""

    models: Annotated[tuple[ModelGlob, ...], Field(min_length=1), AfterValidator(unique())] = Field(
        default=("*",), examples=['["gpt-*", "o3*"]']
    )
    """The models it serves, by wildcard. Of several upstreams the first in the file that
    matches serves a model; a model that none matches is refused."""

    price_multiplier: Decimal = Field(default=Decimal(1), gt=0, le=100)
    """What this upstream charges, as an exact factor on the prices of the catalogue: 0.9 for
    a discount of ten percent, 1.1 for a surcharge."""

    service_tier: Literal["default", "flex", "priority"] = "default"
    """The tier that this upstream serves, and bills, when a call says `auto` or names none.
    With projects that are set to another tier than `default`, say so here, or holds may be
    too small."""

    connect_timeout_ms: int = Field(default=10_000, ge=1, le=600_000)
    """How long to wait for a connection. The call has not left then: its hold goes back."""

    response_timeout_ms: int = Field(default=600_000, ge=1, le=86_400_000)
    """How long to wait for a status. The call has left then: its hold becomes uncertain."""

    idle_timeout_ms: int = Field(default=300_000, ge=1, le=86_400_000)
    """How long an answer may fall silent before it counts as broken off."""

    @property
    def key_mode(self) -> KeyMode:
        """What kind of credential `api_key` is."""
        secret = self.api_key.get_secret_value()
        if not secret:
            return KeyMode.MISSING
        if secret in (KeyMode.PASSTHROUGH, KeyMode.NONE):
            return KeyMode(secret)
        return KeyMode.SECRET


class LimitsConfig(Section):
    """Bounds on what is let in."""

    max_body_bytes: int = Field(default=52_428_800, ge=1_024, le=1_073_741_824)
    """The largest request body. It is kept in memory while the call runs."""

    max_connections: int = Field(default=1_000, ge=1, le=100_000)
    """How many connections from callers, and to the upstream, may be open at a time."""

    max_usd_per_call: Usd | None = None
    """The most that one call may hold, whatever its budgets would allow. Null: no such limit."""

    body_timeout_ms: int = Field(default=30_000, ge=100, le=3_600_000)
    """How long a caller may take to send its body."""

    max_header_bytes: int = Field(default=32_768, ge=1_024, le=1_048_576)
    """The largest single header, and the longest request line."""

    max_headers: int = Field(default=128, ge=16, le=10_000)
    """The most headers a request may have."""


class DedupeConfig(Section):
    """Calls that their callers gave an `Idempotency-Key`. Within the window the same call with
    the same key gets the first answer again, and is charged once
    ([semantics.md](semantics.md#retries-and-replays))."""

    window_ms: int = Field(default=0, ge=0, le=86_400_000, examples=[600_000])
    """How long an answer is kept after its call, in the memory of this process alone. With 0
    the header is passed on and means nothing here."""

    max_bytes: int = Field(default=67_108_864, ge=65_536, le=17_179_869_184)
    """How much memory answers that are kept may take. The oldest go first."""


class ResponsesConfig(Section):
    """What callers are told."""

    deny_status: int = Field(default=429, ge=400, le=499)
    """The HTTP status of a refusal by a budget. With 429 and the code `insufficient_quota`
    the agents that were measured stop at once; with 402 or 403 some try again."""

    expose_cost: Literal["headers", "usage"] = "headers"
    """Where a call's cost is shown: in `X-Budget-…` headers, or with `usage` also inside the
    usage object that the caller asked for, as `cost_usd`."""
