"""When the proxy sends a call to an upstream again by itself."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

from proxy.config.sections.base import Section, invalid, unique

_REQUEST_TIMEOUT: Final = 408
_FREE_4XX: Final = frozenset({409, 425, 429})


def _check_status(status: int) -> int:
    if status == _REQUEST_TIMEOUT:
        raise invalid("408 may follow work that is billed, and that would be paid for twice")
    if status < 500 and status not in _FREE_4XX:
        raise invalid("not an error that passes by itself: one of 409, 425, 429 or 500 to 599")
    return status


class RetriesConfig(Section):
    """When a call is sent to this upstream again. Each attempt is held, and settled, by itself.
    Most SDKs try again on their own, so the proxy does not unless it is told to
    ([semantics.md](semantics.md#retries-and-replays))."""

    max_attempts: int = Field(default=1, ge=1, le=10)
    """How often a call is sent to this upstream, the first time included. A call of which
    something was answered is never sent again."""

    statuses: Annotated[
        tuple[Annotated[int, Field(ge=400, le=599), AfterValidator(_check_status)], ...],
        AfterValidator(unique()),
    ] = Field(default=(429, 500, 502, 503, 504, 529), examples=["[429, 503]"])
    """The errors after which another attempt may help, here or at a `fallback`. They cost
    nothing. That no connection could be made counts too."""

    after_no_status: bool = False
    """Whether a call is sent again of which no status came: a timeout, a lost connection. It may
    have been billed: the hold of each such attempt stays, uncertain, and the next one holds the
    same again. Not for calls with an `Idempotency-Key` while [`dedupe`](#dedupe) is on."""

    backoff_ms: int = Field(default=500, ge=1, le=600_000)
    """The pause before the second attempt. It doubles from one to the next, and each is
    shortened by up to a half at random."""

    max_wait_ms: int = Field(default=10_000, ge=1, le=600_000)
    """The longest pause. An upstream that asks for a longer one, by `Retry-After` or
    `retry-after-ms`, is not asked again; nor is one that says `x-should-retry: false`."""
