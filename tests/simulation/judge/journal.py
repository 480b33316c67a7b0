"""What must be true after each entry of the journal, and of the journal as a whole."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.simulation.judge.books import CALLS, Books, Entry, Figures, Row, Window
from tests.simulation.plan import Plan
from tests.simulation.rig.provider import USD

Name = tuple[str, str, str]
"""Scope, unit and period of a budget."""

COUNTED: Final = "/steps:"
"""In the scope of a count that a policy makes."""

ROLLING_MS = {"1m": 60_000, "24h": 86_400_000}
"""The rolling windows that plans have."""

ENDS = ("commit", "release", "expire")
ADMISSIONS = ("reserve", "grow")
LOWERING = ("declare", "fund")


def judge_journal(plan: Plan, books: Books) -> Iterator[str]:
    """The broken rules, in words."""
    replay = Replay(plan, books)
    last: dict[str, tuple[int, int]] = {}
    for entry in books.entries:
        seq, at_ms = last.get(entry.tenant, (0, 0))
        if entry.seq != seq + 1 or entry.at_ms < at_ms:
            yield f"the journal has a gap, or goes back in time, before {entry}"
        last[entry.tenant] = (entry.seq, entry.at_ms)
        for broken in replay.follow(entry):
            yield f"{broken} after entry {entry.seq}, {entry.kind} of {entry.reservation_id}"
    if replay.standing != books.standing:
        yield f"the journal adds up to {replay.standing}, the windows say {books.standing}"
    for row in books.rows:
        for broken in _judge_life(row, books.history[row.reservation_id], books.windows):
            yield f"{broken}: {row}"


@dataclass
class Replay:
    """The windows as the entries so far have made them."""

    plan: Plan
    books: Books
    standing: dict[int, Figures] = field(default_factory=dict)
    lowered: set[int] = field(default_factory=set)
    spends: defaultdict[int, list[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """What was spent in each rolling window, and when."""

    def follow(self, entry: Entry) -> Iterator[str]:
        """Take one entry in; what it breaks."""
        if entry.kind == "reserve":
            yield from self._reserve(entry)
        for number, change in entry.postings:
            after = self.standing.get(number, Figures()).plus(change)
            self.standing[number] = after
            yield from self._roll(entry, number, change)
            if entry.kind in LOWERING and change.allocated < 0:
                self.lowered.add(number)
            if entry.kind in ADMISSIONS and after.remaining < 0:
                yield f"remaining is {after.remaining}"
            # Debt is what a settlement took beyond what remained; only operators lower.
            if after.remaining + after.debt < 0 and number not in self.lowered:
                yield f"remaining is {after.remaining} with a debt of {after.debt}"
            if min(after.spent, after.debt, after.uncovered, after.uncertain) < 0:
                yield f"something is below zero: {after}"
            if after.uncertain > after.reserved:
                yield f"more is uncertain than held: {after}"

    def _roll(self, entry: Entry, number: int, change: Figures) -> Iterator[str]:
        """A hold is made beside what was spent as long ago as the window is, and nothing else.

        What is spent counts in sixtieths of that time, until all of one is outside.
        """
        period, _, rolling = self.books.windows[number].period.partition(":")
        if period != "rolling":
            return
        arrived = -change.debt if entry.kind == "roll" else change.spent
        if entry.kind == "fund" and change.spent < 0:
            self.spends[number].clear()
            arrived = self.standing[number].spent
        self.spends[number].append((entry.at_ms, arrived))
        if entry.kind == "reserve":
            since_ms = entry.at_ms - int(rolling)
            least = self._spent_since(number, since_ms + 1)
            most = self._spent_since(number, since_ms - -(-int(rolling) // 60))
            if not least <= self.standing[number].spent <= most:
                yield f"{self.standing[number].spent} counts, not {least} to {most}"

    def _spent_since(self, number: int, since_ms: int) -> int:
        return sum(amount for at_ms, amount in self.spends[number] if at_ms >= since_ms)

    def _reserve(self, entry: Entry) -> Iterator[str]:
        """A hold stands in every budget of its subject, and in none that is in the red."""
        row = next(row for row in self.books.rows if row.reservation_id == entry.reservation_id)
        held = {self._name(number): change for number, change in entry.postings}
        grown = grown_by(self.books.history[row.reservation_id], self.books.windows)
        for (_, unit, _), change in held.items():
            if change != Figures(reserved=row.amounts[unit] - grown.get(unit, 0)):
                yield f"it does not hold its {unit} everywhere"
        # What costs nothing in a unit holds nothing there.
        wanted = {
            name
            for name in budgets_of(self.plan.config, row.scope_path, row.run)
            if row.amounts.get(name[1])
        }
        declared = {name for name in held if COUNTED not in name[0]}
        if declared != wanted:
            yield f"it holds in {sorted(declared)}, not in {sorted(wanted)}"
        if any(name[1] != CALLS for name in set(held) - declared):
            yield "where a policy counts calls, something else is held"
        for number, _ in entry.postings:
            window, before = self.books.windows[number], self.standing.get(number, Figures())
            if not _contains(window, entry.at_ms):
                yield f"it holds in a window of another time, {window}"
            if before.over_limit or (before.debt and not window.overdraft_limit):
                yield f"it holds in a budget that owes: {before}"

    def _name(self, number: int) -> Name:
        window = self.books.windows[number]
        return window.scope, window.unit, window.period


def grown_by(history: Iterable[Entry], windows: Mapping[int, Window]) -> Mapping[str, int]:
    """By how much a hold has grown, by unit: in each of its windows by the same."""
    grown: dict[str, int] = {}
    for entry in history:
        if entry.kind == "grow":
            by = {windows[number].unit: change.reserved for number, change in entry.postings}
            grown = {unit: grown.get(unit, 0) + by.get(unit, 0) for unit in grown | by}
    return grown


def budgets_of(config: Mapping[str, Any], scope_path: str, run: str | None) -> Iterator[Name]:
    """The budgets that a call of this scope and run has to fit."""
    segments = scope_path.split("/")
    for budget in config["budgets"]:
        pattern, in_run = budget["scope"].split("/"), f"/run:{run}" if "per" in budget else ""
        if in_run and run is None:
            continue
        for depth in range(1, len(segments) + 1):
            if _matches(pattern, segments[:depth]):
                scope = "/".join(segments[:depth]) + in_run
                yield scope, budget.get("unit", USD), _period_of(budget)


def _matches(pattern: Sequence[str], scope: Sequence[str]) -> bool:
    if not pattern:
        return not scope
    if pattern[0] == "**":
        return any(_matches(pattern[1:], scope[skipped:]) for skipped in range(len(scope)))
    if not scope:
        return False
    level, _, value = pattern[0].partition(":")
    is_same = pattern[0] == scope[0] or (value == "*" and scope[0].startswith(f"{level}:"))
    return is_same and _matches(pattern[1:], scope[1:])


def _period_of(budget: Mapping[str, Any]) -> str:
    """As the ledger writes it."""
    if "rolling" in budget:
        return f"rolling:{ROLLING_MS[budget['rolling']]}"
    period: str = budget.get("period", "none")
    zone = budget.get("timezone", "UTC")
    name = "lifetime" if period == "none" else period
    return name if zone == "UTC" else f"{name}@{zone}"


def _contains(window: Window, at_ms: int) -> bool:
    return window.start_ms <= at_ms and (window.end_ms is None or at_ms < window.end_ms)


def _judge_life(row: Row, history: list[Entry], windows: Mapping[int, Window]) -> Iterator[str]:
    """A hold begins once, ends at most once, and what it took is what its row says."""
    kinds = [entry.kind for entry in history]
    is_open = row.state in ("ACTIVE", "UNCERTAIN")
    if kinds.count("reserve") != 1 or kinds.count("dispatch") != row.dispatched:
        yield f"it went {kinds}"
    if sum(kinds.count(end) for end in ENDS) != (0 if is_open else 1):
        yield f"it ended in {kinds}"
    for number in row.windows:
        sums = Figures()
        for entry in history:
            for window, change in entry.postings:
                sums = sums.plus(change) if window == number else sums
        unit = windows[number].unit
        held = row.amounts[unit] if is_open else 0
        uncertain = held if row.state == "UNCERTAIN" else 0
        figures = (sums.reserved, sums.uncertain, sums.spent + sums.debt, sums.uncovered)
        charged = (row.charged or {}).get(unit, 0)
        if figures != (held, uncertain, charged, row.uncovered.get(unit, 0)):
            yield f"window {number} has {sums} of it"
