"""Any family, in any order: no budget counts what a child spends twice, or forgets it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.authority.rig import DEV
from tests.authority.sub_budgets.family import TENANT, Family, living

ALLOCATED = 1_000
TTL_MS = 20_000
HOLD_MS = 3_600_000
"""No hold ends by itself: that takes a sweep."""

Move = tuple[str, int, int]
MOVES = st.lists(
    st.tuples(
        st.sampled_from(["carve", "hold", "hold", "commit", "release", "close", "wait", "die"]),
        st.integers(0, 9),
        st.integers(0, 300),
    ),
    min_size=6,
    max_size=25,
)


@dataclass(eq=False)
class Spender:
    """The tenant, or a sub-budget: what it holds and spent itself, and those it was carved into."""

    key: str
    scope: str
    amount: int
    name: str = ""
    spent: int = 0
    holds: dict[str, int] = field(default_factory=dict)
    inner: list["Spender"] = field(default_factory=list)
    is_closed: bool = False

    @property
    def cost(self) -> int:
        """What it spent, with those inside that have been charged to it."""
        return self.spent + sum(each.cost for each in self.inner if each.is_closed)

    @property
    def reserved(self) -> int:
        """What it holds for itself, and for those inside that may still spend."""
        carved = sum(each.amount for each in self.inner if not each.is_closed)
        return sum(self.holds.values()) + carved

    def everyone(self) -> Iterator["Spender"]:
        yield self
        for each in self.inner:
            yield from each.everyone()


@dataclass
class Life:
    """One family and what should be true of it."""

    family: Family
    root: Spender

    def pick(self, number: int) -> Spender:
        everyone = [*self.root.everyone()]
        return everyone[number % len(everyone)]

    async def step(self, move: Move) -> None:
        what, who, amount = move
        spender = self.pick(who)
        match what:
            case "carve":
                await self.carve(spender, amount)
            case "hold":
                came = await self.family.reserve(amount, secret=spender.key, ttl_ms=HOLD_MS)
                if came.status == 200:
                    spender.holds[came["reservation_id"]] = amount
            case "commit" | "release":
                await self.settle(spender, what, amount)
            case "close" if spender is not self.root:
                assert (await self.family.close(spender.name)).status == 200
            case "wait":
                self.family.later(20 * amount)
                await self.family.sub_budgets.tend()
            case "die":
                self.family = self.family.elsewhere()
        await self.see()

    async def carve(self, spender: Spender, amount: int) -> None:
        came = await self.family.carve(amount, secret=spender.key, ttl_ms=TTL_MS)
        if came.status == 201:
            name = came["sub_budget_id"]
            spender.inner.append(Spender(came["key"], came["scope"], amount, name))

    async def settle(self, spender: Spender, what: str, amount: int) -> None:
        """By the parent's key: that of the child may have ended, and what it held has not."""
        if not spender.holds:
            return
        held, of = next(iter(spender.holds.items()))
        if what == "release":
            came = await self.family.release(held)
        else:
            came = await self.family.commit(held, min(amount, of))
            spender.spent += min(amount, of)
        assert came.status == 200, came.body
        del spender.holds[held]

    async def see(self) -> None:
        """Take over what time has ended, then look at every budget."""
        for spender in self.root.everyone():
            if spender is not self.root and not spender.is_closed:
                came = await self.family.look(spender.name)
                spender.is_closed = came["status"] == "CLOSED"
        for spender in self.root.everyone():
            assert not (spender.is_closed and spender.reserved), "closed before it was drained"
            reserved, spent, remaining = await self.family.stands(spender.scope)
            assert (reserved, spent) == (spender.reserved, spender.cost), spender.scope
            assert remaining >= 0
        await self.family.check()

    async def end(self) -> None:
        """Whatever it was, it ends, and the parent has paid all that anybody spent."""
        for spender in self.root.everyone():
            for held in tuple(spender.holds):
                assert (await self.family.release(held)).status == 200
                del spender.holds[held]
        self.family.later(TTL_MS)
        await self.family.tend_late()
        await self.see()
        assert all(each.is_closed for each in self.root.everyone() if each is not self.root)
        spent = sum(each.spent for each in self.root.everyone())
        assert await self.family.stands() == (0, spent, ALLOCATED - spent)


async def live(moves: list[Move]) -> None:
    with TemporaryDirectory() as folder:
        async with living(Path(folder)) as family:
            life = Life(family, Spender(DEV, TENANT, ALLOCATED))
            for move in [("carve", 0, 300), *moves]:
                await life.step(move)
            await life.end()


@settings(max_examples=120, deadline=None)
@given(MOVES)
def test_no_order_of_things_counts_anything_twice(moves: list[Move]) -> None:
    asyncio.run(live(moves))
