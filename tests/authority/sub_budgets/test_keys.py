"""What the key of a child opens, and until when."""

from pathlib import Path

import pytest

from proxy.domain.decision import Caps
from proxy.domain.policy import Band, Policy
from proxy.domain.scope import Scope, parse_pattern
from proxy.ledger.records import BudgetStatus, TenantStatus
from tests.authority.rig import DEV, key
from tests.authority.sub_budgets.family import TENANT, Family, living, usd
from tests.ledger.builders import line


async def test_a_child_spends_from_its_purse_and_below_it(tmp_path: Path) -> None:
    budgets = (line("tenant:dev", 1_000), line("tenant:dev/agent:bot", 50))
    async with living(tmp_path, budgets=budgets) as family:
        child = await family.carved(400)
        subject = {"agent": "bot"}
        await family.spend(40, secret=child["key"], subject=subject)
        assert await family.stands("tenant:dev/agent:bot") == (0, 40, 10)
        came = await family.reserve(11, secret=child["key"], subject=subject)
        assert came["details"]["scope"] == "tenant:dev/agent:bot"
        came = await family.reserve(361, secret=child["key"])
        assert came["details"]["scope"] == child["scope"]
        assert await family.stands() == (400, 0, 600)


async def test_a_child_is_where_its_parent_was(tmp_path: Path) -> None:
    async with living(tmp_path) as family:
        child = await family.carved(400, subject={"tenant": "dev", "agent": "Jo Ex"})
        for subject in (
            {"tenant": "other"},
            {"agent": "cli"},
            {"tenant": "dev", "agent": "jo"},
        ):
            came = await family.reserve(1, secret=child["key"], subject=subject)
            assert (came.status, came.code) == (403, "FORBIDDEN"), subject
        came = await family.reserve(1, secret=child["key"], subject={"toolset": "web"})
        assert came["scope_path"].startswith("tenant:dev/agent:enc-")
        assert came["scope_path"].endswith("/toolset:web")


async def test_a_child_sees_its_own_and_nothing_of_its_siblings(family: Family) -> None:
    one, two = await family.carved(100), await family.carved(100)
    ours = await family.reserve(10, secret=one["key"])
    listed = await family.get("/v1/reservations", secret=one["key"])
    assert [row["reservation_id"] for row in listed["reservations"]] == [ours["reservation_id"]]
    assert "dimensions" not in listed["reservations"][0]["subject"]
    path = f"/v1/reservations/{ours['reservation_id']}"
    assert (await family.get(path, secret=two["key"])).code == "FORBIDDEN"
    assert (await family.get(path)).status == 200
    assert (await family.commit(ours["reservation_id"], 5, secret=two["key"])).code == "FORBIDDEN"
    assert (await family.look(one["sub_budget_id"], secret=one["key"])).status == 200
    assert (await family.look(one["sub_budget_id"], secret=two["key"])).code == "FORBIDDEN"
    assert (await family.close(two["sub_budget_id"], secret=one["key"])).code == "FORBIDDEN"


async def test_a_child_is_never_answered_with_the_hold_of_another(family: Family) -> None:
    one, two = await family.carved(100), await family.carved(100)
    held = await family.reserve(10, idempotency_key="same")
    for child in (one, two):
        came = await family.reserve(10, secret=child["key"], idempotency_key="same")
        assert (came.status, came.code) == (409, "IDEMPOTENCY_MISMATCH")
    first = await family.reserve(10, secret=one["key"], idempotency_key="own")
    again = await family.reserve(10, secret=one["key"], idempotency_key="own")
    assert first["reservation_id"] == again["reservation_id"] != held["reservation_id"]


async def test_a_sub_budget_says_how_it_stands(family: Family) -> None:
    child = await family.carved(400, models=["gpt-*"], tool_allowlist=["web"], max_tokens=9)
    await family.spend(30, secret=child["key"])
    await family.reserve(20, secret=child["key"])
    came = await family.look(child["sub_budget_id"], secret=child["key"])
    assert came.body == {
        "sub_budget_id": child["sub_budget_id"],
        "status": "ACTIVE",
        "scope": child["scope"],
        "amounts": usd(400),
        "spent": usd(30),
        "reserved": usd(20),
        "expires_at_ms": child["expires_at_ms"],
        "models": [["gpt-*"]],
        "tool_allowlist": ["web"],
        "max_tokens": 9,
    }


@pytest.mark.parametrize("change", ["no key", "another secret", "another hold", "cut", "longer"])
async def test_only_the_whole_key_opens_anything(family: Family, change: str) -> None:
    child, other = await family.carved(10), await family.carved(10)
    key, secret = child["key"], child["key"].rpartition("_")[2]
    wrong = {
        "no key": "cyc_sub_",
        "another secret": key[:-1] + ("0" if key[-1] != "0" else "1"),
        "another hold": f"cyc_sub_{other['sub_budget_id']}_{secret}",
        "cut": key[:-1],
        "longer": f"{key}0",
    }[change]
    came = await family.reserve(1, secret=wrong)
    assert (came.status, came.code) == (401, "UNAUTHORIZED")


async def test_a_key_ends_with_its_time(family: Family) -> None:
    child = await family.carved(400, ttl_ms=10_000)
    family.clock.at_ms += 9_999
    assert (await family.reserve(1, secret=child["key"])).status == 200
    family.clock.at_ms += 1
    assert (await family.reserve(1, secret=child["key"])).status == 401


async def test_a_key_ends_at_once_where_it_is_closed_and_soon_elsewhere(family: Family) -> None:
    elsewhere = family.elsewhere()
    child = await family.carved(400)
    assert (await elsewhere.reserve(1, secret=child["key"])).status == 200
    await family.close(child["sub_budget_id"])
    assert (await family.reserve(1, secret=child["key"])).status == 401
    # It still believes, and the purse does not: nothing is held either way.
    assert (await elsewhere.reserve(1, secret=child["key"])).code == "BUDGET_FROZEN"
    family.clock.monotonic_at_ns += 1_000_000_000
    assert (await elsewhere.reserve(1, secret=child["key"])).status == 401


async def test_a_key_ends_with_the_one_that_it_was_carved_by(family: Family) -> None:
    outer = await family.carved(400)
    inner = await family.carved(100, secret=outer["key"])
    await family.close(outer["sub_budget_id"])
    assert (await family.reserve(1, secret=inner["key"])).status == 401


async def test_a_key_ends_with_the_hold_of_the_outer_one_before_any_timer_has_looked(
    family: Family,
) -> None:
    outer = await family.carved(400)
    inner = await family.carved(100, secret=outer["key"])
    assert (await family.reserve(1, secret=inner["key"])).status == 200
    await family.ledger.release(outer["sub_budget_id"], key="ops", actor="ops")
    family.later(1_000)
    assert (await family.reserve(1, secret=inner["key"])).status == 401


async def test_whoever_stops_a_budget_stops_all_that_was_carved_from_it(family: Family) -> None:
    outer = await family.carved(400)
    inner = await family.carved(100, secret=outer["key"])
    await family.ledger.set_status(TENANT, None, BudgetStatus.CLOSED, actor="ops")
    came = await family.reserve(1, secret=inner["key"])
    assert (came.status, came.code) == (409, "BUDGET_CLOSED")


async def test_a_restart_of_the_proxy_ends_no_sub_budget(family: Family) -> None:
    child = await family.carved(400)
    await family.ledger.recover()
    assert (await family.elsewhere().reserve(1, secret=child["key"])).status == 200


async def test_whoever_stops_the_parent_stops_the_child(family: Family) -> None:
    child = await family.carved(400)
    held = await family.reserve(10, secret=child["key"])
    await family.ledger.set_status(TENANT, None, BudgetStatus.FROZEN, actor="ops")
    family.clock.monotonic_at_ns += 1_000_000_000
    came = await family.reserve(1, secret=child["key"])
    assert (came.status, came.code) == (409, "BUDGET_FROZEN")
    assert (await family.event(1, secret=child["key"])).code == "BUDGET_FROZEN"
    decided = await family.decide(1, secret=child["key"])
    assert (decided["decision"], decided["reason_code"]) == ("DENY", "BUDGET_FROZEN")
    # What was held before is settled as ever.
    assert (await family.commit(held["reservation_id"], 10, secret=child["key"])).status == 200
    await family.ledger.set_status(TENANT, None, BudgetStatus.ACTIVE, actor="ops")
    family.clock.monotonic_at_ns += 1_000_000_000
    assert (await family.reserve(1, secret=child["key"])).status == 200


async def test_a_tenant_that_is_suspended_holds_nothing_from_purses(family: Family) -> None:
    child = await family.carved(400)
    await family.ledger.set_tenant_status("dev", TenantStatus.SUSPENDED, actor="ops")
    assert (await family.reserve(1, secret=child["key"])).code == "FORBIDDEN"


async def test_only_models_that_it_pays_for_are_called(family: Family) -> None:
    child = await family.carved(400, models=["gpt-4o*", "o3"])
    for model, status in (("gpt-4o-mini", 200), ("o3", 200), ("gpt-4", 403), ("o3-mini", 403)):
        action = {"kind": "llm.completion", "name": model}
        assert (await family.reserve(1, secret=child["key"], action=action)).status == status
        assert (await family.decide(1, secret=child["key"], action=action)).status == status
    tool = {"kind": "tool.search", "name": "web"}
    assert (await family.reserve(1, secret=child["key"], action=tool)).status == 200


async def test_limits_are_caps_and_policies_cap_as_well(tmp_path: Path) -> None:
    pattern = parse_pattern("tenant:dev", subtree=True)
    band = Band(0, Caps(max_tokens=50, tool_denylist=("mail",)))
    async with living(tmp_path, policies=(Policy("p", pattern, 1, (band,)),)) as family:
        child = await family.carved(400, tool_allowlist=["web", "mail"], max_tokens=80)
        came = await family.reserve(1, secret=child["key"])
        assert came["decision"] == "ALLOW_WITH_CAPS"
        assert came["caps"] == {"max_tokens": 50, "tool_allowlist": ["web"]}
        none = await family.carved(400, tool_allowlist=["mail"])
        assert (await family.reserve(1, secret=none["key"])).code == "FORBIDDEN"


async def test_limits_only_ever_narrow(family: Family) -> None:
    outer = await family.carved(
        400, models=["gpt-*"], tool_allowlist=["web", "mail"], max_tokens=80
    )
    inner = await family.carved(
        100, models=["*-mini"], tool_allowlist=["mail", "db"], max_tokens=99, secret=outer["key"]
    )
    came = await family.look(inner["sub_budget_id"], secret=inner["key"])
    assert came["models"] == [["gpt-*"], ["*-mini"]]
    assert (came["tool_allowlist"], came["max_tokens"]) == (["mail"], 80)
    for model, status in (("gpt-4o-mini", 200), ("gpt-4o", 403), ("o3-mini", 403)):
        action = {"kind": "llm.completion", "name": model}
        assert (await family.reserve(1, secret=inner["key"], action=action)).status == status
    nothing = await family.carve(1, tool_allowlist=["db"], secret=outer["key"])
    assert (nothing.status, nothing.code) == (400, "INVALID_REQUEST")


async def test_the_run_of_a_carve_is_that_of_its_child(tmp_path: Path) -> None:
    budgets = (line("tenant:dev", 1_000), line("tenant:dev/run:*", 20))
    async with living(tmp_path, budgets=budgets, keys=(key(DEV),)) as family:
        in_run = {"tenant": "dev", "dimensions": {"run": "7"}}
        child = await family.carved(15, subject=in_run)
        assert child["scope"] == f"tenant:dev/run:7/purse:{child['sub_budget_id']}"
        assert await family.stands("tenant:dev/run:7") == (15, 0, 5)
        other = {"tenant": "dev", "dimensions": {"run": "8"}}
        assert (await family.reserve(1, secret=child["key"], subject=other)).code == "FORBIDDEN"
        await family.spend(15, secret=child["key"], subject=in_run)
        await family.close(child["sub_budget_id"])
        assert await family.stands("tenant:dev/run:7") == (0, 15, 5)
        assert await family.stands(Scope("tenant:dev")) == (0, 15, 985)
