"""GET /v1/balances."""

from pathlib import Path

import pytest

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope
from proxy.ledger.records import Balance, BudgetName, FundOperation, TenantStatus
from tests.authority.rig import USD, Rig, running
from tests.ledger.builders import TOKENS, line

BUDGETS = (
    line("tenant:dev", 1_000),
    line("tenant:dev", 5_000, unit=TOKENS),
    line("tenant:dev/agent:bot", 300),
    line("tenant:dev/app:shop/agent:bot", 200),
    line("tenant:dev/workspace:*", 50),
    line("tenant:dev/run:*", 10),
    line("tenant:other", 1),
)


async def scopes(rig: Rig, **query: str) -> list[tuple[str, str]]:
    came = await rig.get("/v1/balances", **query)
    assert came.status == 200, came.body
    return [(b["scope_path"], b["remaining"]["unit"]) for b in came["balances"]]


async def test_all_that_match_the_filter_are_shown(tmp_path: Path) -> None:
    """[spec] getBalances: within the effective tenant; include_children may be ignored."""
    async with running(tmp_path, budgets=BUDGETS) as rig:
        everything = [
            ("tenant:dev", USD),
            ("tenant:dev", "TOKENS"),
            ("tenant:dev/agent:bot", USD),
            ("tenant:dev/app:shop/agent:bot", USD),
        ]
        assert await scopes(rig, tenant="dev") == everything
        assert await scopes(rig, tenant="dev", include_children="true") == everything
        assert await scopes(rig, agent="BOT") == everything[2:]
        assert await scopes(rig, app="shop") == everything[3:]
        assert await scopes(rig, toolset="web") == []


async def test_only_the_books_of_its_own_tenant_are_read(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []
    look = rig.ledger.all_balances

    async def all_balances(tenant: str | None = None) -> tuple[Balance, ...]:
        asked.append(tenant)
        return await look(tenant)

    monkeypatch.setattr(rig.ledger, "all_balances", all_balances)
    assert await scopes(rig, tenant="dev") == [("tenant:dev", USD)]
    assert asked == ["dev"]


async def test_a_budget_that_a_template_would_make_is_there(tmp_path: Path) -> None:
    async with running(tmp_path, budgets=BUDGETS) as rig:
        assert await scopes(rig, workspace="eng") == [("tenant:dev/workspace:eng", USD)]


async def test_the_budgets_of_runs_are_not_on_the_wire(tmp_path: Path) -> None:
    async with running(tmp_path, budgets=BUDGETS) as rig:
        await rig.held(1, subject={"tenant": "dev", "dimensions": {"run": "7"}})
        assert not [path for path, _ in await scopes(rig, tenant="dev") if "run:" in path]


async def test_an_allocation_below_zero_is_left_out_and_what_remains_is_not(rig: Rig) -> None:
    name = BudgetName(Scope("tenant:dev"), Unit.USD_MICROCENTS, Period.LIFETIME)
    await rig.ledger.fund(name, FundOperation.DEBIT, 900, actor="ops")
    await rig.ledger.declare([line("tenant:dev", 899)], templates_max=1, version=2)
    (balance,) = (await rig.get("/v1/balances", tenant="dev"))["balances"]
    assert "allocated" not in balance
    assert balance["remaining"] == {"unit": USD, "amount": -1}


async def test_of_several_windows_the_tightest_is_shown(tmp_path: Path) -> None:
    budgets = (line("tenant:dev", 1_000), line("tenant:dev", 70, period=Period.DAY))
    async with running(tmp_path, budgets=budgets) as rig:
        (balance,) = (await rig.get("/v1/balances", tenant="dev"))["balances"]
        assert balance["allocated"]["amount"] == 70
        assert balance["remaining"]["amount"] == 70


async def test_a_balance_adds_up(rig: Rig) -> None:
    """[spec] §1.1, Balance "LEDGER INVARIANT"."""
    await rig.held(100)
    await rig.event(30)
    (balance,) = (await rig.get("/v1/balances", tenant="dev"))["balances"]
    amounts = {name: balance[name]["amount"] for name in ("allocated", "spent", "reserved")}
    assert amounts == {"allocated": 1_000, "spent": 30, "reserved": 100}
    assert balance["remaining"]["amount"] == 870


async def test_a_balance_in_debt_adds_up(tmp_path: Path) -> None:
    """[spec] §1.1, Balance "LEDGER INVARIANT": each of its five figures is there and is not 0."""
    async with running(tmp_path, budgets=(line("tenant:dev", 1_000, overdraft_limit=50),)) as rig:
        await rig.held(100)
        await rig.event(940, overage_policy="ALLOW_WITH_OVERDRAFT")
        (balance,) = (await rig.get("/v1/balances", tenant="dev"))["balances"]
        names = ("allocated", "spent", "reserved", "debt", "remaining")
        assert [balance[name]["amount"] for name in names] == [1_000, 900, 100, 40, -40]
        assert {balance[name]["unit"] for name in (*names, "overdraft_limit")} == {USD}


async def test_pages_go_on_where_the_last_one_ended(tmp_path: Path) -> None:
    async with running(tmp_path, budgets=BUDGETS) as rig:
        found, query = [], {"tenant": "dev", "limit": "1"}
        while True:
            came = await rig.get("/v1/balances", **query)
            found += [(b["scope"], b["remaining"]["unit"]) for b in came["balances"]]
            if not came["has_more"]:
                break
            query["cursor"] = came["next_cursor"]
        assert found == await scopes(rig, tenant="dev")
        assert len(found) == 4
        came = await rig.get("/v1/balances", agent="bot", cursor=query["cursor"])
        assert came.code == "INVALID_REQUEST"


@pytest.mark.parametrize(
    "query", [{}, {"tenant": ""}, {"include_children": "true"}, {"tenant": "dev", "limit": "x"}]
)
async def test_a_question_without_a_subject_is_refused(rig: Rig, query: dict[str, str]) -> None:
    """[spec] getBalances "SUBJECT FILTER REQUIREMENT"."""
    came = await rig.get("/v1/balances", **query)
    assert (came.status, came.code) == (400, "INVALID_REQUEST")


async def test_a_closed_tenant_may_still_look(rig: Rig) -> None:
    """[spec] "ERROR SEMANTICS": reads are not rejected."""
    held = await rig.held()
    await rig.ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    assert (await rig.get("/v1/balances", tenant="dev")).status == 200
    assert (await rig.get(f"/v1/reservations/{held}")).status == 200
    assert (await rig.get("/v1/reservations")).status == 200
