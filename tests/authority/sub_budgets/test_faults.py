"""Whatever happens between two steps leaves no sub-budget, or one that works and closes."""

from itertools import count
from pathlib import Path

import pytest

from proxy.domain.scope import carve_of
from proxy.ledger.records import BudgetStatus
from tests.authority.sub_budgets.family import Family, living, over
from tests.authority.sub_budgets.faults import Fault, Faulty, Killed
from tests.ledger.builders import TOKENS, line

BUDGETS = (line("tenant:dev", 1_000), line("tenant:dev", 500, unit=TOKENS))
AMOUNTS = [{"unit": "USD_MICROCENTS", "amount": 400}, {"unit": "TOKENS", "amount": 200}]
SPENT = 30


async def _carve(family: Family) -> str | None:
    """The child's key, if one was told."""
    came = await family.carve(amounts=AMOUNTS, idempotency_key="once", ttl_ms=10_000)
    assert came.status in (201, 500), came.body
    return None if came.status == 500 else str(came["key"])


async def _live(hurt: Family, healthy: Family) -> int:
    """A sub-budget from its carve to its end, as far as it comes; what its child spent."""
    spent = 0
    try:
        key = await _carve(hurt)
        if key is not None:
            await healthy.spend(SPENT, secret=key)
            spent = SPENT
            await hurt.close(key.removeprefix("cyc_sub_").rpartition("_")[0])
    except Killed:
        pass
    return spent


async def _check_ended(family: Family, spent: int) -> None:
    """Nothing is held any more, and the parent has paid what its child spent."""
    assert await family.stands() == (0, spent, 1_000 - spent)
    for balance in await family.ledger.all_balances():
        assert balance.reserved == 0
        if carve_of(balance.scope) is not None:
            assert balance.status is BudgetStatus.CLOSED
    await family.check()


@pytest.mark.parametrize("fault", Fault)
async def test_who_asks_again_has_a_sub_budget_that_works_and_closes(
    tmp_path: Path, fault: Fault
) -> None:
    for at in count():
        folder = tmp_path / str(at)
        folder.mkdir()
        async with living(folder, budgets=BUDGETS) as family:
            faulty = Faulty(family.ledger, at, fault)
            spent = await _live(over(faulty.as_ledger(), family.clock), family)
            if not faulty.was_hurt:
                assert at > 8
                return
            after = family.elsewhere()
            key = await _carve(after)
            assert key is not None
            more = await after.reserve(5, secret=key)
            if more.status == 200:
                assert (await after.commit(more["reservation_id"], 5)).status == 200
                spent += 5
            name = key.removeprefix("cyc_sub_").rpartition("_")[0]
            assert (await after.close(name))["status"] == "CLOSED"
            await after.tend_late()
            await _check_ended(family, spent)


@pytest.mark.parametrize("fault", Fault)
async def test_if_nobody_asks_again_everything_ends_by_its_time(
    tmp_path: Path, fault: Fault
) -> None:
    for at in count():
        folder = tmp_path / str(at)
        folder.mkdir()
        async with living(folder, budgets=BUDGETS) as family:
            faulty = Faulty(family.ledger, at, fault)
            spent = await _live(over(faulty.as_ledger(), family.clock), family)
            if not faulty.was_hurt:
                return
            after = family.elsewhere()
            family.later(10_000)
            await after.sub_budgets.tend()
            await family.beyond_grace(sweeps=True)
            await after.tend_late()
            await _check_ended(family, spent)


async def test_a_purse_that_was_never_filled_is_not_filled_when_its_hold_is_over(
    tmp_path: Path,
) -> None:
    async with living(tmp_path, budgets=BUDGETS) as family:
        before_the_purse = Faulty(family.ledger, 3, Fault.KILLED_BEFORE)
        with pytest.raises(Killed):
            await _carve(over(before_the_purse.as_ledger(), family.clock))
        assert await family.stands() == (400, 0, 600)
        family.later(10_000)
        await family.beyond_grace(sweeps=True)
        key = await _carve(family)
        assert key is not None
        assert (await family.reserve(1, secret=key)).status == 401
        assert len(await family.ledger.all_balances()) == len(BUDGETS)


@pytest.mark.parametrize("fault", Fault)
async def test_a_timer_that_is_hurt_goes_on_where_it_was(tmp_path: Path, fault: Fault) -> None:
    for at in count():
        folder = tmp_path / str(at)
        folder.mkdir()
        async with living(folder, budgets=BUDGETS) as family:
            outer = await family.carved(amounts=AMOUNTS, ttl_ms=10_000)
            halves = [{**amount, "amount": 100} for amount in AMOUNTS]
            inner = await family.carved(amounts=halves, secret=outer["key"])
            await family.spend(SPENT, secret=inner["key"])
            family.later(10_000)
            faulty = Faulty(family.ledger, at, fault)
            hurt = over(faulty.as_ledger(), family.clock)
            try:
                await hurt.sub_budgets.tend()
                await hurt.sub_budgets.tend()
            except Killed:
                hurt = family.elsewhere()
                await hurt.sub_budgets.tend()
            await _check_ended(family, SPENT)
            if not faulty.was_hurt:
                assert at > 12
                return
