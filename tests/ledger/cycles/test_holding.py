"""A plan is tried until the authority grants something of it."""

import json
from typing import Any

import pytest

from proxy.domain.decision import Caps
from proxy.domain.errors import (
    BudgetRefused,
    IdempotencyMismatch,
    LedgerUnavailable,
    Reason,
    Refused,
    UnitMismatch,
)
from tests.ledger.cycles.fates import Answer, Garble, Json, LoseReply, LoseRequest, error, throttled
from tests.ledger.cycles.home import SUBJECT, TOKENS, USD, Home, request, shorter, wish
from tests.ledger.cycles.stub import EPOCH_MS, Stub

ACME = "tenant:acme"
BOT = "tenant:acme/agent:bot"


async def test_a_wish_that_is_granted_costs_one_request(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    assert stub.operations() == ["reserve"]
    assert grant.reservation_id == "rsv/1"
    assert grant.rung == 0
    assert grant.amounts == {USD: 100, TOKENS: 10}
    assert grant.affected_scopes == (ACME, BOT)
    (balance,) = grant.balances
    assert (balance.scope, balance.remaining, balance.reserved) == (ACME, 900, 100)
    assert grant.expires_at_ms == EPOCH_MS + 60_000
    assert grant.remaining_ttl_ms == 60_000
    (seen,) = stub.seen
    assert seen.key == "call/1"
    assert seen.body["subject"] == {
        "tenant": "acme",
        "agent": "bot",
        "dimensions": {"run": "7"},
    }
    assert seen.body["overage_policy"] == "ALLOW_IF_AVAILABLE"
    assert seen.body["ttl_ms"] == 60_000


async def test_a_plan_is_tried_rung_by_rung_with_keys_of_their_own(stub: Stub, home: Home) -> None:
    """The wish, what fits of it, its minimum; then the same of the next model."""
    stub.fund(ACME, 1_000)
    stub.spoil("balances", Answer(403), Answer(403))
    plan = [wish(5_000), shorter(2_000, 5_000), wish(4_000), shorter(900, 4_000)]
    grant = await home.ledger.reserve(request(*plan))
    asked = [(each.key, each.amount) for each in stub.seen if each.operation == "reserve"]
    assert asked == [
        ("call/1", 5_000),
        ("call/1/1min", 2_000),
        ("call/1/2", 4_000),
        ("call/1/3min", 900),
    ]
    assert (grant.rung, grant.amounts[USD]) == (3, 900)


async def test_what_would_fit_is_asked_for_once_balances_are_known(stub: Stub, home: Home) -> None:
    """The refusal leads to one look at the balances: what cannot fit is not even tried."""
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(
        request(wish(5_000), shorter(2_000, 5_000), shorter(10, 4_000), max_share_pct=50)
    )
    amounts = [each.amount for each in stub.seen if each.operation == "reserve"]
    assert amounts == [5_000, 500]
    assert (grant.rung, grant.amounts[USD]) == (2, 500)


async def test_earlier_answers_say_what_would_fit(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    await home.ledger.reserve(request(wish(200)))
    (balance,) = await home.ledger.balances([ACME, BOT], USD, TOKENS)  # type: ignore[list-item]
    assert balance.remaining == 800
    stub.seen.clear()
    grant = await home.ledger.reserve(request(shorter(10, 900), key="b", max_share_pct=25))
    assert [each.amount for each in stub.seen if each.operation == "reserve"] == [900, 200]
    assert grant.amounts[USD] == 200


async def test_a_refusal_names_the_scope_that_was_short(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    stub.fund(BOT, 50).spent = 10
    with pytest.raises(BudgetRefused) as refused:
        await home.ledger.reserve(request(wish(300), shorter(100, 300)))
    assert refused.value.reason is Reason.BUDGET_EXCEEDED
    short = refused.value.shortage
    assert (short.scope, short.unit, short.required, short.remaining) == (BOT, USD, 100, 40)


async def test_a_budget_that_calls_in_flight_hold_is_busy(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    await home.ledger.reserve(request(wish(900)))
    with pytest.raises(BudgetRefused) as refused:
        await home.ledger.reserve(request(wish(300), key="b"))
    assert refused.value.reason is Reason.BUDGET_BUSY
    assert refused.value.retry_after_ms == 1_000


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("BUDGET_FROZEN", Reason.BUDGET_FROZEN),
        ("BUDGET_CLOSED", Reason.BUDGET_CLOSED),
        ("OVERDRAFT_LIMIT_EXCEEDED", Reason.OVERDRAFT_LIMIT_EXCEEDED),
        ("DEBT_OUTSTANDING", Reason.DEBT_OUTSTANDING),
    ],
)
async def test_what_no_smaller_hold_would_change_is_not_tried_smaller(
    stub: Stub, home: Home, code: str, reason: Reason
) -> None:
    stub.spoil("reserve", error(code, 409))
    with pytest.raises(BudgetRefused) as refused:
        await home.ledger.reserve(request(wish(300), shorter(100, 300)))
    assert refused.value.reason is reason
    assert stub.operations() == ["reserve"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error("TENANT_CLOSED", 409), Reason.TENANT_CLOSED),
        (error("NOT_FOUND", 404), Reason.BUDGET_NOT_FOUND),
        (error("INVALID_REQUEST", 400), Reason.INVALID_REQUEST),
        (error("UNAUTHORIZED", 401), Reason.AUTHORITY_UNAVAILABLE),
        (Answer(401), Reason.AUTHORITY_UNAVAILABLE),
        (error("FORBIDDEN", 403), Reason.IDENTITY_MISMATCH),
        (throttled(3), Reason.OVERLOADED),
        (error("ACTION_KIND_DENIED", 409), Reason.POLICY_DENIED),
        (error("SOMETHING_NEW", 422), Reason.POLICY_DENIED),
    ],
)
async def test_what_else_an_authority_says_is_a_refusal_that_lets_nothing_leave(
    stub: Stub, home: Home, answer: Answer, reason: Reason
) -> None:
    """A suspended tenant is a 401 of the reference: it must not count as an outage, in which
    calls may be let leave."""
    stub.spoil("reserve", answer)
    with pytest.raises(Refused) as refused:
        await home.ledger.reserve(request(wish(300)))
    assert refused.value.reason is reason
    assert stub.operations() == ["reserve"]


async def test_a_key_with_another_payload_is_a_mismatch(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    await home.ledger.reserve(request(wish(300)))
    with pytest.raises(IdempotencyMismatch):
        await home.ledger.reserve(request(wish(301)))


def accepted(status: int, answer: Json) -> tuple[int, bytes]:
    return 202, json.dumps(answer).encode()


def without_id(status: int, answer: Json) -> tuple[int, bytes]:
    return 200, json.dumps({k: v for k, v in answer.items() if k != "reservation_id"}).encode()


AMBIGUOUS = [
    LoseRequest(),
    LoseReply(),
    Answer(500),
    Answer(502, b"<html>"),
    Answer(301, headers=(("Location", "http://127.0.0.1:9"),)),
    Garble(accepted),
    Garble(lambda status, answer: (200, b"{")),
    Garble(lambda status, answer: (200, b'{"decision": "MAYBE"}')),
]


@pytest.mark.parametrize("fate", AMBIGUOUS)
async def test_a_hold_that_nobody_knows_of_is_asked_for_once_more_at_once(
    stub: Stub, home: Home, fate: Any
) -> None:
    """Source: HEARTBEAT GUIDANCE: one immediate retry with the same key, then surface it."""
    stub.fund(ACME, 1_000)
    stub.spoil("reserve", fate)
    if isinstance(fate, Garble) and fate.change(200, {})[1] == b'{"decision": "MAYBE"}':
        with pytest.raises(LedgerUnavailable, match="words we do not know"):
            await home.ledger.reserve(request(wish(300)))
        return
    grant = await home.ledger.reserve(request(wish(300)))
    assert [each.key for each in stub.seen] == ["call/1", "call/1"]
    assert grant.reservation_id == "rsv/1"
    assert stub.budgets[ACME, "USD_MICROCENTS"].reserved == 300


async def test_two_answers_that_are_none_are_an_outage(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    stub.spoil("reserve", LoseReply(), LoseRequest())
    with pytest.raises(LedgerUnavailable):
        await home.ledger.reserve(request(wish(300)))
    assert stub.operations() == ["reserve", "reserve"]


async def test_a_grant_without_a_reservation_is_no_grant(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    stub.spoil("reserve", Garble(without_id))
    with pytest.raises(LedgerUnavailable, match="without a reservation"):
        await home.ledger.reserve(request(wish(300)))


async def test_fields_that_nobody_knows_and_nulls_are_passed_over(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    stub.extra = {"new_field": {"a": 1}, "reason_code": None, "caps": None}
    grant = await home.ledger.reserve(request(wish(300)))
    assert grant.caps == ()


@pytest.mark.parametrize(
    ("caps", "read"),
    [
        ({"max_tokens": 5}, Caps(max_tokens=5)),
        ({"tool_denylist": ["a"], "max_tokens": None}, Caps(tool_denylist=("a",))),
        ({"tool_allowlist": ["b"], "cooldown_ms": 3}, Caps(tool_allowlist=("b",))),
        ({"from_the_future": 1}, Caps()),
    ],
)
async def test_ceilings_come_with_the_grant(stub: Stub, home: Home, caps: Json, read: Caps) -> None:
    stub.fund(ACME, 1_000)
    stub.caps = caps
    grant = await home.ledger.reserve(request(wish(300)))
    assert grant.caps == (read,)


@pytest.mark.parametrize(
    ("evidence", "written"),
    [
        (
            {"evidence_id": "a" * 64, "cycles_evidence_url": "https://x/v1/evidence/a"},
            "a" * 64 + " https://x/v1/evidence/a",
        ),
        ({"evidence_id": "b" * 64, "cycles_evidence_url": "https://x/\r\nX: y"}, "b" * 64),
        ({"evidence_id": "c\r\nX: y"}, ""),
    ],
)
async def test_evidence_is_passed_on_if_it_is_what_it_should_be(
    stub: Stub, home: Home, evidence: Json, written: str
) -> None:
    stub.fund(ACME, 1_000)
    stub.extra = {"cycles_evidence": evidence}
    assert (await home.ledger.reserve(request(wish(300)))).evidence == written


async def test_a_unit_that_is_known_to_count_is_held_as_well(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    stub.fund(ACME, 50, "TOKENS")
    await home.ledger.all_balances()
    grant = await home.ledger.reserve(request(wish(100, 20)))
    assert grant.reservation_id == "rsv/1,TOKENS=rsv/2"
    assert stub.budgets[ACME, "TOKENS"].reserved == 20
    assert [each.key for each in stub.seen[1:]] == ["call/1", "call/1/TOKENS"]


async def test_what_was_held_in_one_unit_goes_back_when_another_is_refused(
    stub: Stub, home: Home
) -> None:
    stub.fund(ACME, 1_000)
    stub.fund(ACME, 5, "TOKENS")
    await home.ledger.all_balances()
    with pytest.raises(BudgetRefused) as refused:
        await home.ledger.reserve(request(wish(100, 20)))
    assert refused.value.shortage.unit is TOKENS
    await home.tasks.wait(1_000)
    assert stub.budgets[ACME, "USD_MICROCENTS"].reserved == 0


async def test_a_subject_whose_budgets_count_tokens_only_is_held_in_tokens(
    stub: Stub, home: Home
) -> None:
    """400 UNIT_MISMATCH says that there is no budget in US dollars; remembered for a minute."""
    stub.fund(ACME, 50, "TOKENS")
    grant = await home.ledger.reserve(request(wish(100, 20)))
    assert grant.reservation_id == "TOKENS=rsv/1"
    assert grant.amounts == {USD: 100, TOKENS: 20}
    await home.ledger.reserve(request(wish(100, 20), key="b"))
    assert [each.body["estimate"]["unit"] for each in stub.seen] == [
        "USD_MICROCENTS",
        "TOKENS",
        "TOKENS",
    ]
    home.clock.at_ms += 60_000
    await home.ledger.reserve(request(wish(100, 5), key="c"))
    assert stub.seen[-2].body["estimate"]["unit"] == "USD_MICROCENTS"


async def test_budgets_in_neither_unit_are_a_mismatch(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 50, "CREDITS")
    with pytest.raises(UnitMismatch):
        await home.ledger.reserve(request(wish(100, 20)))


async def test_a_question_holds_nothing(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    forecast = await home.ledger.decide(request(wish(5_000), shorter(10, 5_000)))
    assert (forecast.rung, forecast.amounts[USD]) == (1, 1_000)
    assert stub.rows == {}
    assert stub.operations("balances") == ["decide", "decide"]
    with pytest.raises(BudgetRefused):
        await home.ledger.decide(request(wish(5_000)))
    assert SUBJECT.tenant == "acme"
