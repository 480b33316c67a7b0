"""What was spent without a hold."""

from collections.abc import Callable, Mapping, Sequence

from proxy.domain.errors import IdempotencyMismatch
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope, budget_scopes, derive
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.records import Applied, Event, Settlement, Span
from proxy.ledger.sqlite import holds, rows
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.operations.cycles import remembered, tenants
from proxy.ledger.sqlite.operations.hold import budgets_of, no_budget
from proxy.ledger.sqlite.operations.settle import read_settlement, written_settlement
from proxy.ledger.sqlite.transaction import About, Transaction


def apply(transaction: Transaction, event: Event, new_id: Callable[[], str]) -> Applied:
    """Charge an event: a hold of nothing, committed at once."""
    if not event.actual:
        raise ValueError("an event has an amount in at least one unit")
    for amount in event.actual.values():
        rules.check_amount(amount)
    tenant = event.subject.tenant or ""
    first = holds.find_by_key(transaction, tenant, event.key)
    if first is not None:
        return _applied_before(transaction, first, event)
    remembered.check_key(transaction, tenant, event.key)
    if not event.is_spent:
        tenants.check_new(transaction, tenant)
    accounts = _accounts(transaction, event)
    balances = arrears.foreseen(transaction, accounts)
    if not event.is_spent:
        amounts = {unit: Span(amount, amount) for unit, amount in event.actual.items()}
        rules.grant(balances, (amounts,), max_share_pct=100, free=amounts)
    taken = rules.charge(
        balances,
        held=dict.fromkeys(event.actual, 0),
        actual=event.actual,
        overage=event.overage,
        refusable=not event.is_spent,
    )
    if not event.is_spent:
        transaction.accounts.check_templates(accounts)
    arrears.settle(transaction, accounts)
    return _charge(transaction, event, accounts, taken, new_id())


def _accounts(transaction: Transaction, event: Event) -> list[Account]:
    """The budgets of its subject; where nobody can refuse it, there need be none."""
    scopes: Sequence[Scope] = budget_scopes(event.subject)
    units: tuple[Unit, ...] = tuple(event.actual)
    if event.is_spent and not scopes:
        return []
    accounts = budgets_of(transaction, scopes, units)
    if not event.is_spent and not rules.covers([a.balance.unit for a in accounts], units):
        raise no_budget(transaction, scopes, units)
    return accounts


def _charge(
    transaction: Transaction,
    event: Event,
    accounts: Sequence[Account],
    taken: rules.Charge,
    reservation_id: str,
) -> Applied:
    scopes = derive(event.subject)
    about = About(
        event.subject.tenant or "",
        scopes[-1] if scopes else Scope(""),
        reservation_id,
        event.trace_id,
        event.price_version,
    )
    changes = zip(accounts, taken.changes, strict=True)
    balances = transaction.post(Kind.EVENT, changes, about=about)
    nothing: Mapping[Unit, int] = dict.fromkeys(event.actual, 0)
    settlement = Settlement(State.COMMITTED, taken.charged, nothing, taken.uncovered, balances)
    number = rows.insert_event(
        transaction,
        event,
        settlement,
        about=about,
        window_ids=[account.window_id for account in accounts],
        answer=written_settlement(settlement, accounts),
    )
    arrears.owe(transaction, number, accounts, taken.uncovered)
    arrears.repay(transaction, accounts)
    return Applied(reservation_id, settlement)


def _applied_before(transaction: Transaction, number: int, event: Event) -> Applied:
    """The first answer again."""
    first = holds.beginning(transaction, number)
    if first.payload_hash != event.payload_hash or first.granted is not None:
        raise IdempotencyMismatch(f"the key of {first.reservation_id} came with another payload")
    _, answer = holds.settled(transaction, number)
    return Applied(first.reservation_id, read_settlement(transaction, answer))
