"""What every change leaves behind, and how balances follow from it.

A journal belongs to one tenant, starts at 1 and has no gaps. Nothing in it is ever
changed: a balance is the sum of its postings. Amounts are int64 in the window's unit.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope


class Kind(StrEnum):
    """What happened."""

    RESERVE = "reserve"
    DISPATCH = "dispatch"
    GROW = "grow"
    EXTEND = "extend"
    COMMIT = "commit"
    RELEASE = "release"
    EXPIRE = "expire"
    MARK_UNCERTAIN = "mark_uncertain"
    CHARGE_LATE = "charge_late"
    EVENT = "event"
    """Something was spent without a hold."""
    REPAY = "repay"
    """A budget that has room again pays what it could not cover before."""
    RELIEVE = "relieve"
    """A budget that can cover what it owes is no longer over its limit."""
    OPEN = "open"
    """A window began, with what the one before hands over."""
    ROLL = "roll"
    """A part of what was spent in a rolling window no longer counts."""
    RETIRE = "retire"
    """A budget that a template made went, because nobody used it."""
    FORGET = "forget"
    """A window whose time is over went, with the rows of its holds."""
    DECLARE = "declare"
    FUND = "fund"
    SET_STATUS = "set_status"
    SET_TENANT_STATUS = "set_tenant_status"
    """A tenant was suspended, closed or let go on, with all its scopes."""


class Amounts(NamedTuple):
    """What stands in a window, or by how much an entry moves it.

    `over_limit` is 1 or 0 in a window, and 1, 0 or -1 in a posting.
    """

    allocated: int = 0
    reserved: int = 0
    spent: int = 0
    debt: int = 0
    uncertain: int = 0
    uncovered: int = 0
    over_limit: int = 0

    @property
    def remaining(self) -> int:
        """May be negative, after an operator lowered the budget below its spend."""
        return self.allocated - self.spent - self.reserved - self.debt

    def plus(self, change: "Amounts") -> "Amounts":
        """These amounts after a posting."""
        return Amounts(
            self.allocated + change.allocated,
            self.reserved + change.reserved,
            self.spent + change.spent,
            self.debt + change.debt,
            self.uncertain + change.uncertain,
            self.uncovered + change.uncovered,
            self.over_limit + change.over_limit,
        )

    def negated(self) -> "Amounts":
        """The change that leaves nothing."""
        return Amounts(*(-amount for amount in self))


class WindowName(NamedTuple):
    """One window of one budget. `start_ms` since the epoch, UTC."""

    scope: Scope
    unit: Unit
    period: Period
    start_ms: int


NOTHING_STANDS: Final[Mapping[WindowName, Amounts]] = MappingProxyType({})


class Posting(NamedTuple):
    """How one entry moves one window."""

    window: WindowName
    change: Amounts


@dataclass(frozen=True, slots=True)
class Entry:
    """One change. `at_ms` is on the ledger's clock and never falls from entry to entry.

    `reservation_id` is None for what operators and configuration do; `actor` says which
    of them it was, and is empty for a call's own steps. `scope` is who spends, or whose
    budget it is about. `trace_id` and `price_version` are those of the hold.
    """

    tenant: str
    seq: int
    at_ms: int
    kind: Kind
    reservation_id: str | None
    postings: tuple[Posting, ...]
    scope: Scope
    actor: str
    trace_id: str = ""
    price_version: str = ""


class JournalGap(ValueError):
    """An entry is missing, or stands twice."""

    def __init__(self, tenant: str, *, expected: int, found: int) -> None:
        super().__init__(f"journal of {tenant!r}: entry {found} stands where {expected} should")
        self.expected = expected
        self.found = found


class UnreadableEntry(ValueError):
    """What stands there is no entry."""

    def __init__(self, tenant: str, seq: int) -> None:
        super().__init__(f"journal of {tenant!r}: entry {seq} cannot be read")
        self.seq = seq


def replay(
    entries: Iterable[Entry],
    *,
    after_seq: int = 0,
    standing: Mapping[WindowName, Amounts] = NOTHING_STANDS,
) -> Iterator[tuple[Entry, Mapping[WindowName, Amounts]]]:
    """Each entry of one tenant's journal, with every window as it stands after it.

    The whole of it, or what follows a checkpoint after which this was `standing`. The
    mapping is one live view; copy it to keep it.

    Raises:
        JournalGap: the entries are not the next, the one after it and so on.
    """
    windows = dict(standing)
    view = MappingProxyType(windows)
    for expected, entry in enumerate(entries, start=after_seq + 1):
        if entry.seq != expected:
            raise JournalGap(entry.tenant, expected=expected, found=entry.seq)
        for window, change in entry.postings:
            windows[window] = windows.get(window, Amounts()).plus(change)
        yield entry, view
