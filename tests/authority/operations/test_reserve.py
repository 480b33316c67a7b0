"""POST /v1/reservations, live and as a dry run."""

from pathlib import Path
from typing import Any

import pytest

from tests.authority.rig import BUDGETS, USD, Rig, running
from tests.ledger.builders import line

MINUTE_MS = 60_000


async def test_a_hold_is_in_every_budgeted_scope(tmp_path: Path) -> None:
    """[spec] §1.2, §1.3: derived in canonical order, scopes without a budget skipped."""
    budgets = (line("tenant:dev", 1_000), line("tenant:dev/agent:bot", 300))
    async with running(tmp_path, budgets=budgets) as rig:
        came = await rig.reserve(100, subject={"tenant": "dev", "app": "shop", "agent": "bot"})
        assert came["affected_scopes"] == [
            "tenant:dev",
            "tenant:dev/app:shop",
            "tenant:dev/app:shop/agent:bot",
        ]
        assert came["scope_path"] == came["affected_scopes"][-1]
        assert [balance["scope_path"] for balance in came["balances"]] == ["tenant:dev"]

        came = await rig.reserve(100, subject={"tenant": "dev", "agent": "bot"})
        assert {b["scope"]: b["remaining"]["amount"] for b in came["balances"]} == {
            "tenant:dev": 800,
            "tenant:dev/agent:bot": 200,
        }


async def test_an_answer_says_what_is_held_and_until_when(rig: Rig) -> None:
    """[spec] §1.3: decision, id, reserved, expiry, remaining_ttl_ms; no caps, nothing else."""
    came = await rig.reserve(100, ttl_ms=30_000)
    assert came["decision"] == "ALLOW"
    assert came["reserved"] == {"unit": USD, "amount": 100}
    assert came["expires_at_ms"] == rig.clock.at_ms + 30_000
    assert came["remaining_ttl_ms"] == 30_000
    assert "caps" not in came
    assert "reason_code" not in came


async def test_nothing_can_be_held(rig: Rig) -> None:
    """§1.3: an estimate of 0 is legal."""
    assert (await rig.reserve(0)).status == 200


async def test_a_lease_lasts_a_minute_unless_it_is_said(rig: Rig) -> None:
    """[spec] ReservationCreateRequest: ttl_ms 60000, grace_period_ms 5000."""
    held = await rig.held()
    rig.clock.at_ms += MINUTE_MS + 5_000
    assert (await rig.commit(held)).status == 200


async def test_balances_leave_out_what_is_nothing(tmp_path: Path) -> None:
    """§10.3: no nulls; debt, its limit and the flag only where there are any."""
    budgets = (line("tenant:dev", 1_000, overdraft_limit=50),)
    async with running(tmp_path, budgets=budgets) as rig:
        (balance,) = (await rig.reserve(100))["balances"]
        assert balance["overdraft_limit"] == {"unit": USD, "amount": 50}
        assert "debt" not in balance
        assert "is_over_limit" not in balance
        spent = await rig.event(940, overage_policy="ALLOW_WITH_OVERDRAFT")
        assert spent["balances"][0]["debt"] == {"unit": USD, "amount": 40}
        assert spent["balances"][0]["remaining"]["amount"] == -40


async def test_the_budget_of_a_run_counts_and_is_not_shown(tmp_path: Path) -> None:
    budgets = (line("tenant:dev", 1_000), line("tenant:dev/run:*", 50))
    async with running(tmp_path, budgets=budgets) as rig:
        run: dict[str, Any] = {"subject": {"tenant": "dev", "dimensions": {"run": "7"}}}
        came = await rig.reserve(50, **run)
        assert [balance["scope"] for balance in came["balances"]] == ["tenant:dev"]
        assert (await rig.reserve(1, **run)).code == "BUDGET_EXCEEDED"
        assert (await rig.reserve(1)).status == 200


DRY: dict[str, Any] = {"dry_run": True}


async def test_a_dry_run_holds_nothing(rig: Rig) -> None:
    """[spec] "DRY-RUN RESPONSE RULES": no id and no expiry, scopes always."""
    came = await rig.reserve(600, **DRY)
    assert came["decision"] == "ALLOW"
    assert came["affected_scopes"] == ["tenant:dev"]
    for absent in ("reservation_id", "expires_at_ms", "remaining_ttl_ms", "caps", "reason_code"):
        assert absent not in came
    assert await rig.remaining() == 1_000
    assert (await rig.get("/v1/reservations"))["reservations"] == []


async def test_a_dry_run_that_would_be_denied_is_an_answer(rig: Rig) -> None:
    """[spec] "DRY-RUN RESPONSE RULES": DENY with its reason, and where."""
    came = await rig.reserve(1_001, **DRY)
    assert (came.status, came["decision"]) == (200, "DENY")
    assert came["reason_code"] == "BUDGET_EXCEEDED"
    assert came["affected_scopes"] == ["tenant:dev"]
    for absent in ("reservation_id", "expires_at_ms", "remaining_ttl_ms", "reserved"):
        assert absent not in came


async def test_a_live_denial_is_an_error_and_holds_nothing(rig: Rig) -> None:
    """[spec] §1.3: never 200 with DENY."""
    came = await rig.reserve(1_001)
    assert (came.status, came.code) == (409, "BUDGET_EXCEEDED")
    assert await rig.remaining() == 1_000


async def test_overdraft_does_not_help_a_reserve(tmp_path: Path) -> None:
    """§1.3: remaining covers the estimate, whatever the overdraft limit."""
    async with running(tmp_path, budgets=(line("tenant:dev", 10, overdraft_limit=50),)) as rig:
        came = await rig.reserve(11, overage_policy="ALLOW_WITH_OVERDRAFT")
        assert came.code == "BUDGET_EXCEEDED"


async def test_budgets_of_templates_are_bounded(tmp_path: Path) -> None:
    """A template beyond its bound is a denial: live an error, tried out a reason of its own."""
    budgets = (*BUDGETS, line("tenant:dev/agent:*", 10))
    async with running(tmp_path, budgets=budgets) as rig:
        for number in range(10):
            assert (await rig.reserve(1, subject={"agent": f"a{number}"})).status == 200
        assert (await rig.reserve(1, subject={"agent": "b"})).code == "BUDGET_EXCEEDED"
        came = await rig.reserve(1, subject={"agent": "b"}, **DRY)
        assert came["reason_code"] == "TEMPLATE_LIMIT"


@pytest.mark.parametrize("value", ["", "  "])
async def test_a_level_without_a_name_is_refused(rig: Rig, value: str) -> None:
    came = await rig.reserve(subject={"tenant": "dev", "agent": value})
    assert (came.status, came.code) == (400, "INVALID_REQUEST")
