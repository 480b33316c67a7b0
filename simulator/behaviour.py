"""How the upstream answers one call. The default is honest; every field is one way not to be.

A Behaviour is data: it can be given in process, or as JSON in the header `x-simulate`, as in
`x-simulate: {"output_tokens": 5, "cut": {"at": "event", "after": 2}}`.
"""

from typing import Literal

import msgspec

HEADER = "x-simulate"

_COUNTS = (
    "output_tokens",
    "reasoning_tokens",
    "tool_calls",
    "extra_prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "web_searches",
    "extra_choices",
    "barrier",
    "delay_ms",
)


class _Data(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Data with names, as JSON or in process."""


class Report(_Data, frozen=True):
    """What the answer says about usage. Only "zero" also changes the bill: the call is free."""

    place: Literal["as_asked", "nowhere", "extra_event", "last_content_event", "every_event"] = (
        "as_asked"
    )
    """`extra_event` sends the usage event of a stream though nobody asked; `every_event` counts
    up from event to event. A JSON answer knows only `nowhere` and anywhere."""

    shape: Literal[
        "plain",
        "zero",
        "floats",
        "fractions",
        "strings",
        "booleans",
        "negative",
        "no_total",
        "no_counts",
        "no_details",
        "null_details",
        "empty",
    ] = "plain"

    nulls: Literal["as_asked", "always", "never"] = "as_asked"
    """`usage: null` on the events of a stream that carry no usage."""


class Refusal(_Data, frozen=True):
    """An error or a redirect in place of an answer. Nothing is generated."""

    status: int
    body: Literal["json", "html", "empty"] = "json"
    code: str | None = None
    retry_after: str | None = None
    location: str | None = None

    def __post_init__(self) -> None:
        if not 300 <= self.status <= 599:
            raise ValueError("status is from 300 to 599")


class Cut(_Data, frozen=True):
    """Where the connection ends too early. A JSON answer counts as one event.

    `event`: after so many whole events; `in_event`: so many, and half of the next one;
    `byte`: after so many bytes of the body as sent; `end`: after all but what says that it was
    all. A place that an answer never reaches cuts nothing.
    """

    at: Literal["before_headers", "in_headers", "byte", "event", "in_event", "end"]
    after: int = 0
    by: Literal["close", "reset"] = "close"


class Hang(_Data, frozen=True):
    """Where the answer stops until `gate` is opened or the client leaves."""

    at: Literal["before_headers", "event", "end"]
    after: int = 0
    gate: str = ""


class Wire(_Data, frozen=True):
    """How the bytes of an answer travel."""

    framing: Literal["auto", "length", "chunked", "close"] = "auto"
    """`auto` is a length for JSON and chunks for a stream; `close` ends with the connection."""

    compression: Literal[
        "negotiate", "identity", "gzip", "deflate", "raw_deflate", "br", "zstd"
    ] = "negotiate"
    """`negotiate` compresses JSON as accept-encoding asks and leaves a stream plain; a name
    is used whether it was asked for or not."""

    write_bytes: tuple[int, ...] = ()
    """Sizes of the single writes, over and over; empty: one write an event."""
    pace_ms: int = 0
    """Rest before each write; 0 only gives way to other tasks."""

    line_end: Literal["\n", "\r\n", "\r"] = "\n"
    byte_order_mark: bool = False
    comments: bool = False
    """A comment line between events."""
    unknown_events: bool = False
    """An event of another name and meaning between events."""
    done: bool = True
    """Whether a stream says `[DONE]`, in an API that does."""

    def __post_init__(self) -> None:
        if any(size < 1 for size in self.write_bytes) or self.pace_ms < 0:
            raise ValueError("write_bytes are at least 1 and pace_ms is not negative")


class Behaviour(_Data, frozen=True):
    """One way to answer. `Behaviour()` is honest."""

    output_tokens: int | None = None
    """Visible tokens of each choice; None: chosen from the seed."""
    reasoning_tokens: int | None = None
    """Hidden tokens of each choice; None: chosen for a model that reasons, else 0."""
    content: str | None = None
    """The text of each choice; None: words from the seed."""
    tool_calls: int | None = None
    """None: one where tools are offered and the last message is not a tool's answer."""
    tokens_per_event: int = 1

    extra_prompt_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int | None = None
    """None: as the model does (long prompts of models that charge for writes; of Claude those
    that ask for it, for as long as they ask)."""
    cache_write_1h_tokens: int = 0
    """Beside the others: written to a cache that lives for an hour."""
    web_searches: int | None = None
    """None: one where web search is offered, and none elsewhere."""
    model: str | None = None
    """The model that serves, instead of the one asked for."""
    service_tier: str | None = None
    geography: Literal["us", "global"] | None = None
    """Where Claude answers; None: where it was asked to."""
    ignore_limit: bool = False
    extra_choices: int = 0

    billed: Literal["as_generated", "nothing", "in_full"] = "as_generated"
    """What of a call that does not complete is on the bill. `as_generated` is the input and
    what was generated until the end was noticed; a JSON answer is generated before it is sent."""

    report: Report = Report()
    refusal: Refusal | None = None
    cut: Cut | None = None
    hang: Hang | None = None
    wire: Wire = Wire()

    barrier: int = 0
    """Wait, before anything else, until this many calls have arrived."""
    gate: str = ""
    """Wait, before anything else, until the gate of this name is opened."""
    delay_ms: int = 0
    """Rest before the first byte."""

    def __post_init__(self) -> None:
        if self.tokens_per_event < 1:
            raise ValueError("tokens_per_event is at least 1")
        for name in _COUNTS:
            if (getattr(self, name) or 0) < 0:
                raise ValueError(f"{name} is not negative")

    def header(self) -> dict[str, str]:
        """This behaviour as the request header that asks for it."""
        return {HEADER: msgspec.json.encode(self).decode()}


def read_behaviour(text: str | bytes) -> Behaviour:
    """Read a behaviour from JSON. Raises ValueError: says which field is wrong."""
    try:
        return msgspec.json.decode(text, type=Behaviour)
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
