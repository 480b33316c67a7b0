"""What configuration declares, and what operators do to budgets."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.protocol import Balance, BudgetLine, BudgetStatus
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.transaction import Transaction, tenant_of

CONFIG: Final = "config"
"""Who declares, as the journal names it."""


_LAST_DECLARED: Final = (
    "SELECT declared_allocated, overdraft_limit, declared_status, is_declared, template"
    " FROM budgets WHERE id = ?"
)
_REDECLARE: Final = (
    "UPDATE budgets SET status = ?, declared_allocated = ?, overdraft_limit = ?,"
    " declared_status = ?, is_declared = ?, template = ? WHERE id = ?"
)


class _Name(NamedTuple):
    """A budget, or the pattern of many."""

    scope: str
    unit: Unit
    period: Period


class _Declared(NamedTuple):
    """What configuration said of a budget when it was last read."""

    allocated: int
    overdraft_limit: int
    status: BudgetStatus
    is_declared: bool
    template: str | None


def declare(transaction: Transaction, lines: Sequence[BudgetLine], *, templates_max: int) -> None:
    """Make the ledger follow the configuration; only what changed there moves anything here."""
    by_name = _by_name(lines)
    templates = {name: line for name, line in by_name.items() if line.pattern.is_template}
    _write_templates(transaction, templates, templates_max)
    accounts = transaction.accounts.every()
    for account in accounts:
        _follow(transaction, account, by_name)
    known = {_name(account) for account in accounts}
    for name, line in by_name.items():
        if name not in known and not line.pattern.is_template:
            _make(transaction, line)


def fund(
    transaction: Transaction, scope: Scope, unit: Unit, period: Period, amount: int, actor: str
) -> Balance:
    """Add to the current window's allocation, or take what remains of it."""
    rules.check_amount(abs(amount))
    for account in _existing(transaction, scope, unit):
        if account.balance.period is period:
            change = rules.fund(account.balance, amount)
            tenant = tenant_of(scope)
            transaction.post(Kind.FUND, [(account, change)], tenant=tenant, actor=actor)
            arrears.repay(transaction, [account])
            return account.balance
    raise _not_found(scope, unit)


def set_status(
    transaction: Transaction, scope: Scope, unit: Unit, status: BudgetStatus, actor: str
) -> tuple[Balance, ...]:
    """Freeze, unfreeze or close every budget of a scope, whatever its period."""
    accounts = _existing(transaction, scope, unit)
    if not accounts:
        raise _not_found(scope, unit)
    for account in accounts:
        transaction.execute(
            "UPDATE budgets SET status = ? WHERE id = ?", (status.value, account.budget_id)
        )
        transaction.undoable(transaction.accounts.set_terms(account.budget_id, status=status))
    transaction.post(Kind.SET_STATUS, tenant=tenant_of(scope), actor=actor)
    return tuple(account.balance for account in _existing(transaction, scope, unit))


def _existing(transaction: Transaction, scope: Scope, unit: Unit) -> list[Account]:
    accounts = transaction.accounts.current([scope], unit)
    return [account for account in accounts if account.budget_id]


def _not_found(scope: Scope, unit: Unit) -> Refused:
    return Refused(Reason.BUDGET_NOT_FOUND, f"There is no such budget of {scope} in {unit}.")


def _by_name(lines: Sequence[BudgetLine]) -> Mapping[_Name, BudgetLine]:
    by_name: dict[_Name, BudgetLine] = {}
    for line in lines:
        if line.pattern.is_subtree:
            raise ValueError(f"{line.pattern.text} is for policies: a budget names its levels")
        rules.check_amount(line.allocated)
        rules.check_amount(line.overdraft_limit)
        name = _Name(line.pattern.text, line.unit, line.period)
        if name in by_name:
            raise ValueError(f"{line.pattern.text} is declared twice for {line.period} {line.unit}")
        by_name[name] = line
    return by_name


def _name(account: Account) -> _Name:
    balance = account.balance
    return _Name(balance.scope, balance.unit, balance.period)


def _write_templates(
    transaction: Transaction, templates: Mapping[_Name, BudgetLine], templates_max: int
) -> None:
    transaction.execute("UPDATE ledger SET templates_max = ?", (templates_max,))
    transaction.execute("DELETE FROM templates")
    for name, line in templates.items():
        transaction.execute(
            "INSERT INTO templates VALUES (?, ?, ?, ?, ?, ?)",
            (
                name.scope,
                name.unit.value,
                name.period.value,
                line.allocated,
                line.overdraft_limit,
                line.status.value,
            ),
        )
    transaction.accounts.look_again()


def _make(transaction: Transaction, line: BudgetLine) -> None:
    balance = transaction.accounts.fresh(
        Scope(line.pattern.text),
        line.unit,
        line.period,
        allocated=line.allocated,
        overdraft_limit=line.overdraft_limit,
        status=line.status,
    )
    transaction.open_window(Account(0, line.allocated, 0, balance))


def _follow(
    transaction: Transaction, account: Account, by_name: Mapping[_Name, BudgetLine]
) -> None:
    """Bring one budget after the line that governs it: its own, else its template's."""
    name = _name(account)
    pattern = f"{name.scope[: name.scope.rfind(':')]}:*"
    line = by_name.get(name)
    template = by_name.get(name._replace(scope=pattern)) if line is None else None
    governing = line or template
    if governing is None:
        _undeclare(transaction, account)
    else:
        _redeclare(transaction, account, governing, pattern if template is not None else None)


def _undeclare(transaction: Transaction, account: Account) -> None:
    """The budget stays, with its terms; only nobody declares it any more."""
    if not account.balance.declared:
        return
    transaction.execute(
        "UPDATE budgets SET is_declared = 0, template = NULL WHERE id = ?", (account.budget_id,)
    )
    transaction.undoable(transaction.accounts.set_terms(account.budget_id, declared=False))
    transaction.post(Kind.DECLARE, tenant=tenant_of(account.balance.scope), actor=CONFIG)


def _redeclare(
    transaction: Transaction, account: Account, line: BudgetLine, template: str | None
) -> None:
    """Apply what differs from the last time: what operators did by hand survives the rest."""
    balance = account.balance
    last = _last_declared(transaction, account)
    now = _Declared(line.allocated, line.overdraft_limit, line.status, True, template)
    if now == last:
        return
    status = now.status if now.status is not last.status else balance.status
    transaction.execute(_REDECLARE, (status.value, *_values(now), account.budget_id))
    change = rules.adjust(
        balance, by=now.allocated - last.allocated, overdraft_limit=now.overdraft_limit
    )
    tenant = tenant_of(balance.scope)
    transaction.post(Kind.DECLARE, [(account, change)], tenant=tenant, actor=CONFIG)
    transaction.undoable(
        transaction.accounts.set_terms(
            account.budget_id, overdraft_limit=now.overdraft_limit, status=status, declared=True
        )
    )
    arrears.repay(transaction, [account])


def _last_declared(transaction: Transaction, account: Account) -> _Declared:
    row = transaction.read(_LAST_DECLARED, (account.budget_id,)).fetchone()
    return _Declared(row[0], row[1], BudgetStatus(row[2]), bool(row[3]), row[4])


def _values(declared: _Declared) -> tuple[int, int, str, int, str | None]:
    return (
        declared.allocated,
        declared.overdraft_limit,
        declared.status.value,
        int(declared.is_declared),
        declared.template,
    )
