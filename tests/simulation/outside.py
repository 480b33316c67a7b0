"""What other programs do with the file while a proxy serves: operators, and whoever locks it."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerError, Refused
from proxy.domain.reservation import State
from proxy.ledger.records import Balance, BudgetName, BudgetStatus
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.simulation.plan import EndByHand, Fund, SetStatus

OPERATOR = "operator"


class Operator:
    """Works with a ledger as `spendgate budgets` and `spendgate reservations` do."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock

    async def do(self, act: Fund | SetStatus | EndByHand) -> None:
        """Open the file, do it, and let go. What the ledger refuses does not happen."""
        try:
            ledger = SqliteLedger.open(self._path, clock=self._clock, new_id=str, serves=False)
        except LedgerError:
            return
        try:
            match act:
                case Fund():
                    await _fund(ledger, act)
                case SetStatus():
                    await _set_status(ledger, act)
                case EndByHand():
                    await _end(ledger, act)
        except (LedgerError, Refused):
            pass
        finally:
            await ledger.close()


async def _budgets(ledger: SqliteLedger, number: int | None) -> tuple[Balance, ...]:
    """The budget of this number, if there is any; every budget for no number."""
    balances = await ledger.all_balances()
    if number is None:
        return balances
    place = number % max(1, len(balances))
    return balances[place : place + 1]


async def _fund(ledger: SqliteLedger, act: Fund) -> None:
    for budget in await _budgets(ledger, act.budget):
        name = BudgetName(budget.scope, budget.unit, budget.period)
        await ledger.fund(name, act.operation, act.amount, actor=OPERATOR)


async def _set_status(ledger: SqliteLedger, act: SetStatus) -> None:
    status = BudgetStatus.FROZEN if act.frozen else BudgetStatus.ACTIVE
    for budget in await _budgets(ledger, act.budget):
        await ledger.set_status(budget.scope, budget.unit, status, actor=OPERATOR)


async def _end(ledger: SqliteLedger, act: EndByHand) -> None:
    found = await ledger.reservations(states=frozenset({State(act.state)}), limit=100)
    if not found:
        return
    hold = found[-1]
    key = f"{hold.reservation_id}/{OPERATOR}"
    if act.how == "release":
        await ledger.release(hold.reservation_id, key=key, actor=OPERATOR)
        return
    stated = act.actual
    await ledger.commit(
        hold.reservation_id,
        actual=hold.amounts if stated is None else dict.fromkeys(hold.amounts, stated),
        key=key,
        payload_hash=str(stated),
        estimated=stated is None,
        metadata={"actor": OPERATOR},
    )


def lock_file(path: Path, duration_ms: int) -> Callable[[], None]:
    """Keep the file locked for so long. Returns what lets go of it earlier."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=0)
    with suppress(sqlite3.OperationalError):  # somebody else locks it already
        connection.execute("BEGIN IMMEDIATE")
    asyncio.get_running_loop().call_later(duration_ms / 1000, connection.close)
    return connection.close
