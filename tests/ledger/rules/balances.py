"""Balances as rules are shown them."""

from proxy.domain.money import Unit
from proxy.domain.period import Period, Step
from proxy.domain.scope import Scope
from proxy.ledger.records import Balance, BudgetStatus


def balance(
    scope: str = "tenant:dev",
    *,
    allocated: int = 100,
    reserved: int = 0,
    spent: int = 0,
    debt: int = 0,
    uncertain: int = 0,
    uncovered: int = 0,
    overdraft_limit: int = 0,
    is_over_limit: bool = False,
    status: BudgetStatus = BudgetStatus.ACTIVE,
    window_end_ms: int | None = None,
    unit: Unit = Unit.USD_MICROCENTS,
    rolling_ms: int = 0,
) -> Balance:
    """100 microcents for ever, none of it used, unless said otherwise."""
    lasting = Period.LIFETIME if window_end_ms is None else Period.DAY
    return Balance(
        scope=Scope(scope),
        unit=unit,
        period=Period(Step.ROLLING, rolling_ms=rolling_ms) if rolling_ms else lasting,
        window_start_ms=0,
        window_end_ms=window_end_ms,
        allocated=allocated,
        reserved=reserved,
        spent=spent,
        debt=debt,
        uncertain=uncertain,
        uncovered=uncovered,
        overdraft_limit=overdraft_limit,
        is_over_limit=is_over_limit,
        status=status,
    )
