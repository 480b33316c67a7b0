"""The first answer of an operation, kept as JSON so that a replay gives it again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from proxy.domain.money import Unit
from proxy.ledger.records import Balance, BudgetStatus
from proxy.ledger.sqlite.accounts import Account, Accounts

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(list[Any]).decode


def encode(
    facts: Sequence[object], accounts: Iterable[Account], balances: Iterable[Balance]
) -> str:
    """Some facts, then each balance by its window: what never changes stays in its row."""
    rows = [
        (
            account.window_id,
            balance.allocated,
            balance.reserved,
            balance.spent,
            balance.debt,
            balance.uncertain,
            balance.uncovered,
            balance.overdraft_limit,
            balance.is_over_limit,
            balance.status,
            balance.declared,
        )
        for account, balance in zip(accounts, balances, strict=True)
    ]
    return _encode((*facts, rows)).decode()


def decode(text: str, accounts: Accounts) -> tuple[list[Any], tuple[Balance, ...]]:
    """The facts and the balances of `encode`."""
    *facts, rows = _decode(text)
    windows = accounts.of_windows([row[0] for row in rows])
    balances = (_balance(account.balance, row) for account, row in zip(windows, rows, strict=True))
    return facts, tuple(balances)


def _balance(window: Balance, row: Sequence[Any]) -> Balance:
    _, allocated, reserved, spent, debt, uncertain, uncovered, limit, is_over, status, declared = (
        row
    )
    return replace(
        window,
        allocated=allocated,
        reserved=reserved,
        spent=spent,
        debt=debt,
        uncertain=uncertain,
        uncovered=uncovered,
        overdraft_limit=limit,
        is_over_limit=is_over,
        status=BudgetStatus(status),
        declared=declared,
    )


def by_unit(fact: Mapping[str, int]) -> dict[Unit, int]:
    """Amounts among the facts of `decode`."""
    return {Unit(unit): amount for unit, amount in fact.items()}
