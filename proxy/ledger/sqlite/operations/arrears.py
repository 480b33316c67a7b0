"""What no budget could fund, charged once there is room."""

from collections.abc import Iterable, Sequence
from typing import Final

from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.protocol import Balance
from proxy.ledger.rules import Arrear
from proxy.ledger.sqlite import holds
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.holds import Hold
from proxy.ledger.sqlite.transaction import Transaction, tenant_of

_LOOK_AT_MAX: Final = 100
"""How many settled holds one operation tries to pay; the next one tries the rest."""


def repay(transaction: Transaction, accounts: Sequence[Account]) -> None:
    """Where these windows have room again, charge what they owe, oldest first.

    Has nothing to do, and asks the file nothing, as long as every call was covered.
    """
    in_arrears = [account for account in accounts if _may_pay(account.balance)]
    if not in_arrears:
        return
    owing = list(_owing(transaction, in_arrears))
    window_ids = {number for hold in owing for number in hold.window_ids}
    others = transaction.accounts.of_windows(sorted(window_ids))
    by_window = {account.window_id: account for account in (*in_arrears, *others)}
    repayment = rules.repay(
        {number: account.balance for number, account in by_window.items()},
        [Arrear(hold.number, hold.window_ids, hold.uncovered) for hold in owing],
    )
    by_number = {hold.number: hold for hold in owing}
    for arrear in repayment.paid:
        windows = [by_window[number] for number in arrear.windows]
        _pay(transaction, by_number[arrear.number], windows)
    for number in repayment.relieved:
        _relieve(transaction, by_window[number])


def _may_pay(balance: Balance) -> bool:
    return balance.uncovered > 0 and balance.remaining > 0


def _owing(transaction: Transaction, accounts: Iterable[Account]) -> Iterable[Hold]:
    numbers: set[int] = set()
    for account in accounts:
        rows = transaction.read(
            "SELECT number FROM arrears WHERE window_id = ? ORDER BY number LIMIT ?",
            (account.window_id, _LOOK_AT_MAX),
        )
        numbers.update(number for (number,) in rows)
    return holds.find_numbers(transaction, sorted(numbers)[:_LOOK_AT_MAX])


def owe(transaction: Transaction, hold: Hold, uncovered: int) -> None:
    """Remember that a settled hold was not covered."""
    if uncovered:
        for window_id in hold.window_ids:
            transaction.execute(
                "INSERT OR IGNORE INTO arrears VALUES (?, ?)", (window_id, hold.number)
            )


def _pay(transaction: Transaction, hold: Hold, accounts: Sequence[Account]) -> None:
    change = rules.pay(hold.uncovered)
    transaction.post(
        Kind.REPAY,
        [(account, change) for account in accounts],
        tenant=hold.tenant,
        reservation_id=hold.reservation_id,
    )
    transaction.execute(
        "UPDATE reservations SET charged = charged + uncovered, uncovered = 0 WHERE number = ?",
        (hold.number,),
    )
    for window_id in hold.window_ids:
        transaction.execute(
            "DELETE FROM arrears WHERE window_id = ? AND number = ?", (window_id, hold.number)
        )


def _relieve(transaction: Transaction, account: Account) -> None:
    transaction.post(
        Kind.RELIEVE, [(account, rules.RELIEF)], tenant=tenant_of(account.balance.scope)
    )
