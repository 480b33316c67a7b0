"""What configuration declares."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.records import BudgetLine, BudgetName, BudgetStatus, Declared
from proxy.ledger.sqlite import templates
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.transaction import Transaction, about_budgets

CONFIG: Final = "config"
"""Who declares, as the journal names it."""

_VERSION: Final = "SELECT config_version FROM ledger"
_FOLLOW: Final = "UPDATE ledger SET config_version = ?, templates_max = ?"
_LAST_TERMS: Final = (
    "SELECT declared_allocated, overdraft_limit, declared_status, rollover_max, idle_ttl_ms,"
    " is_declared, template FROM budgets WHERE id = ?"
)
# idle_at_ms 0: whether it is idle under the new terms is looked at with the next expiry.
_REDECLARE: Final = (
    "UPDATE budgets SET status = ?, declared_allocated = ?, overdraft_limit = ?,"
    " declared_status = ?, rollover_max = ?, idle_ttl_ms = ?, is_declared = ?, template = ?,"
    " idle_at_ms = ? WHERE id = ?"
)
_UNDECLARE: Final = (
    "UPDATE budgets SET is_declared = 0, template = NULL, idle_at_ms = NULL WHERE id = ?"
)


class _Terms(NamedTuple):
    """What configuration said of a budget when it was last read."""

    allocated: int
    overdraft_limit: int
    status: BudgetStatus
    rollover_max: int
    idle_ttl_ms: int | None
    is_declared: bool
    template: str | None


def declare(
    transaction: Transaction, lines: Sequence[BudgetLine], *, templates_max: int, version: int
) -> Declared:
    """Make the ledger follow the configuration; only what changed there moves anything here."""
    by_name = rules.lines_by_name(lines)
    (followed,) = transaction.read(_VERSION).fetchone()
    if version < followed:
        return Declared(followed, True)
    transaction.execute(_FOLLOW, (version, templates_max))
    ranked = templates.ranked(lines)
    _write_templates(transaction, ranked)
    known = set()
    for account in transaction.accounts.every():
        name = _name(account)
        known.add(name)
        # One that comes earlier may have paid what an earlier window of this one owed.
        _follow(transaction, transaction.accounts.now(account), by_name.get(name), ranked)
    for name, line in by_name.items():
        if name not in known and not line.pattern.is_template:
            transaction.open_window(transaction.accounts.begin(name.scope, line))
    return Declared(version, False)


def _name(account: Account) -> BudgetName:
    balance = account.balance
    return BudgetName(balance.scope, balance.unit, balance.period)


def _write_templates(transaction: Transaction, ranked: Sequence[BudgetLine]) -> None:
    transaction.execute(templates.CLEAR)
    for row in templates.rows(ranked):
        transaction.execute(templates.INSERT, row)
    transaction.accounts.look_again()


def _follow(
    transaction: Transaction,
    account: Account,
    line: BudgetLine | None,
    ranked: Sequence[BudgetLine],
) -> None:
    """Bring one budget after the line that governs it: its own, else a template."""
    balance = account.balance
    template = None
    if line is None:
        line = template = next(
            (
                governing
                for governing in templates.governing(ranked, balance.scope)
                if (governing.unit, governing.period) == (balance.unit, balance.period)
            ),
            None,
        )
    if line is None:
        _undeclare(transaction, account)
    else:
        _redeclare(transaction, account, line, template.pattern.text if template else None)


def _undeclare(transaction: Transaction, account: Account) -> None:
    """The budget stays, with its terms; only nobody declares it any more."""
    if not account.balance.declared:
        return
    transaction.execute(_UNDECLARE, (account.budget_id,))
    transaction.undoable(transaction.accounts.set_terms(account.budget_id, declared=False))
    transaction.post(Kind.DECLARE, about=about_budgets(account.balance.scope), actor=CONFIG)


def _redeclare(
    transaction: Transaction, account: Account, line: BudgetLine, template: str | None
) -> None:
    """Apply what differs from the last time: what operators did by hand survives the rest."""
    last = _last_terms(transaction, account)
    now = _Terms(
        line.allocated, line.overdraft_limit, line.status, line.rollover_max, line.idle_ttl_ms,
        True, template,
    )  # fmt: skip
    if now == last:
        return
    arrears.settle(transaction, [account])
    change = rules.adjust(
        account.balance, by=now.allocated - last.allocated, overdraft_limit=now.overdraft_limit
    )
    about = about_budgets(account.balance.scope)
    transaction.post(Kind.DECLARE, [(account, change)], about=about, actor=CONFIG)
    status = now.status if now.status is not last.status else account.balance.status
    transaction.execute(_REDECLARE, (status.value, *_values(now), account.budget_id))
    transaction.undoable(
        transaction.accounts.set_terms(
            account.budget_id, overdraft_limit=now.overdraft_limit, status=status, declared=True
        )
    )
    arrears.repay(transaction, [account])


def _last_terms(transaction: Transaction, account: Account) -> _Terms:
    row = transaction.read(_LAST_TERMS, (account.budget_id,)).fetchone()
    allocated, overdraft_limit, status, rollover_max, idle_ttl_ms, is_declared, template = row
    return _Terms(
        allocated, overdraft_limit, BudgetStatus(status), rollover_max, idle_ttl_ms,
        bool(is_declared), template,
    )  # fmt: skip


def _values(terms: _Terms) -> tuple[Any, ...]:
    may_idle = terms.template is not None and terms.idle_ttl_ms is not None
    return (
        terms.allocated,
        terms.overdraft_limit,
        terms.status.value,
        terms.rollover_max,
        terms.idle_ttl_ms,
        int(terms.is_declared),
        terms.template,
        0 if may_idle else None,
    )
