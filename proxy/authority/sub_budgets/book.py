"""The sub-budgets of one ledger: carved, known by their keys, and closed."""

from collections.abc import Callable

from proxy.authority.sub_budgets.carving import Carve, Carved, carve
from proxy.authority.sub_budgets.closing import Closer
from proxy.authority.sub_budgets.keys import SubBudgetKeys
from proxy.authority.sub_budgets.terms import SubBudgetLedger
from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerError
from proxy.domain.sub_budget import Child
from proxy.ledger.records import Reservation


class SubBudgets:
    """What both doors and one timer share. It outlives a reload of the configuration."""

    def __init__(
        self, ledger: SubBudgetLedger, clock: Clock, *, new_salt: Callable[[], str]
    ) -> None:
        """`new_salt` makes what nobody can guess."""
        self._ledger = ledger
        self._keys = SubBudgetKeys(ledger, clock)
        self._closer = Closer(ledger, clock)
        self.new_salt = new_salt

    async def find(self, secret: str) -> Child | None:
        """Whose key this is: `SubBudgetKeys.find`."""
        return await self._keys.find(secret)

    async def carve(self, asked: Carve) -> Carved:
        """Hold for a sub-budget and fill its purse: `carving.carve`."""
        carved = await carve(self._ledger, asked)
        self._closer.watch(carved.row)
        self._keys.forget()
        return carved

    async def close(self, row: Reservation) -> None:
        """End a sub-budget: its key at once, the rest when nothing is held from its purse.

        Raises:
            LedgerError: the rest is done later.
        """
        try:
            await self._closer.close(row)
        finally:
            self._keys.forget()

    async def tend(self) -> None:
        """Close what is over, and go on with what is closing. Waits while the ledger is away."""
        try:
            await self._closer.tend()
        except LedgerError:
            return
