"""What policies leave of a caller's wish, by the balances of its budgets."""

from typing import Final

from proxy.domain.money import Unit
from proxy.domain.scope import all_scopes
from proxy.domain.subject import Subject
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import Balance
from proxy.policies import Policies, Wish, counted

WATCHED: Final = (Unit.USD_MICROCENTS, Unit.TOKENS, Unit.CALLS)
"""The units in which budgets hold for calls of the proxy."""


async def read_wish(
    policies: Policies, ledger: Ledger, model: str, subject: Subject, *, at_ms: int
) -> tuple[Wish, tuple[Balance, ...]]:
    """The wish of a call for `model`, and the balances by which it was decided.

    Raises:
        LedgerError: the ledger does not say.
    """
    scopes = all_scopes(subject)
    watched = policies.watched(scopes)
    balances = await ledger.balances(watched, *WATCHED) if watched else ()
    wish = policies.wish(model, scopes=scopes, balances=balances, at_ms=at_ms)
    if wish.steps is not None:
        wish = counted(wish, await ledger.balances((wish.steps,), Unit.CALLS))
    return wish, balances
