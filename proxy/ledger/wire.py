"""What a ledger holds, as the Cycles protocol shows it.

Source: cycles-protocol-v0.yaml, schemas Balance and ReservationStatus; which window a scope
shows is in docs/semantics.md.
"""

from collections.abc import Iterable

from msgspec import UNSET, UnsetType

from proxy.cycles_wire import schemas
from proxy.cycles_wire.schemas import Amount, ReservationStatus, SignedAmount
from proxy.domain.money import Unit
from proxy.domain.reservation import OPEN, State
from proxy.domain.scope import Scope
from proxy.domain.subject import RUN
from proxy.ledger.records import Balance

_RUN_SEGMENT = f"/{RUN}:"


def wire_balances(balances: Iterable[Balance]) -> list[schemas.Balance]:
    """One balance for each scope and unit, in the order of `balances`.

    Where a scope has several windows it shows the one with the least remaining. Budgets of
    runs are left out: the protocol has no such scope.
    """
    tightest: dict[tuple[Scope, Unit], Balance] = {}
    for balance in balances:
        if _RUN_SEGMENT in balance.scope:
            continue
        shown = tightest.setdefault((balance.scope, balance.unit), balance)
        if balance.remaining < shown.remaining:
            tightest[balance.scope, balance.unit] = balance
    return [wire_balance(balance) for balance in tightest.values()]


def wire_balance(balance: Balance) -> schemas.Balance:
    """One window. What it cannot say is left out: debt and limits of 0, a negative allocation."""
    unit = balance.unit
    return schemas.Balance(
        scope=balance.scope,
        scope_path=balance.scope,
        remaining=SignedAmount(unit=unit, amount=balance.remaining),
        reserved=Amount(unit=unit, amount=balance.reserved),
        spent=Amount(unit=unit, amount=balance.spent),
        debt=_positive(unit, balance.debt),
        # Without `allocated`, remaining is what counts: so says the schema, and a budget from
        # which more was taken than it had has no Amount.
        allocated=UNSET if balance.allocated < 0 else Amount(unit=unit, amount=balance.allocated),
        overdraft_limit=_positive(unit, balance.overdraft_limit),
        is_over_limit=True if balance.is_over_limit else UNSET,
    )


def wire_status(state: State) -> ReservationStatus:
    """An uncertain hold reads as ACTIVE: it still takes room."""
    return ReservationStatus.ACTIVE if state in OPEN else ReservationStatus(state.value)


def _positive(unit: Unit, amount: int) -> Amount | UnsetType:
    return Amount(unit=unit, amount=amount) if amount > 0 else UNSET
