"""The same key again: the first answer, or a mismatch.

Source: cycles-protocol-v0.yaml, "IDEMPOTENCY".
"""

from typing import Any

import pytest

from proxy.ledger.records import TenantStatus
from tests.authority.rig import USD, Came, Rig


def _without_ttl(came: Came) -> dict[str, Any]:
    return {name: value for name, value in came.body.items() if name != "remaining_ttl_ms"}


async def test_a_reserve_is_answered_as_before_and_only_its_time_runs(rig: Rig) -> None:
    """[spec] §1.11: the original balances; remaining_ttl_ms is made anew."""
    first = await rig.reserve(100, idempotency_key="a")
    await rig.held(500)
    rig.clock.at_ms += 20_000
    again = await rig.reserve(100, idempotency_key="a")
    assert _without_ttl(again) == _without_ttl(first)
    assert again["remaining_ttl_ms"] == 40_000
    assert await rig.remaining() == 400


async def test_no_time_is_left_of_what_has_ended(rig: Rig) -> None:
    """[spec] §1.11: remaining_ttl_ms is 0 when the reservation is no longer ACTIVE."""
    first = await rig.reserve(100, idempotency_key="a")
    await rig.commit(first["reservation_id"], 100)
    again = await rig.reserve(100, idempotency_key="a")
    assert _without_ttl(again) == _without_ttl(first)
    assert again["remaining_ttl_ms"] == 0


async def test_a_commit_is_answered_as_before(rig: Rig) -> None:
    """[spec] commitReservation: the original successful response payload."""
    held = await rig.held(100)
    first = await rig.commit(held, 60, idempotency_key="c")
    await rig.held(500)
    again = await rig.commit(held, 60, idempotency_key="c")
    assert again.body == first.body
    assert await rig.remaining() == 440


async def test_a_release_is_answered_as_before(rig: Rig) -> None:
    held = await rig.held(100)
    first = await rig.release(held, idempotency_key="r")
    await rig.held(500)
    assert (await rig.release(held, idempotency_key="r")).body == first.body


async def test_an_extension_is_made_once(rig: Rig) -> None:
    """[spec] extendReservation: verbatim but for remaining_ttl_ms."""
    held = await rig.held(ttl_ms=10_000)
    first = await rig.extend(held, 5_000, idempotency_key="e")
    rig.clock.at_ms += 1_000
    again = await rig.extend(held, 5_000, idempotency_key="e")
    assert again["expires_at_ms"] == first["expires_at_ms"]
    assert again["remaining_ttl_ms"] == 14_000
    await rig.commit(held)
    assert (await rig.extend(held, 5_000, idempotency_key="e"))["remaining_ttl_ms"] == 0


async def test_a_default_that_is_spelled_out_is_the_same_payload(rig: Rig) -> None:
    """§1.11: the parsed request is compared, its tenant as the key fills it in."""
    first = await rig.reserve(1, idempotency_key="a", subject={"agent": "bot"})
    again = await rig.reserve(
        1,
        idempotency_key="a",
        subject={"tenant": "dev", "agent": "bot"},
        ttl_ms=60_000,
        grace_period_ms=5_000,
        dry_run=False,
        overage_policy="ALLOW_IF_AVAILABLE",
    )
    assert again["reservation_id"] == first["reservation_id"]


@pytest.mark.parametrize(
    "changed",
    [
        {"ttl_ms": 60_001},
        {"metadata": {"a": 1}},
        {"action": {"kind": "llm.completion", "name": "gpt-4o", "tags": ["x"]}},
        {"subject": {"tenant": "dev", "dimensions": {"a": "b"}}},
        {"estimate": {"unit": "TOKENS", "amount": 1}},
        {"overage_policy": "REJECT"},
    ],
    ids=lambda changed: next(iter(changed)),
)
async def test_any_other_payload_is_a_mismatch(rig: Rig, changed: dict[str, Any]) -> None:
    """[spec] "IDEMPOTENCY": 409 IDEMPOTENCY_MISMATCH."""
    await rig.held(1, idempotency_key="a")
    assert (await rig.reserve(1, idempotency_key="a", **changed)).code == "IDEMPOTENCY_MISMATCH"


async def test_large_numbers_are_told_apart(rig: Rig) -> None:
    """Two amounts that a double cannot tell apart are two payloads."""
    await rig.reserve(2**53, idempotency_key="a", dry_run=True)
    came = await rig.reserve(2**53 + 1, idempotency_key="a", dry_run=True)
    assert came.code == "IDEMPOTENCY_MISMATCH"


async def test_a_denial_is_judged_anew(rig: Rig) -> None:
    """§1.11: only successes are kept."""
    blocking = await rig.held(950)
    assert (await rig.reserve(100, idempotency_key="a")).code == "BUDGET_EXCEEDED"
    await rig.release(blocking)
    assert (await rig.reserve(100, idempotency_key="a")).status == 200


async def test_keys_of_two_tenants_do_not_meet(rig: Rig) -> None:
    """[spec] §1.11, "IDEMPOTENCY": per effective tenant."""
    mine = await rig.held(1, idempotency_key="a")
    body = {"secret": "cyc_live_other", "subject": {"tenant": "other"}}
    assert await rig.held(2, idempotency_key="a", **body) != mine


async def test_a_commit_and_a_release_may_have_the_same_key(rig: Rig) -> None:
    """A release under the key of a commit is no replay of it."""
    held = await rig.held()
    await rig.commit(held, idempotency_key="a")
    assert (await rig.release(held, idempotency_key="a")).code == "RESERVATION_FINALIZED"


async def test_replays_go_before_the_guard_and_the_state(rig: Rig) -> None:
    """[spec] "ERROR SEMANTICS": replays of before the close keep their answers."""
    held = await rig.held(100, idempotency_key="r")
    committed = await rig.commit(held, 60, idempotency_key="c")
    event = await rig.event(5, idempotency_key="e")
    await rig.ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    rig.clock.at_ms += 10**7
    assert (await rig.reserve(100, idempotency_key="r"))["reservation_id"] == held
    assert (await rig.commit(held, 60, idempotency_key="c")).body == committed.body
    assert (await rig.event(5, idempotency_key="e")).body == event.body


async def test_the_header_may_repeat_the_key(rig: Rig) -> None:
    """[spec] "IDEMPOTENCY": where both are there, they match."""
    came = await rig.reserve(1, idempotency_key="a", headers={"X-Idempotency-Key": "a"})
    assert came["reserved"] == {"unit": USD, "amount": 1}
