"""What must be true after each entry of the journal, and of the journal as a whole."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.judge.books import Books, Entry, Figures, Row, Window
from tests.simulation.plan import Plan

ENDS = ("commit", "release", "expire")
ADMISSIONS = ("reserve", "grow")


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
        for broken in _judge_life(row, books.history[row.reservation_id]):
            yield f"{broken}: {row}"


@dataclass
class Replay:
    """The windows as the entries so far have made them."""

    plan: Plan
    books: Books
    standing: dict[int, Figures] = field(default_factory=dict)
    lowered: set[int] = field(default_factory=set)

    def follow(self, entry: Entry) -> Iterator[str]:
        """Take one entry in; what it breaks."""
        if entry.kind == "reserve":
            yield from self._reserve(entry)
        for number, change in entry.postings:
            after = self.standing.get(number, Figures()).plus(change)
            self.standing[number] = after
            if entry.kind == "declare" and change.allocated < 0:
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

    def _reserve(self, entry: Entry) -> Iterator[str]:
        """A hold stands in every budget of its subject, and in none that is in the red."""
        row = next(row for row in self.books.rows if row.reservation_id == entry.reservation_id)
        held = {self._name(number): change for number, change in entry.postings}
        amounts = {change for change in held.values()}
        if len(amounts) > 1 or any(
            change != Figures(reserved=change.reserved) for change in amounts
        ):
            yield "it does not hold the same everywhere"
        if row.amount and set(held) != set(budgets_of(self.plan.config, row.scope_path)):
            yield f"it holds in {sorted(held)} only"
        for number, _ in entry.postings:
            window, before = self.books.windows[number], self.standing.get(number, Figures())
            if not _contains(window, entry.at_ms):
                yield f"it holds in a window of another time, {window}"
            if before.over_limit or (before.debt and not window.overdraft_limit):
                yield f"it holds in a budget that owes: {before}"

    def _name(self, number: int) -> tuple[str, str]:
        window = self.books.windows[number]
        return window.scope, window.period


def budgets_of(config: Mapping[str, Any], scope_path: str) -> Iterator[tuple[str, str]]:
    """The budgets that a call of this scope has to fit, by scope and period."""
    names = {"none": "lifetime"}
    declared = [
        (budget["scope"], names.get(period := budget.get("period", "none"), period))
        for budget in config["budgets"]
    ]
    segments = scope_path.split("/")
    for depth in range(1, len(segments) + 1):
        scope = "/".join(segments[:depth])
        template = f"{scope[: scope.rindex(':')]}:*"
        periods = {period for pattern, period in declared if pattern in (scope, template)}
        yield from ((scope, period) for period in periods)


def _contains(window: Window, at_ms: int) -> bool:
    return window.start_ms <= at_ms and (window.end_ms is None or at_ms < window.end_ms)


def _judge_life(row: Row, history: list[Entry]) -> Iterator[str]:
    """A hold begins once, ends at most once, and what it took is what its row says."""
    kinds = [entry.kind for entry in history]
    is_open = row.state in ("ACTIVE", "UNCERTAIN")
    if kinds.count("reserve") != 1 or kinds.count("dispatch") != row.dispatched:
        yield f"it went {kinds}"
    if sum(kinds.count(end) for end in ENDS) != (0 if is_open else 1):
        yield f"it ended in {kinds}"
    held = row.amount if is_open else 0
    for number in row.windows:
        sums = Figures()
        for entry in history:
            for window, change in entry.postings:
                sums = sums.plus(change) if window == number else sums
        uncertain = held if row.state == "UNCERTAIN" else 0
        figures = (sums.reserved, sums.uncertain, sums.spent + sums.debt, sums.uncovered)
        if figures != (held, uncertain, row.charged or 0, row.uncovered):
            yield f"window {number} has {sums} of it"
