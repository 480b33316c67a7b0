"""Commit, release and extend."""

from pathlib import Path

import pytest

from proxy.ledger.records import TenantStatus
from tests.authority.rig import USD, Rig, running
from tests.ledger.builders import ask, line


def usd(amount: int) -> dict[str, object]:
    return {"unit": USD, "amount": amount}


async def test_a_commit_charges_and_gives_the_rest_back(rig: Rig) -> None:
    """[spec] §1.4: delta below 0; CommitResponse."""
    came = await rig.commit(await rig.held(100), 60)
    assert came["status"] == "COMMITTED"
    assert (came["charged"], came["released"]) == (usd(60), usd(40))
    assert came["balances"][0]["remaining"] == usd(940)
    assert came["balances"][0]["spent"] == usd(60)


async def test_what_is_released_is_left_out_when_it_is_nothing(rig: Rig) -> None:
    assert "released" not in await rig.commit(await rig.held(100), 100)


async def test_what_the_budgets_cannot_pay_is_not_charged(rig: Rig) -> None:
    """[spec] CommitOveragePolicy ALLOW_IF_AVAILABLE: capped, over the limit, never refused."""
    came = await rig.commit(await rig.held(900), 1_500)
    assert came["charged"] == usd(1_000)
    assert came["balances"][0]["is_over_limit"] is True
    assert "debt" not in came["balances"][0]


async def test_a_rejected_commit_leaves_the_reservation_active(rig: Rig) -> None:
    """[spec] CommitOveragePolicy REJECT."""
    held = await rig.held(1_000, overage_policy="REJECT")
    assert (await rig.commit(held, 1_001)).code == "BUDGET_EXCEEDED"
    assert (await rig.get(f"/v1/reservations/{held}"))["status"] == "ACTIVE"
    assert (await rig.commit(held, 1_000)).status == 200


async def test_overdraft_becomes_debt_up_to_its_limit(tmp_path: Path) -> None:
    """[spec] CommitOveragePolicy ALLOW_WITH_OVERDRAFT."""
    async with running(tmp_path, budgets=(line("tenant:dev", 100, overdraft_limit=50),)) as rig:
        held = await rig.held(100, overage_policy="ALLOW_WITH_OVERDRAFT")
        assert (await rig.commit(held, 151)).code == "OVERDRAFT_LIMIT_EXCEEDED"
        came = await rig.commit(held, 150)
        assert came["charged"] == usd(150)
        assert came["balances"][0]["debt"] == usd(50)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"overage_policy": "REJECT"}, 409),
        ({"overage_policy": "ALLOW_IF_AVAILABLE"}, 200),
    ],
    ids=["nothing", "reject", "if available"],
)
async def test_the_overage_rule_is_that_of_the_request_or_the_default(
    tmp_path: Path, asked: dict[str, str], status: int
) -> None:
    """[spec] §1.4: the reservation's own rule goes first, ALLOW_IF_AVAILABLE is the last.

    No tenant, budget or policy of ours sets one in between; an overdraft limit is not one.
    """
    async with running(tmp_path, budgets=(line("tenant:dev", 1_000, overdraft_limit=50),)) as rig:
        came = await rig.commit(await rig.held(1_000, **asked), 1_010)
        assert came.status == status
        if status == 200:
            assert came["charged"] == usd(1_000)
            assert came["balances"][0]["is_over_limit"] is True
        event = await rig.event(10, **asked)
        assert event.status == (201 if status == 200 else 409)


async def test_a_release_gives_everything_back(rig: Rig) -> None:
    """[spec] §1.5."""
    came = await rig.release(await rig.held(100), reason="not needed")
    assert (came["status"], came["released"]) == ("RELEASED", usd(100))
    assert await rig.remaining() == 1_000


async def test_an_extension_counts_from_the_end_of_the_lease(rig: Rig) -> None:
    """[spec] §1.6: from the current expires_at_ms, not from now; nothing else changes."""
    held = await rig.held(ttl_ms=10_000)
    rig.clock.at_ms += 4_000
    came = await rig.extend(held, 5_000)
    assert came["status"] == "ACTIVE"
    assert came["remaining_ttl_ms"] == 11_000
    assert came["expires_at_ms"] == rig.clock.at_ms + 11_000
    assert await rig.remaining() == 900


async def test_at_its_last_millisecond_a_lease_can_be_extended(rig: Rig) -> None:
    """[spec] §1.6: server time <= expires_at_ms."""
    held = await rig.held(ttl_ms=10_000)
    rig.clock.at_ms += 10_000
    assert (await rig.extend(held)).status == 200


@pytest.mark.parametrize("settle", ["commit", "release", "extend"])
async def test_nobody_ends_a_call_of_the_proxy_here(rig: Rig, settle: str) -> None:
    """What a provider bills is charged: no client may settle it for less."""
    grant = await rig.ledger.reserve(ask(100))
    came = await getattr(rig, settle)(grant.reservation_id)
    assert (came.status, came.code) == (403, "FORBIDDEN")
    assert (await rig.ledger.reservation(grant.reservation_id)).state == "ACTIVE"


@pytest.mark.parametrize("settle", ["commit", "release", "extend"])
async def test_a_closed_tenant_goes_before_the_state(rig: Rig, settle: str) -> None:
    """[spec] "ERROR SEMANTICS": TENANT_CLOSED goes before FINALIZED and EXPIRED."""
    settled, lapsed = await rig.held(), await rig.held(ttl_ms=1_000, grace_period_ms=0)
    await rig.commit(settled)
    rig.clock.at_ms += 2_000
    await rig.ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    for reservation_id in (settled, lapsed):
        assert (await getattr(rig, settle)(reservation_id)).code == "TENANT_CLOSED"


@pytest.mark.parametrize("settle", ["commit", "release", "extend"])
async def test_a_suspended_tenant_ends_what_it_holds(rig: Rig, settle: str) -> None:
    """[spec] §1.12: read-only for what is new."""
    held = await rig.held()
    await rig.ledger.set_tenant_status("dev", TenantStatus.SUSPENDED, actor="ops")
    assert (await getattr(rig, settle)(held)).status == 200
    assert (await rig.reserve()).code == "FORBIDDEN"
