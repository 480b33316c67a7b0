"""What is going to happen in one run, as data: nothing is left to chance once it is drawn.

A plan can be printed, cut down to what a failure needs, and run again. Times are
milliseconds from the start of the run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal

from proxy.ledger.records import FundOperation
from simulator import Behaviour
from tests.simulation.rig.disk import Trouble

PROMPT = "hush-hush-7731"
"""Stands in every prompt, and must stand nowhere else."""

Document = Mapping[str, Any]


class Fate(StrEnum):
    """How far a call gets with the network."""

    ANSWERED = "answered"
    UNREACHABLE = "unreachable"
    """No connection: not a byte of it leaves."""
    RESET = "reset"
    """It leaves, and the connection ends before a status."""
    SILENT = "silent"
    """It leaves, and no status ever comes."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """The way to the upstream and back.

    pieces: in how many the answer comes.
    cut_permille: the answer stops after this share of its bytes; None: it is whole.
    cut_by: the connection ends, or falls silent, or ends as if that was all.
    lookahead: events that the model is ahead of what was read, when somebody stops reading.
    as_json: a stream was asked for, and the answer is none.
    in_turn: the choices of a stream come side by side, not one after the other.
    """

    fate: Fate = Fate.ANSWERED
    connect_ms: int = 0
    status_ms: int = 1
    pieces: int = 1
    pace_ms: int = 0
    cut_permille: int | None = None
    cut_by: Literal["break", "silence", "end"] = "break"
    lookahead: int = 0
    as_json: bool = False
    in_turn: bool = True


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The one who asks.

    leaves_ms: when, after the call came in; leaves_at_write: while it is sent that piece.
    body_ms: how long the body takes; write_ms: how long each piece takes to be heard.
    """

    levels: Mapping[str, str] = field(default_factory=dict)
    accepts: str = ""
    leaves_ms: int | None = None
    leaves_at_write: int | None = None
    body_ms: int = 0
    write_ms: int = 0


@dataclass(frozen=True, kw_only=True)
class Again:
    """How a further attempt at a call travels, and how it is answered."""

    route: Route = Route()
    behaviour: Behaviour = Behaviour()  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: who asks what, how it travels and how it is answered.

    `again` are the attempts after the first; those beyond them end as the last one.
    """

    number: int
    at_ms: int
    body: Mapping[str, Any]
    caller: Caller = Caller()
    route: Route = Route()
    behaviour: Behaviour = Behaviour()  # noqa: RUF009 - it is frozen
    again: tuple[Again, ...] = ()

    @property
    def trace_id(self) -> str:
        """What ties the call to its holds."""
        return f"{self.number:032x}"

    def attempt(self, number: int) -> "Call":
        """The same call as its first attempt goes, or its second, and so on."""
        if number == 1 or not self.again:
            return self
        how = self.again[min(number - 2, len(self.again) - 1)]
        return replace(self, route=how.route, behaviour=how.behaviour)


@dataclass(frozen=True)
class Kill:
    """kill -9. `hops` are turns of the loop after the moment has come."""

    hops: int
    down_ms: int


@dataclass(frozen=True)
class Terminate:
    """SIGTERM, and another process when it has ended."""


@dataclass(frozen=True)
class StatementTrouble:
    """Something becomes of the ledger's next statement but so many."""

    after: int
    trouble: Trouble


@dataclass(frozen=True)
class WriteTrouble:
    """The next write but so many into a file of the outbox ends after so much of it.

    The process dies there, or hears that the disk is full.
    """

    after: int
    permille: int
    kills: bool


@dataclass(frozen=True)
class Outage:
    """Every statement of the ledger fails for a while."""

    duration_ms: int


@dataclass(frozen=True)
class Lock:
    """Another program keeps the file locked for a while."""

    duration_ms: int


@dataclass(frozen=True)
class ClockStep:
    """The wall clock is set."""

    by_ms: int


@dataclass(frozen=True)
class Reload:
    """Every budget is declared with so many percent of its allocation."""

    percent: int


@dataclass(frozen=True)
class Fund:
    """An operator changes what one budget may spend, or each. `amount` is in its unit."""

    budget: int | None
    operation: FundOperation
    amount: int


@dataclass(frozen=True)
class SetStatus:
    """An operator freezes a budget, or no longer."""

    budget: int
    frozen: bool


@dataclass(frozen=True)
class EndByHand:
    """An operator ends the oldest hold in a state. `actual` None: for what it holds.

    Otherwise it is for so many microcents and as many tokens.
    """

    state: Literal["ACTIVE", "UNCERTAIN"]
    how: Literal["release", "commit"]
    actual: int | None = None


Act = (
    Kill
    | Terminate
    | StatementTrouble
    | WriteTrouble
    | Outage
    | Lock
    | ClockStep
    | Reload
    | Fund
    | SetStatus
    | EndByHand
)


@dataclass(frozen=True)
class Happening:
    """Something that befalls the proxy."""

    at_ms: int
    act: Act


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run. `hostile`: the upstream may break the limits that holds rely on."""

    seed: int
    config: Document
    expiry_pause_ms: int
    hostile: bool
    calls: tuple[Call, ...]
    happenings: tuple[Happening, ...] = ()

    def without(self, dropped: Call | Happening) -> "Plan":
        """The same run, but for one thing."""
        return replace(
            self,
            calls=tuple(call for call in self.calls if call is not dropped),
            happenings=tuple(each for each in self.happenings if each is not dropped),
        )

    def __str__(self) -> str:
        lines = [f"config {dict(self.config)}", *map(str, self.calls), *map(str, self.happenings)]
        return "\n".join(lines)
