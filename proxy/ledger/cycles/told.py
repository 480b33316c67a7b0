"""What an authority has said of its budgets, in answers to other questions.

So that policies know how much is used up, and a plan what would fit, without asking for it.
As old as the last answer that named the scope; of limited size.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope
from proxy.ledger.cycles.asking.answers import ReadAmount, ReadBalance, known_unit
from proxy.ledger.records import Balance, BudgetStatus

BALANCES_MAX: Final = 10_000
WITHOUT_MAX: Final = 10_000
WITHOUT_FOR_MS: Final = 60_000
"""For so long nobody asks again for a unit in which a subject had no budget."""


class Told:
    """The last balance of each scope and unit, and which subjects have none in a unit."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """`now_ms` never steps back."""
        self._now_ms = now_ms
        self._balances: OrderedDict[tuple[Scope, Unit], Balance] = OrderedDict()
        self._without: OrderedDict[tuple[Scope, Unit], int] = OrderedDict()

    def hear(self, read: Iterable[ReadBalance] | None) -> tuple[Balance, ...]:
        """Remember balances of an answer; the same, as records."""
        balances = tuple([b for b in map(balance_of, read or ()) if b is not None])
        for balance in balances:
            place = (balance.scope, balance.unit)
            self._balances[place] = balance
            self._balances.move_to_end(place)
        while len(self._balances) > BALANCES_MAX:
            self._balances.popitem(last=False)
        return balances

    def balances(self, scopes: Sequence[Scope], units: Sequence[Unit]) -> tuple[Balance, ...]:
        """What is known of these, by scope and then by unit."""
        places = [(scope, unit) for scope in scopes for unit in units]
        return tuple([self._balances[place] for place in places if place in self._balances])

    def everything(self) -> tuple[Balance, ...]:
        """All that is known, by scope."""
        return tuple([self._balances[place] for place in sorted(self._balances)])

    def tightest(self, scopes: Sequence[Scope], unit: Unit) -> Balance | None:
        """The budget of these scopes with the least remaining, as far as it is known."""
        known = self.balances(scopes, (unit,))
        return min(known, key=lambda balance: balance.remaining) if known else None

    def has_none(self, scope_path: Scope, unit: Unit) -> None:
        """A subject has no budget in this unit."""
        place = (scope_path, unit)
        self._without[place] = self._now_ms() + WITHOUT_FOR_MS
        self._without.move_to_end(place)
        while len(self._without) > WITHOUT_MAX:
            self._without.popitem(last=False)

    def is_without(self, scope_path: Scope, unit: Unit) -> bool:
        """Whether a subject had no budget in this unit a moment ago."""
        return self._without.get((scope_path, unit), 0) > self._now_ms()


def balance_of(read: ReadBalance) -> Balance | None:
    """A balance as a record: the only window that the protocol shows. None in foreign units.

    `remaining` is what counts, whatever else is missing; so what is allocated follows.
    """
    unit = known_unit(read.remaining.unit)
    if unit is None:
        return None
    reserved, debt = _amount(read.reserved), _amount(read.debt)
    remaining = read.remaining.amount
    spent = _amount(read.spent)
    if read.spent is None and read.allocated is not None:
        spent = max(0, read.allocated.amount - remaining - reserved - debt)
    return Balance(
        scope=Scope(read.scope_path or read.scope),
        unit=unit,
        period=Period.LIFETIME,
        window_start_ms=0,
        window_end_ms=None,
        allocated=remaining + spent + reserved + debt,
        reserved=reserved,
        spent=spent,
        debt=debt,
        uncertain=0,
        uncovered=0,
        overdraft_limit=_amount(read.overdraft_limit),
        is_over_limit=bool(read.is_over_limit),
        status=BudgetStatus.ACTIVE,
        declared=False,
    )


def _amount(read: ReadAmount | None) -> int:
    return 0 if read is None else read.amount
