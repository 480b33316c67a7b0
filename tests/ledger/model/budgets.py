"""The budgets of the model, their windows, and what people do to them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.domain.period import Period, window_at
from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, WindowName
from proxy.ledger.protocol import Balance, BudgetLine, BudgetStatus

Name = tuple[str, Unit, Period]

_LONGEST_FIRST = (Period.LIFETIME, Period.MONTH, Period.DAY)


@dataclass
class Budget:
    """A budget: its last declared line, its terms in force and its windows, oldest first."""

    last: BudgetLine
    overdraft_limit: int
    status: BudgetStatus
    template: bool
    declared: bool = True
    windows: list[Balance] = field(default_factory=list)


class Budgets:
    """Every budget by its name."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.budgets: dict[Name, Budget] = {}
        self.templates: dict[Name, BudgetLine] = {}
        self.templates_max = 0

    def current(self, scopes: Iterable[Scope], unit: Unit) -> list[tuple[Name, Balance]]:
        """What stands for these scopes now, made or not."""
        found: list[tuple[Name, Balance]] = []
        for scope in scopes:
            for period in _LONGEST_FIRST:
                name: Name = (scope, unit, period)
                if name in self.budgets:
                    found.append((name, self._now(name)))
                elif (line := self._template(name)) is not None:
                    found.append((name, self._fresh(scope, line)))
        return found

    def all_balances(self) -> list[Balance]:
        """Every budget that was made."""
        names = sorted(self.budgets, key=lambda name: (name[0], name[1].value, name[2].value))
        return [self._now(name) for name in names]

    def _template(self, name: Name) -> BudgetLine | None:
        pattern = f"{name[0].rpartition(':')[0]}:*"
        return self.templates.get((pattern, name[1], name[2]))

    def _fresh(self, scope: Scope, line: BudgetLine) -> Balance:
        window = window_at(line.period, self.now_ms)
        return Balance(
            scope, line.unit, line.period, window.start_ms, window.end_ms,
            line.allocated, 0, 0, 0, 0, 0, line.overdraft_limit, False, line.status,
        )  # fmt: skip

    def _now(self, name: Name) -> Balance:
        budget = self.budgets[name]
        latest = self._with_terms(budget, budget.windows[-1])
        if latest.window_end_ms is None or self.now_ms < latest.window_end_ms:
            return latest
        empty = replace(self._fresh(latest.scope, replace(budget.last, allocated=0)), reserved=0)
        begins = self._begins(budget)
        return rules.post(self._with_terms(budget, empty), begins.opening)

    def _begins(self, budget: Budget) -> rules.Opening:
        latest = budget.windows[-1]
        skipped, end_ms = 0, latest.window_end_ms
        start_ms = window_at(latest.period, self.now_ms).start_ms
        while end_ms is not None and end_ms < start_ms:
            skipped, end_ms = skipped + 1, window_at(latest.period, end_ms).end_ms
        return rules.open_window(budget.last.allocated, debt=latest.debt, skipped=skipped)

    def _with_terms(self, budget: Budget, balance: Balance) -> Balance:
        return replace(
            balance,
            overdraft_limit=budget.overdraft_limit,
            status=budget.status,
            declared=budget.declared,
        )

    def open(self, name: Name) -> WindowName:
        """The name of the current window, which is made if it was not there."""
        if name not in self.budgets:
            line = self._template(name)
            assert line is not None
            self._make(name, line, template=True)
        budget = self.budgets[name]
        current = self._now(name)
        if current.window_start_ms != budget.windows[-1].window_start_ms:
            closing = self._begins(budget).closing
            budget.windows[-1] = rules.post(budget.windows[-1], closing)
            budget.windows.append(current)
        return WindowName(current.scope, current.unit, current.period, current.window_start_ms)

    def _make(self, name: Name, line: BudgetLine, *, template: bool) -> None:
        budget = Budget(line, line.overdraft_limit, line.status, template)
        budget.windows.append(self._fresh(Scope(name[0]), line))
        self.budgets[name] = budget

    def balance(self, window: WindowName) -> Balance:
        budget = self.budgets[window.scope, window.unit, window.period]
        (found,) = (w for w in budget.windows if w.window_start_ms == window.start_ms)
        return self._with_terms(budget, found)

    def post(self, windows: Sequence[WindowName], changes: Sequence[Amounts]) -> list[Balance]:
        after = [
            rules.post(self.balance(window), change)
            for window, change in zip(windows, changes, strict=True)
        ]
        for window, balance in zip(windows, after, strict=True):
            stored = self.budgets[window.scope, window.unit, window.period].windows
            (place,) = (n for n, w in enumerate(stored) if w.window_start_ms == window.start_ms)
            stored[place] = balance
        return after

    # What people do

    def declare(self, lines: Sequence[BudgetLine], templates_max: int) -> None:
        """Follow the configuration. Answers nothing; `repay` is the caller's to run."""
        by_name = {(line.pattern.text, line.unit, line.period): line for line in lines}
        self.templates = {n: line for n, line in by_name.items() if line.pattern.is_template}
        self.templates_max = templates_max
        for name in sorted(self.budgets):
            line = by_name.get(name) or self._template(name)
            if line is None:
                self.budgets[name].declared = self.budgets[name].template = False
            else:
                self._redeclare(name, line, template=name not in by_name)
        for name, line in by_name.items():
            if name not in self.budgets and not line.pattern.is_template:
                self._make(name, line, template=False)

    def _redeclare(self, name: Name, line: BudgetLine, *, template: bool) -> None:
        budget = self.budgets[name]
        last = budget.last
        now = replace(line, pattern=last.pattern)
        if (now, template, True) == (last, budget.template, budget.declared):
            return
        window = self.open(name)
        limit = budget.overdraft_limit
        if now.overdraft_limit != last.overdraft_limit:
            limit = now.overdraft_limit
        by = now.allocated - last.allocated
        self.post([window], [rules.adjust(self.balance(window), by=by, overdraft_limit=limit)])
        budget.overdraft_limit = limit
        budget.status = now.status if now.status is not last.status else budget.status
        budget.last, budget.template, budget.declared = now, template, True
        self.repay([window])

    def fund(self, name: Name, amount: int) -> Balance:
        if name not in self.budgets:
            raise Refused(Reason.BUDGET_NOT_FOUND, "")
        change = rules.fund(self._now(name), amount)
        window = self.open(name)
        self.post([window], [change])
        self.repay([window])
        return self.balance(window)

    def set_status(self, scope: Scope, unit: Unit, status: BudgetStatus) -> list[Balance]:
        names = [(scope, unit, period) for period in _LONGEST_FIRST]
        found = [name for name in names if name in self.budgets]
        if not found:
            raise Refused(Reason.BUDGET_NOT_FOUND, "")
        for name in found:
            self.budgets[name].status = status
        return [self._now(name) for name in found]

    def repay(self, windows: Iterable[WindowName]) -> None:
        """Charge what these windows owe and can pay; the model of holds knows how."""
        raise NotImplementedError
