"""The same key gives the same answer, and changes nothing the second time."""

import pytest
from msgspec.structs import replace

from proxy.domain.errors import BudgetRefused, IdempotencyMismatch, ReservationFinalized
from proxy.domain.reservation import State
from proxy.domain.subject import Subject
from proxy.ledger.records import ReserveRequest
from tests.ledger.builders import (
    BOT,
    DEV,
    USD,
    ask,
    charge_late,
    commit,
    declare,
    fund,
    grow,
    hold,
    line,
    spend,
    usd,
)
from tests.ledger.harness import MINUTE_MS, SECOND_MS, Harness, Home


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """A tenant with 1000 and an agent with 500."""
    await declare(harness.ledger, line(DEV, 1000), line(BOT, 500))


async def entries(ledger: Home) -> int:
    return len(await ledger.journal("dev", after_seq=0, limit=1000))


async def test_a_reserve_is_answered_again_as_it_was(harness: Harness) -> None:
    ledger = harness.ledger
    request = ask(100, key="call 1")
    first = await ledger.reserve(request)
    await spend(ledger, 50)
    count = await entries(ledger)
    harness.advance_ms(20 * SECOND_MS)
    again = await ledger.reserve(request)
    assert again == replace(first, remaining_ttl_ms=40 * SECOND_MS)
    assert await entries(ledger) == count


async def test_two_reserves_in_one_moment_with_one_key_are_one_hold(ledger: Home) -> None:
    request = ask(100, key="call 1")
    first = ledger.reserve(request)
    second = ledger.reserve(request)
    assert await first == await second
    assert (await ledger.all_balances())[0].reserved == 100


async def test_a_replay_of_a_settled_hold_has_no_time_left(ledger: Home) -> None:
    request = ask(100, key="call 1")
    first = await ledger.reserve(request)
    await commit(ledger, first.reservation_id, 1)
    assert await ledger.reserve(request) == replace(first, remaining_ttl_ms=0)


async def test_a_replay_after_the_lease_has_no_time_left(harness: Harness) -> None:
    request = ask(100, key="call 1")
    first = await harness.ledger.reserve(request)
    harness.advance_ms(2 * MINUTE_MS)
    assert (await harness.ledger.reserve(request)).remaining_ttl_ms == 0
    assert (await harness.ledger.reserve(request)).expires_at_ms == first.expires_at_ms


async def test_the_first_answer_survives_growing_and_operators(ledger: Home) -> None:
    request = ask(100, key="call 1")
    first = await ledger.reserve(request)
    await grow(ledger, first.reservation_id, 10)
    await ledger.extend(first.reservation_id, by_ms=5, key="longer")
    await fund(ledger, DEV, 7)
    await declare(ledger, line(DEV, 1000, overdraft_limit=3))
    assert await ledger.reserve(request) == first


@pytest.mark.parametrize("change", [{"payload_hash": "other"}])
async def test_another_payload_is_a_mismatch(ledger: Home, change: dict[str, str]) -> None:
    await ledger.reserve(ask(100, key="call 1"))
    with pytest.raises(IdempotencyMismatch):
        await ledger.reserve(ask(100, key="call 1", **change))  # type: ignore[arg-type]


async def test_another_tenant_may_use_the_same_key(ledger: Home) -> None:
    await declare(ledger, line(DEV, 1000), line("tenant:other", 1000))
    first = await ledger.reserve(ask(100, key="call 1"))
    request: ReserveRequest = replace(ask(100, key="call 1"), subject=Subject(tenant="other"))
    assert (await ledger.reserve(request)).reservation_id != first.reservation_id


async def test_a_refusal_is_not_remembered(ledger: Home) -> None:
    request = ask(501, key="call 1")
    with pytest.raises(BudgetRefused):
        await ledger.reserve(request)
    await fund(ledger, BOT, 1)
    assert (await ledger.reserve(request)).amounts == usd(501)


async def test_a_free_reserve_is_answered_again(ledger: Home) -> None:
    request = ask(0, key="call 1", free=[USD])
    assert await ledger.reserve(request) == await ledger.reserve(request)


async def test_a_commit_is_answered_again_as_it_was(ledger: Home) -> None:
    """LiteLLM #30460, otari #742: what timed out after it had landed was counted again."""
    reservation_id = await hold(ledger, 100)
    first = await commit(ledger, reservation_id, 60)
    await spend(ledger, 50)
    count = await entries(ledger)
    again = await commit(ledger, reservation_id, 60)
    assert again == first
    assert await entries(ledger) == count


async def test_a_release_is_answered_again_as_it_was(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    first = await ledger.release(reservation_id, key="give back")
    await spend(ledger, 50)
    assert await ledger.release(reservation_id, key="give back") == first


async def test_a_key_of_one_operation_is_no_key_of_another(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    await ledger.release(reservation_id, key="end")
    with pytest.raises(ReservationFinalized) as refusal:
        await ledger.commit(reservation_id, actual=usd(1), key="end", payload_hash="")
    assert refusal.value.state == State.RELEASED


async def test_growing_is_answered_again_and_done_once(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    first = await grow(ledger, reservation_id, 20)
    await grow(ledger, reservation_id, 30, key="and more")
    assert await grow(ledger, reservation_id, 20) == first
    assert (await ledger.reservation(reservation_id)).amounts == usd(150)
    with pytest.raises(IdempotencyMismatch):
        await grow(ledger, reservation_id, 21)


async def test_extending_is_answered_again_and_done_once(harness: Harness) -> None:
    ledger = harness.ledger
    reservation_id = await hold(ledger, 100)
    first = await ledger.extend(reservation_id, by_ms=20, key="beat")
    harness.advance_ms(5)
    again = await ledger.extend(reservation_id, by_ms=20, key="beat")
    assert again == replace(first, remaining_ttl_ms=first.remaining_ttl_ms - 5)
    with pytest.raises(IdempotencyMismatch):
        await ledger.extend(reservation_id, by_ms=21, key="beat")
    await ledger.release(reservation_id, key="give back")
    ended = await ledger.extend(reservation_id, by_ms=20, key="beat")
    assert ended == replace(first, remaining_ttl_ms=0)


async def test_a_late_charge_is_answered_again_and_done_once(ledger: Home) -> None:
    reservation_id = await hold(ledger, 100)
    await ledger.release(reservation_id, key="give up", actor="ops")
    first = await charge_late(ledger, reservation_id, 70)
    await spend(ledger, 50)
    again = await charge_late(ledger, reservation_id, 70)
    assert again == first
    other = await charge_late(ledger, reservation_id, 70, key="twin")
    assert other.charged == usd(70), "another key finds it paid"
    assert (await ledger.all_balances())[0].spent == 120
    with pytest.raises(IdempotencyMismatch):
        await ledger.charge_late(reservation_id, actual=usd(70), key="late", payload_hash="other")


async def test_answers_survive_a_crash(harness: Harness) -> None:
    request = ask(100, key="call 1")
    first = await harness.ledger.reserve(request)
    settled = await commit(harness.ledger, first.reservation_id, 60)
    await harness.crash()
    assert await harness.ledger.reserve(request) == replace(first, remaining_ttl_ms=0)
    again = await commit(harness.ledger, first.reservation_id, 60)
    assert again == settled
