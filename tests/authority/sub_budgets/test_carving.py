"""A parent carves a sub-budget: what it takes, what it gives, and who may."""

from pathlib import Path

import pytest

from proxy.authority.sub_budgets.carving import DEPTH_MAX
from proxy.domain.key import CALLING, Permission
from proxy.domain.money import Unit
from tests.authority.rig import DEV, OTHER, USD, key
from tests.authority.sub_budgets.family import BUDGETS, PATH, Family, living, usd
from tests.ledger.builders import TOKENS, line


async def test_what_is_carved_is_held_by_the_parent_and_in_the_purse_at_once(
    family: Family,
) -> None:
    came = await family.carved(400)
    name = came["sub_budget_id"]
    assert came["scope"] == f"tenant:dev/purse:{name}"
    assert came["key"].startswith(f"cyc_sub_{name}_")
    assert came["amounts"] == usd(400)
    assert came["expires_at_ms"] == family.clock.at_ms + 60_000
    assert await family.stands() == (400, 0, 600)
    assert await family.stands(came["scope"]) == (0, 0, 400)
    row = await family.ledger.reservation(name)
    assert row.action_kind == "budget.carve"
    await family.check()


async def test_what_a_budget_has_not_is_carved_nowhere(tmp_path: Path) -> None:
    budgets = (line("tenant:dev", 1_000), line("tenant:dev/agent:bot", 300))
    async with living(tmp_path, budgets=budgets) as family:
        came = await family.carve(301, subject={"tenant": "dev", "agent": "bot"})
        assert (came.status, came.code) == (409, "BUDGET_EXCEEDED")
        assert came["details"]["scope"] == "tenant:dev/agent:bot"
        assert await family.stands() == (0, 0, 1_000)
        assert len(await family.ledger.all_balances()) == 2


async def test_a_child_is_never_held_by_the_parent_a_second_time(family: Family) -> None:
    child = await family.carved(1_000)
    assert await family.stands() == (1_000, 0, 0)
    await family.spend(1_000, secret=child["key"])
    assert await family.stands() == (1_000, 0, 0)
    assert await family.stands(child["scope"]) == (0, 1_000, 0)


async def test_a_subject_that_is_not_named_is_that_of_the_key(tmp_path: Path) -> None:
    keys = (key(DEV, agent="bot"),)
    async with living(tmp_path, keys=keys) as family:
        came = await family.carved(10)
        assert came["scope"].startswith("tenant:dev/agent:bot/purse:")
        foreign = await family.carve(10, subject={"tenant": "dev", "agent": "cli"})
        assert (foreign.status, foreign.code) == (403, "FORBIDDEN")


async def test_every_unit_that_the_parent_counts_is_named(tmp_path: Path) -> None:
    budgets = (line("tenant:dev", 1_000), line("tenant:dev", 500, unit=TOKENS))
    async with living(tmp_path, budgets=budgets) as family:
        came = await family.carve(10)
        assert (came.status, came.code) == (400, "UNIT_MISMATCH")
        assert came["details"]["expected_units"] == ["TOKENS"]
        amounts = [*usd(10), {"unit": "TOKENS", "amount": 20}]
        child = await family.carved(amounts=amounts)
        assert child["amounts"] == amounts
        assert (await family.at(unit=Unit.TOKENS)).reserved == 20
        short = await family.reserve(21, secret=child["key"], unit="TOKENS")
        assert short.code == "BUDGET_EXCEEDED"


async def test_a_unit_that_no_budget_counts_limits_the_child_alone(family: Family) -> None:
    amounts = [*usd(10), {"unit": "TOKENS", "amount": 20}]
    child = await family.carved(amounts=amounts)
    assert (await family.reserve(21, secret=child["key"], unit="TOKENS")).status == 409
    await family.spend(20, secret=child["key"], unit="TOKENS")
    closed = await family.close(child["sub_budget_id"])
    assert closed["charged"] == [{"unit": USD, "amount": 0}, {"unit": "TOKENS", "amount": 20}]
    await family.check()


async def test_asked_for_again_it_is_the_same_one_with_the_same_key(family: Family) -> None:
    first = await family.carved(400, idempotency_key="once")
    again = await family.elsewhere().carved(400, idempotency_key="once")
    assert again.body == first.body
    assert await family.stands() == (400, 0, 600)
    assert await family.stands(first["scope"]) == (0, 0, 400)
    other = await family.carve(401, idempotency_key="once")
    assert (other.status, other.code) == (409, "IDEMPOTENCY_MISMATCH")


async def test_asked_for_again_when_it_is_closed_it_holds_nothing_anew(family: Family) -> None:
    first = await family.carved(400, idempotency_key="once")
    await family.close(first["sub_budget_id"])
    again = await family.carved(400, idempotency_key="once")
    assert again.body == first.body
    assert await family.stands() == (0, 0, 1_000)
    assert (await family.reserve(1, secret=again["key"])).status == 401


async def test_the_key_is_told_to_nobody_but_the_parent_that_carved(tmp_path: Path) -> None:
    keys = (key(DEV), key("cyc_live_second"))
    async with living(tmp_path, keys=keys) as family:
        first = await family.carved(400, idempotency_key="once")
        other = await family.carve(400, idempotency_key="once", secret="cyc_live_second")
        assert (other.status, other.code) == (409, "IDEMPOTENCY_MISMATCH")
        row = await family.ledger.reservation(first["sub_budget_id"])
        secret = first["key"].rpartition("_")[2]
        assert secret not in repr(row)
        shown = await family.get(f"/v1/reservations/{first['sub_budget_id']}", include="metadata")
        assert "metadata" not in shown
        assert secret not in (tmp_path / "ledger.db").read_bytes().decode("latin-1")
        assert secret not in repr(family.log.written)


async def test_a_key_needs_both_permissions(tmp_path: Path) -> None:
    secrets = {"cyc_live_calls": CALLING, "cyc_live_carves": {Permission.SUB_BUDGETS_CREATE}}
    keys = [key(secret, permissions=frozenset(these)) for secret, these in secrets.items()]
    async with living(tmp_path, keys=keys) as family:
        for secret in secrets:
            came = await family.carve(1, secret=secret)
            assert (came.status, came.code) == (403, "FORBIDDEN")


async def test_a_child_may_no_more_than_its_parent(tmp_path: Path) -> None:
    permissions = CALLING - {Permission.RESERVATIONS_EXTEND} | {Permission.SUB_BUDGETS_CREATE}
    keys = (key(DEV, permissions=permissions, reach=("tenant:dev/agent:bot",)),)
    async with living(tmp_path, keys=keys) as family:
        subject = {"tenant": "dev", "agent": "bot"}
        child = await family.carved(400, subject=subject)
        held = await family.reserve(10, secret=child["key"], subject=subject)
        came = await family.extend(held["reservation_id"], secret=child["key"])
        assert (came.status, came.code) == (403, "FORBIDDEN")
        below = {**subject, "toolset": "web"}
        came = await family.reserve(10, secret=child["key"], subject=below)
        assert (came.status, came.code) == (403, "FORBIDDEN")


async def test_sub_budgets_stand_inside_each_other_but_not_deep(family: Family) -> None:
    secrets, amount = [DEV], 400
    for _ in range(DEPTH_MAX):
        child = await family.carved(amount, secret=secrets[-1], ttl_ms=90_000 - 100 * amount)
        secrets.append(child["key"])
        amount -= 100
    assert await family.stands() == (400, 0, 600)
    came = await family.carve(1, secret=secrets[-1])
    assert (came.status, came.code) == (400, "INVALID_REQUEST")
    await family.spend(50, secret=secrets[-1])
    assert await family.stands() == (400, 0, 600)
    assert (await family.carve(151, secret=secrets[-2])).code == "BUDGET_EXCEEDED"


async def test_none_outlives_the_one_that_it_was_carved_from(family: Family) -> None:
    outer = await family.carved(400, ttl_ms=30_000)
    inner = await family.carved(100, ttl_ms=60_000, secret=outer["key"])
    assert inner["expires_at_ms"] == outer["expires_at_ms"]


@pytest.mark.parametrize(
    "more",
    [
        {"ttl_ms": 999},
        {"ttl_ms": 86_400_001},
        {"amounts": []},
        {"amounts": [*usd(1), *usd(2)]},
        {"amounts": usd(-1)},
        {"models": []},
        {"tool_allowlist": []},
        {"max_tokens": 0},
        {"subject": {}},
        {"subject": {"tenant": "dev", "dimensions": {"purse": "tenant:dev/purse:rsv_1"}}},
        {"budget": 1},
        {"idempotency_key": ""},
    ],
    ids=str,
)
async def test_bad_input_is_refused_and_holds_nothing(
    family: Family, more: dict[str, object]
) -> None:
    came = await family.carve(**({"amount": 10} | more))  # type: ignore[arg-type]
    assert (came.status, came.code) == (400, "INVALID_REQUEST")
    assert await family.stands() == (0, 0, 1_000)


@pytest.mark.parametrize("name", ["purse", "steps"])
async def test_no_client_names_a_purse(family: Family, name: str) -> None:
    """Nor where calls are counted."""
    child = await family.carved(400)
    subject = {"tenant": "dev", "dimensions": {name: child["scope"]}}
    for came in (
        await family.reserve(10, subject=subject),
        await family.reserve(10, subject=subject, secret=child["key"]),
        await family.event(10, subject=subject),
        await family.decide(10, subject=subject),
    ):
        assert (came.status, came.code) == (400, "INVALID_REQUEST")


async def test_a_hold_that_calls_itself_a_carve_is_none(family: Family) -> None:
    action = {"kind": "budget.carve", "name": "x"}
    held = await family.held(10, action=action, metadata={"sub_budget": "{}"})
    came = await family.look(held)
    assert (came.status, came.code) == (404, "NOT_FOUND")
    assert (await family.release(held)).status == 200


async def test_the_hold_of_a_carve_is_ended_by_nothing_but_closing(family: Family) -> None:
    name = (await family.carved(400))["sub_budget_id"]
    for came in (
        await family.commit(name, 0),
        await family.release(name),
        await family.extend(name),
    ):
        assert (came.status, came.code) == (403, "FORBIDDEN")
    assert await family.stands() == (400, 0, 600)


async def test_a_tenant_sees_no_sub_budget_of_another(family: Family) -> None:
    name = (await family.carved(400))["sub_budget_id"]
    for came in (
        await family.look(name, secret=OTHER),
        await family.close(name, secret=OTHER),
    ):
        assert (came.status, came.code) == (403, "FORBIDDEN")
    for came in (await family.look("rsv_9"), await family.close("rsv_9")):
        assert (came.status, came.code) == (404, "NOT_FOUND")
    assert (await family.ask("DELETE", f"{PATH}/{name}")).status == 405
    assert BUDGETS[0].allocated == 1_000
