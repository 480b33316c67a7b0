"""What time and room do to windows, whoever asks for them.

What no longer counts leaves a rolling window; and what no budget could fund is charged
once there is room.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Final

from proxy.domain.money import Unit
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.records import Balance
from proxy.ledger.rules import Arrear
from proxy.ledger.sqlite import holds
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.holds import Hold
from proxy.ledger.sqlite.transaction import Transaction, about_budgets

_LEFT: Final = "SELECT coalesce(sum(spent), 0) FROM buckets WHERE window_id = ? AND number < ?"
_OWED_BY: Final = "SELECT number FROM arrears WHERE window_id = ? ORDER BY number LIMIT ?"
_OWE: Final = "INSERT OR IGNORE INTO arrears VALUES (?, ?)"
_OWES_NO_MORE: Final = "DELETE FROM arrears WHERE window_id = ? AND number = ?"
_CHARGE: Final = "UPDATE reservations SET charged = ?, uncovered = ? WHERE number = ?"


def foreseen(transaction: Transaction, accounts: Sequence[Account]) -> list[Balance]:
    """How these windows will stand once they have settled. Changes nothing."""

    def settled() -> list[Balance]:
        settle(transaction, accounts)
        return [account.balance for account in accounts]

    if transaction.accounts.has_rolling:
        return transaction.look(settled)
    return [account.balance for account in accounts]


def settle(transaction: Transaction, accounts: Sequence[Account]) -> None:
    """What any operation does first: rolling windows let go, and pay with the room."""
    if not transaction.accounts.has_rolling:
        return
    rolling = [account for account in accounts if account.is_rolling]
    if not rolling:
        return
    for account in accounts:
        if not account.window_id:
            transaction.open_window(account)
    _roll(transaction, rolling)
    repay(transaction, rolling)


def _roll(transaction: Transaction, accounts: Iterable[Account]) -> None:
    """Let the buckets go that are all outside of their windows."""
    for account in accounts:
        if not account.is_stale:
            continue
        account.is_stale = False
        balance = account.balance
        oldest = balance.period.oldest_bucket(transaction.now_ms)
        (left,) = transaction.read(_LEFT, (account.window_id, oldest)).fetchone()
        if left:
            transaction.undoable(partial(setattr, account, "is_stale", True))
            change = rules.roll(balance, left)
            about = about_budgets(balance.scope)
            transaction.post(Kind.ROLL, [(account, change)], about=about)


@dataclass(frozen=True, slots=True)
class _Owing:
    """A settled hold, what it has paid and owes, and its windows that are still there."""

    hold: Hold
    charged: dict[Unit, int]
    uncovered: dict[Unit, int]
    accounts: Sequence[Account]

    def windows(self, unit: Unit) -> tuple[int, ...]:
        """Those in a unit."""
        return tuple([a.window_id for a in self.accounts if a.balance.unit is unit])


def repay(transaction: Transaction, accounts: Sequence[Account]) -> None:
    """Where these windows have room again, charge what they owe, oldest first.

    Has nothing to do, and asks the file nothing, as long as every call was covered.
    """
    roomy = [account for account in accounts if rules.may_repay(account.balance)]
    if not roomy:
        return
    owing = {found.hold.number: found for found in _owing(transaction, roomy)}
    arrears = list(_arrears(owing.values(), {account.window_id for account in roomy}))
    owed = chain.from_iterable(arrear.windows for arrear in arrears)
    concerned = [*roomy, *transaction.accounts.of_windows([*owed])]
    _roll(transaction, concerned)
    by_window = {account.window_id: account for account in concerned}
    repayment = rules.repay(
        {number: account.balance for number, account in by_window.items()}, arrears
    )
    for arrear in repayment.paid:
        windows = [by_window[number] for number in arrear.windows]
        _pay(transaction, owing[arrear.number], arrear, windows)
    for number in repayment.relieved:
        _relieve(transaction, by_window[number])


def _owing(transaction: Transaction, accounts: Iterable[Account]) -> Iterable[_Owing]:
    """The holds that these windows owe for."""
    numbers: set[int] = set()
    for account in accounts:
        rows = transaction.read(_OWED_BY, (account.window_id, rules.ARREARS_MAX))
        numbers.update(number for (number,) in rows)
    for hold in holds.find_numbers(transaction, sorted(numbers)[: rules.ARREARS_MAX]):
        bill = holds.bill(transaction, hold)
        standing = transaction.accounts.standing(hold.window_ids)
        yield _Owing(hold, {**bill.charged}, {**bill.uncovered}, standing)


def _arrears(owing: Iterable[_Owing], roomy: set[int]) -> Iterable[Arrear[int]]:
    """What is owed by one of these windows."""
    for found in owing:
        for unit, uncovered in found.uncovered.items():
            windows = found.windows(unit)
            if uncovered and not roomy.isdisjoint(windows):
                yield Arrear(found.hold.number, unit, windows, uncovered)


def owe(
    transaction: Transaction,
    number: int,
    accounts: Iterable[Account],
    uncovered: Mapping[Unit, int],
) -> None:
    """Remember that a settled hold of this number was not covered in these windows."""
    for account in accounts:
        if uncovered[account.balance.unit]:
            transaction.execute(_OWE, (account.window_id, number))


def _pay(
    transaction: Transaction, owing: _Owing, arrear: Arrear[int], accounts: Sequence[Account]
) -> None:
    change = rules.pay(arrear.uncovered)
    changes = [(account, change) for account in accounts]
    transaction.post(Kind.REPAY, changes, about=owing.hold.about)
    owing.charged[arrear.unit] += arrear.uncovered
    owing.uncovered[arrear.unit] = 0
    charged, uncovered = holds.written(owing.charged), holds.written_if_any(owing.uncovered)
    transaction.execute(_CHARGE, (charged, uncovered, owing.hold.number))
    for account in accounts:
        transaction.execute(_OWES_NO_MORE, (account.window_id, owing.hold.number))


def _relieve(transaction: Transaction, account: Account) -> None:
    about = about_budgets(account.balance.scope)
    transaction.post(Kind.RELIEVE, [(account, rules.RELIEF)], about=about)
