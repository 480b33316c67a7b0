"""The windows of the model, and the journal that every posting leaves."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import msgspec

from proxy.domain.period import Period, Step, window_at
from proxy.domain.scope import Scope, ScopePattern, tenant_of
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, Entry, Kind, Posting, WindowName
from proxy.ledger.records import Balance, BudgetLine, BudgetName
from tests.ledger.model.values import Budget, Window, WindowId

Change = tuple[WindowId, Amounts]


class About(NamedTuple):
    """What an entry says beside its amounts."""

    scope: Scope
    reservation_id: str | None = None
    actor: str = ""
    trace_id: str = ""
    price_version: str = ""


def name_of(balance: Balance) -> WindowName:
    """How the journal calls the window."""
    return WindowName(balance.scope, balance.unit, balance.period, balance.window_start_ms)


class Windows(ABC):
    """Every window of every budget, the retired ones too."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.budgets: dict[int, Budget] = {}
        self.windows: dict[WindowId, Window] = {}
        self.entries: dict[str, list[Entry]] = {}

    def balance(self, window: WindowId) -> Balance:
        """As it stands, under the terms that its budget has now."""
        budget = self.budgets[window.budget]
        return msgspec.structs.replace(
            self.windows[window].balance,
            overdraft_limit=budget.overdraft_limit,
            status=budget.status,
            declared=budget.is_declared,
        )

    def post(self, kind: Kind, changes: Iterable[Change], about: About) -> list[Balance]:
        """Change balances and say so in the journal; the balances after it."""
        postings, balances = [], []
        for window, change in changes:
            balance = rules.post(self.balance(window), change)
            buckets = self._buckets_after(self.windows[window], change)
            self.windows[window] = Window(balance, buckets)
            budget = self.budgets[window.budget]
            self.budgets[window.budget] = replace(budget, used_at_ms=self.now_ms)
            postings.append(Posting(name_of(balance), change))
            balances.append(balance)
        self._append(kind, postings, about)
        return balances

    def _append(self, kind: Kind, postings: Sequence[Posting], about: About) -> None:
        tenant = tenant_of(about.scope)
        entries = self.entries.setdefault(tenant, [])
        entries.append(
            Entry(
                tenant=tenant,
                seq=len(entries) + 1,
                at_ms=self.now_ms,
                kind=kind,
                reservation_id=about.reservation_id,
                postings=tuple(postings),
                scope=about.scope,
                actor=about.actor,
                trace_id=about.trace_id,
                price_version=about.price_version,
            )
        )

    # Rolling windows

    def _buckets_after(self, window: Window, change: Amounts) -> Mapping[int, int]:
        """What was spent is spent now; an operator who says otherwise says it of now as well."""
        period = window.balance.period
        if not is_rolling(period):
            return {}
        if change.spent < 0:
            return self._with_spent(period, {}, window.balance.spent + change.spent)
        return self._with_spent(period, window.buckets, change.spent)

    def _with_spent(
        self, period: Period, buckets: Mapping[int, int], spent: int
    ) -> Mapping[int, int]:
        now = self.now_ms // period.bucket_ms
        return {**buckets, now: buckets.get(now, 0) + spent}

    def roll(self, window: WindowId) -> None:
        """Let the buckets go that are all outside of a rolling window."""
        balance, buckets = self.balance(window), self.windows[window].buckets
        if not is_rolling(balance.period):
            return
        oldest = balance.period.oldest_bucket(self.now_ms)
        kept = {bucket: spent for bucket, spent in buckets.items() if bucket >= oldest}
        left = sum(buckets.values()) - sum(kept.values())
        if not left:
            return
        change = rules.roll(balance, left)
        (after,) = self.post(Kind.ROLL, [(window, change)], About(balance.scope))
        paid = left + change.spent
        self.windows[window] = Window(after, self._with_spent(balance.period, kept, paid))

    def settle(self, windows: Sequence[WindowId]) -> None:
        """What any operation does first: rolling windows let go, and pay with the room."""
        rolling = [window for window in windows if is_rolling(self.balance(window).period)]
        for window in rolling:
            self.roll(window)
        self.repay(rolling)

    @abstractmethod
    def repay(self, windows: Iterable[WindowId]) -> None:
        """Charge what these windows owe and can pay: rows know it, which are not known here."""

    # Windows of the calendar

    def make(self, name: BudgetName, line: BudgetLine, template: ScopePattern | None) -> int:
        """A new budget in its first window; its number."""
        number = len(self.budgets) + 1
        last = msgspec.structs.replace(line, pattern=ScopePattern(name.scope))
        start_ms = window_at(name.period, self.now_ms).start_ms
        self.budgets[number] = Budget(
            name, last, line.overdraft_limit, line.status, template, start_ms, self.now_ms
        )
        window = self._begin(number, start_ms)
        opening = rules.open_window(line.allocated).opening
        self.post(Kind.OPEN, [(window, opening)], About(name.scope))
        return number

    def open(self, number: int) -> WindowId:
        """The budget's current window, which begins now if it has not begun."""
        budget = self.budgets[number]
        latest = WindowId(number, budget.start_ms)
        before = self.balance(latest)
        if before.window_end_ms is None or self.now_ms < before.window_end_ms:
            return latest
        start_ms = window_at(before.period, self.now_ms).start_ms
        begins = rules.open_window(
            budget.last.allocated,
            before,
            skipped=_windows_between(before, start_ms),
            rollover_max=budget.last.rollover_max,
        )
        self.budgets[number] = replace(budget, start_ms=start_ms)
        window = self._begin(number, start_ms)
        closing = [(latest, begins.closing)] if any(begins.closing) else []
        self.post(Kind.OPEN, [*closing, (window, begins.opening)], About(before.scope))
        return window

    def _begin(self, number: int, start_ms: int) -> WindowId:
        budget = self.budgets[number]
        window = window_at(budget.name.period, self.now_ms)
        empty = Balance(
            *budget.name, window.start_ms, window.end_ms,
            0, 0, 0, 0, 0, 0, budget.overdraft_limit, False, budget.status, budget.is_declared,
        )  # fmt: skip
        self.windows[WindowId(number, start_ms)] = Window(empty)
        return WindowId(number, start_ms)


def is_rolling(period: Period) -> bool:
    """Whether what was spent counts for a time, and not until a moment."""
    return period.step is Step.ROLLING


def _windows_between(before: Balance, start_ms: int) -> int:
    """How many whole windows passed between the end of this one and the start of another."""
    count, end_ms = 0, before.window_end_ms
    while end_ms is not None and end_ms < start_ms:
        count, end_ms = count + 1, window_at(before.period, end_ms).end_ms
    return count
