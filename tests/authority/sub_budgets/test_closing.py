"""A sub-budget ends: drained first, then charged to its parent once."""

from pathlib import Path

from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.records import BudgetStatus, FundOperation, TenantStatus
from tests.authority.sub_budgets.family import TENANT, Family, living, usd
from tests.ledger.builders import fund, line


async def test_the_parent_pays_what_the_child_spent_and_has_the_rest_back(family: Family) -> None:
    child = await family.carved(400)
    await family.spend(30, secret=child["key"], held=50)
    await family.spend(100, secret=child["key"])
    came = await family.close(child["sub_budget_id"])
    assert (came["status"], came["spent"], came["charged"]) == ("CLOSED", usd(130), usd(130))
    assert await family.stands() == (0, 130, 870)
    assert (await family.at(child["scope"])).status is BudgetStatus.CLOSED
    await family.check()
    again = await family.close(child["sub_budget_id"])
    assert again.body == came.body
    assert await family.stands() == (0, 130, 870)


async def test_a_child_closes_its_own(family: Family) -> None:
    child = await family.carved(400)
    came = await family.close(child["sub_budget_id"], secret=child["key"])
    assert came["status"] == "CLOSED"
    assert await family.stands() == (0, 0, 1_000)
    assert (await family.close(child["sub_budget_id"], secret=child["key"])).status == 401


async def test_it_waits_for_what_is_held_and_holds_nothing_new(family: Family) -> None:
    child = await family.carved(400)
    held = await family.reserve(100, secret=child["key"])
    came = await family.close(child["sub_budget_id"])
    assert (came["status"], came["reserved"]) == ("CLOSING", usd(100))
    assert "charged" not in came
    await family.sub_budgets.tend()
    assert await family.stands() == (400, 0, 600)
    assert (await family.commit(held["reservation_id"], 70)).status == 200
    await family.sub_budgets.tend()
    assert (await family.look(child["sub_budget_id"]))["status"] == "CLOSED"
    assert await family.stands() == (0, 70, 930)
    await family.check()


async def test_it_ends_with_its_time_whoever_serves(family: Family) -> None:
    child = await family.carved(400, ttl_ms=10_000)
    await family.spend(30, secret=child["key"])
    elsewhere = family.elsewhere()
    await elsewhere.sub_budgets.tend()
    family.later(9_999)
    await elsewhere.sub_budgets.tend()
    assert await family.stands() == (400, 0, 600)
    family.later(1)
    assert (await family.look(child["sub_budget_id"]))["status"] == "CLOSING"
    await elsewhere.sub_budgets.tend()
    assert (await family.look(child["sub_budget_id"]))["status"] == "CLOSED"
    assert await family.stands() == (0, 30, 970)
    await family.sub_budgets.tend()
    assert await family.stands() == (0, 30, 970)
    await family.check()


async def test_the_inner_ones_end_first(family: Family) -> None:
    outer = await family.carved(400)
    inner = await family.carved(200, secret=outer["key"])
    await family.spend(50, secret=outer["key"])
    await family.spend(70, secret=inner["key"])
    held = await family.reserve(20, secret=inner["key"])
    assert (await family.close(outer["sub_budget_id"]))["status"] == "CLOSING"
    assert await family.stands(outer["scope"]) == (200, 50, 150)
    assert (await family.release(held["reservation_id"])).status == 200
    await family.sub_budgets.tend()
    assert await family.stands(inner["scope"]) == (0, 70, 130)
    assert await family.stands(outer["scope"]) == (0, 120, 280)
    assert await family.stands() == (0, 120, 880)
    await family.check()


async def test_an_inner_one_gives_back_to_the_outer_one(family: Family) -> None:
    outer = await family.carved(400)
    inner = await family.carved(200, secret=outer["key"])
    await family.spend(70, secret=inner["key"])
    assert (await family.close(inner["sub_budget_id"], secret=outer["key"]))["status"] == "CLOSED"
    assert await family.stands(outer["scope"]) == (0, 70, 330)
    assert await family.stands() == (400, 0, 600)


async def test_what_the_purse_could_not_pay_is_charged_to_the_parent(family: Family) -> None:
    child = await family.carved(400)
    await family.spend(450, secret=child["key"], held=400)
    purse = await family.at(child["scope"])
    assert (purse.spent, purse.uncovered) == (400, 50)
    assert (await family.close(child["sub_budget_id"]))["charged"] == usd(450)
    assert await family.stands() == (0, 450, 550)
    await family.check()


async def test_what_the_parent_cannot_pay_either_is_uncovered_there(tmp_path: Path) -> None:
    async with living(tmp_path, budgets=(line("tenant:dev", 400),)) as family:
        child = await family.carved(400)
        await family.spend(450, secret=child["key"], held=400)
        await family.close(child["sub_budget_id"])
        balance = await family.at()
        assert (balance.spent, balance.uncovered) == (400, 50)


async def test_beyond_its_grace_the_parent_is_charged_late(family: Family) -> None:
    child = await family.carved(400, ttl_ms=10_000)
    await family.spend(30, secret=child["key"])
    family.later(10_000)
    elsewhere = family.elsewhere()
    await family.beyond_grace(sweeps=True)
    assert (await family.ledger.reservation(child["sub_budget_id"])).state is State.EXPIRED
    assert await family.stands() == (0, 0, 1_000)
    await elsewhere.sub_budgets.tend()
    assert await family.stands() == (0, 30, 970)
    await elsewhere.tend_late()
    await family.tend_late()
    assert await family.stands() == (0, 30, 970)
    await family.check()


async def test_beyond_its_grace_and_not_swept_it_is_charged_late_as_well(family: Family) -> None:
    child = await family.carved(400, ttl_ms=10_000)
    await family.spend(30, secret=child["key"])
    family.later(10_000)
    await family.beyond_grace(sweeps=False)
    await family.sub_budgets.tend()
    await family.tend_late()
    assert await family.stands() == (0, 30, 970)
    await family.check()


async def test_an_operator_who_releases_the_hold_ends_the_sub_budget(family: Family) -> None:
    child = await family.carved(400)
    await family.spend(30, secret=child["key"])
    await family.ledger.release(child["sub_budget_id"], key="ops", actor="ops")
    family.later(1_000)
    assert (await family.reserve(1, secret=child["key"])).status == 401
    await family.tend_late()
    assert await family.stands() == (0, 30, 970)
    assert (await family.at(child["scope"])).status is BudgetStatus.CLOSED
    await family.check()


async def test_an_operator_who_stops_the_purse_ends_the_sub_budget(family: Family) -> None:
    child = await family.carved(400)
    await family.spend(30, secret=child["key"])
    await family.ledger.set_status(Scope(child["scope"]), None, BudgetStatus.FROZEN, actor="ops")
    await family.tend_late()
    assert (await family.look(child["sub_budget_id"]))["status"] == "CLOSED"
    assert await family.stands() == (0, 30, 970)


async def test_an_operator_may_fill_a_purse_further(family: Family) -> None:
    child = await family.carved(400)
    await fund(family.ledger, Scope(child["scope"]), 100, FundOperation.CREDIT)
    await family.spend(450, secret=child["key"])
    await family.close(child["sub_budget_id"])
    assert await family.stands() == (0, 450, 550)
    await family.check()


async def test_a_purse_without_a_hold_is_left_alone(family: Family) -> None:
    stray = Scope("tenant:dev/purse:rsv_7")
    await fund(family.ledger, stray, 100)
    child = await family.carved(400, ttl_ms=1_000)
    family.later(1_000)
    await family.tend_late()
    assert (await family.look(child["sub_budget_id"]))["status"] == "CLOSED"
    assert (await family.at(stray)).status is BudgetStatus.ACTIVE


async def test_a_closed_tenant_is_charged_late(family: Family) -> None:
    child = await family.carved(400, ttl_ms=10_000)
    await family.spend(30, secret=child["key"])
    await family.ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    family.later(10_000)
    await family.sub_budgets.tend()
    assert await family.stands() == (400, 0, 600)
    await family.beyond_grace(sweeps=True)
    await family.tend_late()
    assert await family.stands() == (0, 30, 970)
    await family.check()


async def test_the_journal_tells_that_the_parent_is_charged_once(family: Family) -> None:
    child = await family.carved(400)
    await family.spend(30, secret=child["key"])
    await family.close(child["sub_budget_id"])
    entries = await family.ledger.journal("dev", after_seq=0, limit=100)
    spent = [
        posting.change.spent
        for entry in entries
        for posting in entry.postings
        if posting.window.scope == TENANT and posting.window.unit is Unit.USD_MICROCENTS
    ]
    assert [amount for amount in spent if amount] == [30]
