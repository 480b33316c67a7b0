"""The budgets of the model: which there are, what configuration declares, what people do."""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import replace
from typing import TypeVar

import msgspec

from proxy.domain.errors import IdempotencyMismatch, Reason, Refused
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope, ScopePattern
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.records import (
    Balance,
    BudgetLine,
    BudgetName,
    BudgetStatus,
    Declared,
    FundOperation,
)
from tests.ledger.model.values import WindowId
from tests.ledger.model.windows import About, Windows

_T = TypeVar("_T")


class Budgets(Windows):
    """Every budget by its name; those that templates would make as well."""

    def __init__(self) -> None:
        super().__init__()
        self.live: dict[BudgetName, int] = {}
        self.templates: tuple[BudgetLine, ...] = ()
        self.templates_max = 0
        self.version = 0
        self.funded: dict[tuple[BudgetName, str], tuple[object, int, Balance]] = {}

    # All or nothing

    def atomic(self, operation: Callable[[], _T]) -> _T:
        """Do it, or change nothing."""
        before = self._copied()
        try:
            return operation()
        except BaseException:
            self.__dict__.update(before)
            raise

    def look(self, question: Callable[[], _T]) -> _T:
        """Do it and change nothing: what would be answered."""
        before = self._copied()
        try:
            return question()
        finally:
            self.__dict__.update(before)

    def _copied(self) -> dict[str, object]:
        copies = {name: copy(value) for name, value in vars(self).items()}
        copies["entries"] = {tenant: [*entries] for tenant, entries in self.entries.items()}
        return copies

    # Which there are

    def names(self, scopes: Iterable[Scope], units: Container[Unit]) -> Iterator[BudgetName]:
        """The budgets of these scopes, made or not, in the order in which they are checked."""
        for scope in scopes:
            for unit in Unit:
                if unit in units:
                    names = (BudgetName(scope, unit, period) for period in self._periods())
                    yield from filter(self._stands, sorted(names, key=lambda n: n.period.order))

    def _periods(self) -> set[Period]:
        return {n.period for n in self.live} | {line.period for line in self.templates}

    def _stands(self, name: BudgetName) -> bool:
        return name in self.live or self.template(name) is not None

    def template(self, name: BudgetName) -> BudgetLine | None:
        """Of the templates that match, the most specific one."""
        matching = [
            line
            for line in self.templates
            if (line.unit, line.period) == (name.unit, name.period)
            and line.pattern.matches(name.scope)
        ]
        return max(matching, key=lambda line: line.pattern.specificity, default=None)

    def ensure(self, name: BudgetName) -> WindowId:
        """The current window of a budget, which is made if it was not there."""
        if name not in self.live:
            template, purse = self.template(name), rules.purse_line(name)
            line = template or purse
            assert line is not None, "nothing calls for this budget"
            self.live[name] = self.make(name, line, None if template is None else line.pattern)
        return self.open(self.live[name])

    def check_templates(self, names: Iterable[BudgetName]) -> None:
        """Templates may make budgets of these names."""
        new = [name for name in names if name not in self.live and self.template(name) is not None]
        made = sum(self.budgets[number].template is not None for number in self.live.values())
        if new and made + len(new) > self.templates_max:
            raise Refused(Reason.TEMPLATE_LIMIT, f"templates_max is {self.templates_max}")

    def settled(self, names: Iterable[BudgetName]) -> list[Balance]:
        """How these budgets stand once rolling windows have let go. Makes what is not there."""
        windows = [self.ensure(name) for name in names]
        self.settle(windows)
        return [self.balance(window) for window in windows]

    def balances(self, scopes: Sequence[Scope], *units: Unit) -> list[Balance]:
        """As a reserve would find them."""
        return self.look(lambda: self.settled(self.names(scopes, set(units))))

    def all_balances(self) -> list[Balance]:
        """Every budget that was made."""
        names = sorted(self.live, key=lambda name: (name.scope, name.unit, str(name.period)))
        return self.look(lambda: self.settled(names))

    # What configuration declares

    def declare(self, lines: Sequence[BudgetLine], templates_max: int, version: int) -> Declared:
        """Follow the configuration, unless there was a newer one."""
        by_name = rules.lines_by_name(lines)
        if version < self.version:
            return Declared(self.version, True)
        self.version, self.templates_max = version, templates_max
        self.templates = tuple(line for line in lines if line.pattern.is_template)
        for name in sorted(self.live, key=lambda name: (name.scope, name.unit, str(name.period))):
            line = by_name.get(name)
            template = self.template(name) if line is None else None
            governing = line or template
            if governing is None:
                self._undeclare(self.live[name])
            else:
                pattern = template.pattern if template is not None else None
                self._redeclare(self.live[name], governing, pattern)
        for name, line in by_name.items():
            if name not in self.live and not line.pattern.is_template:
                self.live[name] = self.make(name, line, None)
        return Declared(version, False)

    def _undeclare(self, number: int) -> None:
        budget = self.budgets[number]
        if budget.is_declared:
            self.budgets[number] = replace(budget, is_declared=False, template=None)
            self.post(Kind.DECLARE, [], About(budget.name.scope, actor="config"))

    def _redeclare(self, number: int, line: BudgetLine, template: ScopePattern | None) -> None:
        budget = self.budgets[number]
        last = budget.last
        now = msgspec.structs.replace(line, pattern=last.pattern)
        if (now, template, True) == (last, budget.template, budget.is_declared):
            return
        window = self.open(number)
        self.settle([window])
        by, limit = now.allocated - last.allocated, now.overdraft_limit
        change = rules.adjust(self.balance(window), by=by, overdraft_limit=limit)
        self.post(Kind.DECLARE, [(window, change)], About(budget.name.scope, actor="config"))
        self.budgets[number] = replace(
            self.budgets[number],
            last=now,
            overdraft_limit=limit,
            status=now.status if now.status is not last.status else budget.status,
            template=template,
            is_declared=True,
        )
        self.repay([window])

    # What people do

    def fund(
        self,
        name: BudgetName,
        operation: FundOperation,
        amount: int,
        *,
        actor: str,
        spent: int,
        key: str | None,
    ) -> Balance:
        """Change the current window, once for each key."""
        rules.check_amount(amount)
        rules.check_amount(spent)
        payload = (operation, amount, spent)
        first = self.funded.get((name, key or ""))
        if first is not None:
            if first[0] != payload:
                raise IdempotencyMismatch
            return first[2]
        if not self._stands(name) and rules.purse_line(name) is None:
            raise Refused(Reason.BUDGET_NOT_FOUND, f"there is no {name}")
        (balance,) = self.look(lambda: self.settled([name]))
        change = rules.fund(balance, operation, amount, spent=spent)
        self.check_templates([name])
        window = self.ensure(name)
        self.settle([window])
        self.post(Kind.FUND, [(window, change)], About(name.scope, actor=actor))
        self.repay([window])
        if key is not None:
            self.funded[name, key] = (payload, self.now_ms, self.balance(window))
        return self.balance(window)

    def set_status(
        self, scope: Scope, unit: Unit | None, status: BudgetStatus, actor: str
    ) -> list[Balance]:
        """Freeze, unfreeze or close; opens no window of a budget that is there."""
        names = [*self.names([scope], set(Unit) if unit is None else {unit})]
        if not names:
            raise Refused(Reason.BUDGET_NOT_FOUND, f"there is no budget of {scope}")
        self.check_templates(names)
        for name in names:
            if name not in self.live:
                self.ensure(name)
            budget = self.budgets[self.live[name]]
            self.budgets[self.live[name]] = replace(budget, status=status)
        self.post(Kind.SET_STATUS, [], About(scope, actor=actor))
        return self.look(lambda: self.settled(names))

    # What time does

    def retire(self, limit: int) -> tuple[BudgetName, ...]:
        """Let budgets go that a template made and nobody used, in the order of their time."""
        idle = sorted(filter(self._is_idle, self.live.values()), key=self._due)[:limit]
        names = tuple(self.budgets[number].name for number in idle)
        for number in idle:
            budget = self.budgets[number]
            window = WindowId(number, budget.start_ms)
            balance = self.balance(window)
            gone = Amounts(
                allocated=-balance.allocated,
                spent=-balance.spent,
                over_limit=-balance.is_over_limit,
            )
            self.post(Kind.RETIRE, [(window, gone)], About(budget.name.scope))
            self.budgets[number] = replace(self.budgets[number], is_retired=True)
            del self.live[budget.name]
        return names

    def _due(self, number: int) -> tuple[int, str, str, str]:
        budget = self.budgets[number]
        scope, unit, period = budget.name
        return budget.used_at_ms + (budget.last.idle_ttl_ms or 0), scope, unit, str(period)

    def _is_idle(self, number: int) -> bool:
        """Nothing is held or owed in any of its windows, and nobody stopped it by hand."""
        budget = self.budgets[number]
        ttl_ms = budget.last.idle_ttl_ms
        if budget.template is None or ttl_ms is None or budget.status is not budget.last.status:
            return False
        owes = any(
            window.balance.reserved or window.balance.debt or window.balance.uncovered
            for window_id, window in self.windows.items()
            if window_id.budget == number
        )
        return not owes and self.now_ms - budget.used_at_ms > ttl_ms
