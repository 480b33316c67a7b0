"""Parents and children at one authority, and its books."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from proxy.authority.sub_budgets.book import SubBudgets
from proxy.authority.sub_budgets.carving import GRACE_MS
from proxy.authority.sub_budgets.closing import LOOK_PAUSE_NS
from proxy.domain.money import Unit
from proxy.domain.scope import Scope
from proxy.ledger.records import Balance, BudgetLine
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.authority.rig import DEV, USD, Came, Lines, Rig, plane_over
from tests.ledger.builders import TEMPLATES_MAX, balance_of, line
from tests.ledger.harness import ManualClock

PATH = "/v1/x-spendgate/sub-budgets"
TENANT = Scope("tenant:dev")

_numbers = count(1)


@dataclass
class Family(Rig):
    """An authority whose sub-budgets a test closes by hand."""

    sub_budgets: SubBudgets

    async def carve(self, amount: int = 400, *, secret: str = DEV, **more: Any) -> Came:
        """Ask for a sub-budget in dollars, unless `amounts` say more."""
        body = {
            "idempotency_key": f"carve-{next(_numbers)}",
            "amounts": [{"unit": USD, "amount": amount}],
            "ttl_ms": 60_000,
        } | more
        named = {name: value for name, value in body.items() if value is not None}
        return await self.post(PATH, named, secret=secret)

    async def carved(self, amount: int = 400, **more: Any) -> Came:
        """A sub-budget that was made."""
        came = await self.carve(amount, **more)
        assert came.status == 201, came.body
        return came

    async def look(self, sub_budget_id: str, *, secret: str = DEV) -> Came:
        return await self.get(f"{PATH}/{sub_budget_id}", secret=secret)

    async def close(self, sub_budget_id: str, *, secret: str = DEV) -> Came:
        return await self.post(f"{PATH}/{sub_budget_id}/close", None, secret=secret)

    async def spend(
        self, amount: int, *, secret: str, held: int | None = None, unit: str = USD, **more: Any
    ) -> None:
        """A whole action of a child."""
        holding = amount if held is None else held
        came = await self.reserve(holding, secret=secret, unit=unit, **more)
        assert came.status == 200, came.body
        actual = {"unit": unit, "amount": amount}
        done = await self.commit(came["reservation_id"], secret=secret, actual=actual)
        assert done.status == 200, done.body

    async def at(self, scope: str = TENANT, unit: Unit = Unit.USD_MICROCENTS) -> Balance:
        return await balance_of(self.ledger, Scope(scope), unit=unit)

    async def stands(self, scope: str = TENANT) -> tuple[int, int, int]:
        """Reserved, spent and remaining."""
        balance = await self.at(scope)
        return balance.reserved, balance.spent, balance.remaining

    def later(self, by_ms: int) -> None:
        self.clock.at_ms += by_ms
        self.clock.monotonic_at_ns += by_ms * 1_000_000

    async def beyond_grace(self, *, sweeps: bool) -> None:
        """From the end of a sub-budget to that of its hold, in steps that are no leaps."""
        for _ in range(3):
            self.later(GRACE_MS // 3)
            await self.ledger.balances([TENANT], Unit.USD_MICROCENTS)
            await self.ledger.expire(limit=0)
        self.later(1)
        if sweeps:
            await self.ledger.expire(limit=10)

    async def tend_late(self) -> None:
        """What the timers of a process do, once it looks for purses again."""
        self.clock.monotonic_at_ns += LOOK_PAUSE_NS
        await self.sub_budgets.tend()

    async def check(self) -> None:
        """Rows, journal and balances agree."""
        assert (await self.ledger.verify()).differences == ()

    def elsewhere(self) -> "Family":
        """Another process on the same ledger, which knows nothing by heart."""
        return over(self.ledger, self.clock)


def usd(amount: int) -> list[dict[str, object]]:
    """Amounts as they stand in requests and answers."""
    return [{"unit": USD, "amount": amount}]


def over(ledger: SqliteLedger, clock: ManualClock, **options: Any) -> Family:
    """A process on this ledger."""
    log = Lines()
    salts = count(1)
    sub_budgets = SubBudgets(ledger, clock, new_salt=lambda: f"salt-{next(salts)}")
    plane = plane_over(ledger, clock=clock, log=log, sub_budgets=sub_budgets, **options)
    return Family(plane, ledger, clock, log, sub_budgets)


BUDGETS = (line("tenant:dev", 1_000), line("tenant:other", 1_000))


@asynccontextmanager
async def living(
    folder: Path, *, budgets: Sequence[BudgetLine] = BUDGETS, **options: Any
) -> AsyncIterator[Family]:
    """A family whose ledger has these budgets; `options` are those of `plane_over`."""
    clock, ids = ManualClock(), count(1)
    ledger = SqliteLedger.open(
        folder / "ledger.db", clock=clock, new_id=lambda: f"rsv_{next(ids):032x}"
    )
    try:
        await ledger.declare(budgets, templates_max=TEMPLATES_MAX)
        yield over(ledger, clock, **options)
    finally:
        await ledger.close()
