"""What operators do to budgets."""

from typing import Final

from proxy.domain.errors import IdempotencyMismatch, Reason, Refused
from proxy.domain.money import Unit
from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.records import Balance, BudgetName, BudgetStatus, FundOperation
from proxy.ledger.sqlite import answers, holds
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.transaction import Transaction, about_budgets

_FIND_FUNDING: Final = (
    "SELECT payload, answer FROM fundings WHERE scope = ? AND unit = ? AND period = ? AND key = ?"
)
_KEEP_FUNDING: Final = "INSERT INTO fundings VALUES (?, ?, ?, ?, ?, ?, ?)"
# Who stopped a budget by hand wants it to stay, and who lets it go on may have it go.
_SET_STATUS: Final = (
    "UPDATE budgets SET status = ?, idle_at_ms = iif(idle_at_ms IS NULL, NULL, 0) WHERE id = ?"
)


def fund(
    transaction: Transaction,
    name: BudgetName,
    operation: FundOperation,
    amount: int,
    *,
    actor: str,
    spent: int,
    key: str | None,
) -> Balance:
    """Change what the budget's current window may spend, once for each key."""
    rules.check_amount(amount)
    rules.check_amount(spent)
    payload = holds.written((operation, amount, spent))
    if key is not None:
        first = _funded_before(transaction, name, key, payload)
        if first is not None:
            return first
    account = _named(transaction, name)
    (balance,) = arrears.foreseen(transaction, [account])
    change = rules.fund(balance, operation, amount, spent=spent)
    transaction.accounts.check_templates([account])
    arrears.settle(transaction, [account])
    about = about_budgets(name.scope)
    transaction.post(Kind.FUND, [(account, change)], about=about, actor=actor)
    arrears.repay(transaction, [account])
    if key is not None:
        answer = answers.encode((), [account], [account.balance])
        transaction.execute(
            _KEEP_FUNDING, (*_columns(name), key, payload, answer, transaction.now_ms)
        )
    return account.balance


def _funded_before(
    transaction: Transaction, name: BudgetName, key: str, payload: str
) -> Balance | None:
    """The first answer to this key, if it was used before."""
    found = transaction.read(_FIND_FUNDING, (*_columns(name), key)).fetchone()
    if found is None:
        return None
    if found[0] != payload:
        raise IdempotencyMismatch(f"a key of {name.scope} came with another change")
    _, (balance,) = answers.decode(found[1], transaction.accounts)
    return balance


def _columns(name: BudgetName) -> tuple[str, str, str]:
    return name.scope, name.unit.value, str(name.period)


def _named(transaction: Transaction, name: BudgetName) -> Account:
    for account in transaction.accounts.current([name.scope], (name.unit,)):
        if account.balance.period == name.period:
            return account
    line = rules.purse_line(name)
    if line is not None:
        return transaction.accounts.begin(name.scope, line)
    raise _not_found(f"{name.scope} in {name.unit} for the period {name.period}")


def set_status(
    transaction: Transaction,
    scope: Scope,
    unit: Unit | None,
    status: BudgetStatus,
    *,
    actor: str,
) -> tuple[Balance, ...]:
    """Freeze, unfreeze or close every budget of a scope, whatever its period."""
    units = tuple(Unit) if unit is None else (unit,)
    accounts = transaction.accounts.current([scope], units)
    if not accounts:
        raise _not_found(str(scope) if unit is None else f"{scope} in {unit}")
    transaction.accounts.check_templates(accounts)
    for account in accounts:
        if not account.budget_id:
            transaction.open_window(account)
        transaction.execute(_SET_STATUS, (status.value, account.budget_id))
        transaction.undoable(transaction.accounts.set_terms(account.budget_id, status=status))
    transaction.post(Kind.SET_STATUS, about=about_budgets(scope), actor=actor)
    return tuple(arrears.foreseen(transaction, transaction.accounts.current([scope], units)))


def _not_found(what: str) -> Refused:
    return Refused(Reason.BUDGET_NOT_FOUND, f"There is no budget of {what}.")
