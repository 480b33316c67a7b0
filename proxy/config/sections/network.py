"""Who may connect, how much of anything is let in, and what callers are told."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from proxy.config.sections.base import Section, unique
from proxy.config.sections.values import (
    Address,
    HostName,
    ListenAddress,
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


class LimitsConfig(Section):
    """Bounds on what is let in."""

    max_body_bytes: int = Field(default=52_428_800, ge=1_024, le=1_073_741_824)
    """The largest request body. It is kept in memory while the call runs, but for files in forms,
    which go on as they come."""

    max_connections: int = Field(default=1_000, ge=1, le=100_000)
    """How many connections from callers, and to the upstream, may be open at a time."""

    max_usd_per_call: Usd | None = None
    """The most that one call may hold, whatever its budgets would allow. Null: no such limit."""

    body_timeout_ms: int = Field(default=30_000, ge=100, le=3_600_000)
    """How long a caller may take to send its body, or the next piece of a file in a form."""

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
