"""Answers to questions that changed nothing are given again, whatever has happened since."""

import pytest
from msgspec.structs import replace

from proxy.domain.errors import IdempotencyMismatch
from proxy.domain.reservation import OnExpiry
from proxy.domain.subject import Subject
from proxy.ledger.records import TenantStatus
from tests.ledger.builders import DEV, ask, balance_of, commit, declare, event, line, usd
from tests.ledger.harness import DAY_MS, MINUTE_MS, Harness, Home


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """Two tenants with 1000."""
    await declare(harness.ledger, line(DEV, 1_000), line("tenant:other", 1_000))


async def keep(
    ledger: Home,
    key: str,
    answer: str = "ALLOW",
    *,
    tenant: str = "dev",
    payload_hash: str = "body",
    keep_ms: int = DAY_MS,
) -> str:
    return await ledger.remember(tenant, key, payload_hash, answer, keep_ms=keep_ms)


async def test_nothing_is_known_of_a_key_that_nobody_used(ledger: Home) -> None:
    assert await ledger.recall("dev", "asked 1", "body") is None
    assert await ledger.recall("nobody", "asked 1", "body") is None


async def test_an_answer_is_given_again_as_it_was(ledger: Home) -> None:
    """Spec, "IDEMPOTENCY": a replay returns the original payload."""
    answer = '{"decision":"DENY","reason_code":"BUDGET_EXCEEDED \u2713"}'
    assert await keep(ledger, "asked 1", answer) == answer
    assert await ledger.recall("dev", "asked 1", "body") == answer
    assert await ledger.recall("dev", "asked 1", "body") == answer


async def test_the_first_answer_stays(ledger: Home) -> None:
    await keep(ledger, "asked 1", "ALLOW")
    assert await keep(ledger, "asked 1", "DENY") == "ALLOW"
    assert await ledger.recall("dev", "asked 1", "body") == "ALLOW"


async def test_of_two_in_one_moment_both_get_the_first_answer(ledger: Home) -> None:
    first, second = keep(ledger, "asked 1", "ALLOW"), keep(ledger, "asked 1", "DENY")
    assert await first == await second == "ALLOW"


async def test_a_later_question_keeps_the_first_answer_no_longer(harness: Harness) -> None:
    ledger = harness.ledger
    await keep(ledger, "asked 1", keep_ms=MINUTE_MS)
    await keep(ledger, "asked 1", keep_ms=DAY_MS)
    harness.advance_ms(2 * MINUTE_MS)
    await ledger.expire(limit=10)
    assert await ledger.recall("dev", "asked 1", "body") is None


async def test_another_payload_is_a_mismatch(ledger: Home) -> None:
    """Spec, "IDEMPOTENCY": the same key with another payload is IDEMPOTENCY_MISMATCH."""
    await keep(ledger, "asked 1")
    with pytest.raises(IdempotencyMismatch):
        await ledger.recall("dev", "asked 1", "other")
    with pytest.raises(IdempotencyMismatch):
        await keep(ledger, "asked 1", payload_hash="other")
    assert await ledger.recall("dev", "asked 1", "body") == "ALLOW"


async def test_each_tenant_has_keys_of_its_own(ledger: Home) -> None:
    """Spec, "IDEMPOTENCY": keys are per effective tenant."""
    await keep(ledger, "asked 1", "mine")
    assert await ledger.recall("other", "asked 1", "other") is None
    assert await keep(ledger, "asked 1", "theirs", tenant="other", payload_hash="o") == "theirs"
    assert await ledger.recall("dev", "asked 1", "body") == "mine"
    stranger = Subject(tenant="other")
    await keep(ledger, "asked 2")
    request = ask(1, subject=stranger, key="asked 2", on_expiry=OnExpiry.RELEASE)
    assert (await ledger.reserve(request)).amounts == usd(1)


async def test_a_key_of_a_question_makes_no_hold(ledger: Home) -> None:
    """Reserves, dry runs, events and questions of a tenant share their keys."""
    await keep(ledger, "asked 1")
    for payload_hash in ("body", "other"):
        request = ask(1, key="asked 1", payload_hash=payload_hash, on_expiry=OnExpiry.RELEASE)
        with pytest.raises(IdempotencyMismatch):
            await ledger.reserve(request)
        with pytest.raises(IdempotencyMismatch):
            await ledger.apply(event(1, key="asked 1", payload_hash=payload_hash))
    assert (await balance_of(ledger, DEV)).remaining == 1_000
    assert await ledger.recall("dev", "asked 1", "body") == "ALLOW"


async def test_a_key_of_a_hold_or_an_event_is_no_key_of_a_question(ledger: Home) -> None:
    request = ask(1, key="call 1", on_expiry=OnExpiry.RELEASE)
    grant = await ledger.reserve(request)
    applied = await ledger.apply(event(1, key="event 1"))
    await commit(ledger, grant.reservation_id, 1)
    for key in ("call 1", "event 1"):
        with pytest.raises(IdempotencyMismatch):
            await ledger.recall("dev", key, "body")
        with pytest.raises(IdempotencyMismatch):
            await keep(ledger, key)
    assert await ledger.reserve(request) == replace(grant, remaining_ttl_ms=0)
    assert await ledger.apply(event(1, key="event 1")) == applied


async def test_a_question_and_a_reserve_in_one_moment_are_one_of_both(ledger: Home) -> None:
    asked = keep(ledger, "call 1")
    reserved = ledger.reserve(ask(1, key="call 1", on_expiry=OnExpiry.RELEASE))
    assert await asked == "ALLOW"
    with pytest.raises(IdempotencyMismatch):
        await reserved


async def test_an_answer_is_kept_as_long_as_was_asked_and_then_goes(harness: Harness) -> None:
    ledger = harness.ledger
    await keep(ledger, "asked 1", keep_ms=MINUTE_MS)
    await keep(ledger, "asked 2", keep_ms=DAY_MS)
    harness.advance_ms(MINUTE_MS)
    await ledger.expire(limit=10)
    assert await ledger.recall("dev", "asked 1", "body") == "ALLOW"
    harness.advance_ms(1)
    await ledger.expire(limit=10)
    assert await ledger.recall("dev", "asked 1", "body") is None
    assert await ledger.recall("dev", "asked 2", "body") == "ALLOW"


async def test_a_key_whose_answer_has_gone_is_free(harness: Harness) -> None:
    ledger = harness.ledger
    for number in range(3):
        await keep(ledger, f"asked {number}", keep_ms=MINUTE_MS)
    harness.advance_ms(MINUTE_MS + 1)
    await ledger.expire(limit=10)
    assert await keep(ledger, "asked 0", "DENY", payload_hash="other") == "DENY"
    request = ask(1, key="asked 1", payload_hash="other", on_expiry=OnExpiry.RELEASE)
    assert (await ledger.reserve(request)).amounts == usd(1)
    applied = await ledger.apply(event(1, key="asked 2", payload_hash="other"))
    assert applied.settlement.charged == usd(1)


async def test_answers_go_a_few_at_a_time(harness: Harness) -> None:
    ledger = harness.ledger
    keys = [f"asked {number}" for number in range(7)]
    for key in keys:
        await keep(ledger, key, keep_ms=MINUTE_MS)
    harness.advance_ms(MINUTE_MS + 1)
    for _ in range(4):
        await ledger.expire(limit=2)
    assert [await ledger.recall("dev", key, "other") for key in keys] == [None] * 7


async def test_answers_survive_a_crash(harness: Harness) -> None:
    await keep(harness.ledger, "asked 1")
    await harness.crash()
    assert await harness.ledger.recall("dev", "asked 1", "body") == "ALLOW"
    with pytest.raises(IdempotencyMismatch):
        await harness.ledger.apply(event(1, key="asked 1"))


async def test_a_closed_tenant_hears_again_what_it_was_told(ledger: Home) -> None:
    """Spec, "ERROR SEMANTICS": evaluations from before the close are replayed as they were."""
    await keep(ledger, "asked 1")
    await ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    assert await ledger.recall("dev", "asked 1", "body") == "ALLOW"
    assert await keep(ledger, "asked 1", "DENY") == "ALLOW"
    assert await keep(ledger, "asked 2", "DENY") == "DENY"
    with pytest.raises(IdempotencyMismatch):
        await ledger.reserve(ask(1, key="asked 1", on_expiry=OnExpiry.RELEASE))


async def test_an_answer_is_in_no_journal_and_no_balance(ledger: Home) -> None:
    before = await ledger.journal("dev", after_seq=0, limit=100)
    await keep(ledger, "asked 1")
    assert await ledger.journal("dev", after_seq=0, limit=100) == before
    assert (await ledger.verify()).differences == ()
