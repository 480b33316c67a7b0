"""What is told of the end of a hold, and what the authority says to that."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from proxy.domain.errors import (
    ActorRequired,
    ExtensionsExhausted,
    IdempotencyMismatch,
    LedgerThrottled,
    LedgerUnavailable,
    NotUnderstood,
    Refused,
    ReservationExpired,
    ReservationFinalized,
    ReservationNotFound,
    UnitMismatch,
)
from proxy.domain.reservation import Overage, State
from proxy.ledger.cycles.books import NotHere
from proxy.ledger.records import Event
from tests.ledger.cycles.fates import Answer, Garble, Json, LoseReply, error, throttled
from tests.ledger.cycles.home import SUBJECT, TOKENS, USD, Home, request, wish
from tests.ledger.cycles.stub import Stub

ACME = "tenant:acme"


def charge(actual: int) -> dict[str, Any]:
    return {"actual": {USD: actual, TOKENS: 3}, "key": "k", "payload_hash": "p"}


def event(actual: int, **more: Any) -> Event:
    return Event("k", "p", SUBJECT, {USD: actual}, is_spent=True, **more)


@pytest.fixture
async def held(stub: Stub, home: Home) -> str:
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    stub.seen.clear()
    return grant.reservation_id


async def test_a_commit_charges_and_gives_back(stub: Stub, home: Home, held: str) -> None:
    settlement = await home.ledger.commit(held, **charge(70), metadata={"served_model": "m"})
    assert settlement.state is State.COMMITTED
    assert settlement.charged == {USD: 70, TOKENS: 3}
    assert settlement.released == {USD: 30, TOKENS: 0}
    assert settlement.uncovered == {USD: 0, TOKENS: 0}
    (seen,) = stub.seen
    assert seen.body == {
        "idempotency_key": "k",
        "actual": {"unit": "USD_MICROCENTS", "amount": 70},
        "metadata": {"served_model": "m"},
    }


async def test_what_the_budgets_cannot_pay_is_uncovered(stub: Stub, home: Home, held: str) -> None:
    settlement = await home.ledger.commit(held, **charge(1_200))
    assert settlement.charged[USD] == 1_000
    assert settlement.uncovered[USD] == 200


async def test_where_an_overage_is_refused_what_is_held_is_charged(stub: Stub, home: Home) -> None:
    """ALLOW_WITH_OVERDRAFT beyond its limit is a 409, and the money is spent all the same."""
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(1_000), overage=Overage.ALLOW_WITH_OVERDRAFT))
    settlement = await home.ledger.commit(grant.reservation_id, **charge(1_200))
    assert settlement.charged[USD] == 1_000
    assert settlement.uncovered[USD] == 200
    assert [each.key for each in stub.seen if each.operation == "commit"] == ["k", "k/held"]


async def test_an_estimate_is_told_as_one(stub: Stub, home: Home, held: str) -> None:
    await home.ledger.commit(held, **charge(70), estimated=True)
    assert stub.seen[-1].body["metadata"] == {"actual_source": "estimate"}


async def test_a_release_gives_all_of_it_back(stub: Stub, home: Home, held: str) -> None:
    settlement = await home.ledger.release(held, key="k")
    assert settlement.released == {USD: 100}
    assert stub.budgets[ACME, "USD_MICROCENTS"].remaining == 1_000


async def test_what_is_uncertain_is_given_up_by_a_person_only(
    stub: Stub, home: Home, held: str
) -> None:
    await home.ledger.mark_uncertain(held)
    assert await home.ledger.count_uncertain() == 1
    with pytest.raises(ActorRequired):
        await home.ledger.release(held, key="k")
    await home.ledger.release(held, key="k", actor="jo")
    assert stub.seen[-1].body["reason"] == "jo"
    assert await home.ledger.count_uncertain() == 0


async def test_an_id_of_any_characters_is_one_segment_of_the_path(
    stub: Stub, home: Home, held: str
) -> None:
    assert held == "rsv/1"
    await home.ledger.commit(held, **charge(70))
    assert stub.operations() == ["commit"]


ANSWERS: list[tuple[Any, type[Exception]]] = [
    (error("RESERVATION_EXPIRED", 410), ReservationExpired),
    (Answer(410), ReservationExpired),
    (error("RESERVATION_FINALIZED", 409), ReservationFinalized),
    (error("NOT_FOUND", 404), ReservationNotFound),
    (error("IDEMPOTENCY_MISMATCH", 409), IdempotencyMismatch),
    (error("UNIT_MISMATCH", 400), UnitMismatch),
    (error("MAX_EXTENSIONS_EXCEEDED", 409), ExtensionsExhausted),
    (error("TENANT_CLOSED", 409), Refused),
    (error("UNAUTHORIZED", 401), LedgerUnavailable),
    (error("FORBIDDEN", 403), LedgerUnavailable),
    (throttled(7), LedgerThrottled),
    (error("INTERNAL_ERROR", 500), LedgerUnavailable),
    (Answer(503), LedgerUnavailable),
    (Answer(404, b"<html>"), NotUnderstood),
    (error("SOMETHING_NEW", 409), NotUnderstood),
    (error("SOMETHING_NEW", 422), NotUnderstood),
    (LoseReply(), LedgerUnavailable),
]


@pytest.mark.parametrize("operation", ["commit", "release", "extend"])
@pytest.mark.parametrize(("fate", "raised"), ANSWERS)
async def test_every_error_means_one_thing(
    stub: Stub, home: Home, held: str, operation: str, fate: Any, raised: type[Exception]
) -> None:
    """One attempt each: whoever asks again, with the same key, is the journal or the heartbeat."""
    stub.spoil(operation, fate)
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "commit": lambda: home.ledger.commit(held, **charge(70)),
        "release": lambda: home.ledger.release(held, key="k"),
        "extend": lambda: home.ledger.extend(held, by_ms=1_000, key="k"),
    }
    with pytest.raises(raised) as caught:
        await asked[operation]()
    assert type(caught.value) is raised
    assert stub.operations() == [operation]


async def test_a_pause_has_the_length_that_was_asked_for(stub: Stub, home: Home, held: str) -> None:
    for header, expected_ms in (("7", 7_000), ("Wed, 21 Oct 2015 07:28:00 GMT", None), ("", None)):
        stub.spoil("commit", error("LIMIT_EXCEEDED", 429, ("Retry-After", header)))
        with pytest.raises(LedgerThrottled) as pause:
            await home.ledger.commit(held, **charge(70))
        assert pause.value.retry_after_ms == expected_ms


def other_status(status: int, answer: Json) -> tuple[int, bytes]:
    return 201 if status == 200 else 200, json.dumps(answer).encode()


def other_word(status: int, answer: Json) -> tuple[int, bytes]:
    return status, json.dumps(answer | {"status": "DONE"}).encode()


def without_amount(status: int, answer: Json) -> tuple[int, bytes]:
    return status, json.dumps({"status": answer["status"]}).encode()


def other_unit(status: int, answer: Json) -> tuple[int, bytes]:
    return status, json.dumps(answer | {"charged": {"unit": "CREDITS", "amount": 1}}).encode()


@pytest.mark.parametrize("garble", [other_status, other_word, without_amount, other_unit])
async def test_a_success_that_is_not_the_protocols_proves_nothing(
    stub: Stub, home: Home, held: str, garble: Any
) -> None:
    """CR-CORE-004: only a schema-valid answer with the expected status ends it."""
    stub.spoil("commit", Garble(garble))
    with pytest.raises(LedgerUnavailable):
        await home.ledger.commit(held, **charge(70))
    settlement = await home.ledger.commit(held, **charge(70))
    assert settlement.charged[USD] == 70
    assert stub.settlements() == [70]


async def test_an_event_charges_without_a_hold(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    applied = await home.ledger.apply(event(70, metadata={"model": "m"}, estimated=True))
    assert applied.reservation_id == "evt-1"
    assert applied.settlement.charged == {USD: 70}
    (posted,) = stub.events
    assert posted["subject"]["tenant"] == "acme"
    assert posted["metadata"] == {"model": "m", "actual_source": "estimate"}


async def test_an_event_with_another_status_than_201_proves_nothing(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    stub.spoil("event", Garble(other_status))
    with pytest.raises(LedgerUnavailable):
        await home.ledger.apply(event(70))
    await home.ledger.apply(event(70))
    assert stub.settlements() == [70]


async def test_an_event_that_no_budget_pays_in_full_is_charged_as_far_as_it_can_be(
    stub: Stub, home: Home
) -> None:
    stub.fund(ACME, 1_000)
    stub.spoil("event", error("OVERDRAFT_LIMIT_EXCEEDED", 409))
    await home.ledger.apply(event(70, overage=Overage.ALLOW_WITH_OVERDRAFT))
    assert [(each.key, each.body["overage_policy"]) for each in stub.seen] == [
        ("k", "ALLOW_WITH_OVERDRAFT"),
        ("k/capped", "ALLOW_IF_AVAILABLE"),
    ]


async def test_an_event_is_charged_in_the_units_that_have_budgets(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    both = Event("k", "p", SUBJECT, {USD: 70, TOKENS: 9}, is_spent=True)
    await home.ledger.apply(both)
    assert [each["actual"]["unit"] for each in stub.events] == ["USD_MICROCENTS"]
    stub.budgets.clear()
    with pytest.raises(ReservationNotFound):
        await home.ledger.apply(Event("l", "p", SUBJECT, {USD: 70, TOKENS: 9}, is_spent=True))


async def test_a_hold_that_has_grown_is_committed_in_its_parts(stub: Stub, home: Home) -> None:
    """Growth is a further reservation: each is charged its own, and the last one the rest."""
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    grown = await home.ledger.grow(grant.reservation_id, by={USD: 50, TOKENS: 5}, key="g")
    assert grown.reservation_id == grant.reservation_id
    assert grown.amounts == {USD: 150, TOKENS: 15}
    await home.ledger.commit(grant.reservation_id, **charge(120))
    assert [row.committed for row in stub.rows.values()] == [100, 20]


async def test_a_hold_that_has_grown_grows_and_lives_and_ends_by_the_id_it_was_given(
    stub: Stub, home: Home
) -> None:
    """Who holds it does not hear of the reservations that it is made of there."""
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    await home.ledger.grow(grant.reservation_id, by={USD: 50}, key="g/0")
    grown = await home.ledger.grow(grant.reservation_id, by={USD: 25}, key="g/1")
    assert grown.amounts[USD] == 175

    stub.seen.clear()
    await home.ledger.extend(grant.reservation_id, by_ms=1_000, key="e")
    assert stub.operations() == ["extend"] * 3
    (left,) = home.ledger.leave_to_journal(grant.reservation_id)
    assert left.reservation_id == "rsv/1,rsv/2,rsv/3"
    await home.ledger.commit(left.reservation_id, **charge(160))
    assert [row.committed for row in stub.rows.values()] == [100, 50, 10]


async def test_all_that_a_hold_has_grown_by_is_given_back_with_it(stub: Stub, home: Home) -> None:
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    await home.ledger.grow(grant.reservation_id, by={USD: 50}, key="g")
    settlement = await home.ledger.release(grant.reservation_id, key="r")
    assert settlement.released[USD] == 150


async def test_books_are_read_and_kept_there(stub: Stub, home: Home, held: str) -> None:
    (balance,) = await home.ledger.all_balances()
    assert (balance.remaining, balance.used_pct) == (900, 0)
    row = await home.ledger.reservation(held)
    assert (row.state, row.amounts, row.subject.agent) == (State.ACTIVE, {USD: 100}, "bot")
    with pytest.raises(ReservationNotFound):
        await home.ledger.reservation("rsv_none")
    with pytest.raises(NotHere, match="ask the budget authority"):
        await home.ledger.verify()
    assert await home.ledger.seal(before_ms=0, limit=1) == 0
    assert (await home.ledger.declare((), templates_max=1, version=3)).version == 3


async def test_whether_it_can_be_reached_is_asked_only_after_it_could_not(
    stub: Stub, home: Home, held: str
) -> None:
    await home.ledger.expire(limit=1)
    assert stub.operations() == []
    stub.spoil("commit", LoseReply())
    with pytest.raises(LedgerUnavailable):
        await home.ledger.commit(held, **charge(70))
    stub.spoil("balances", Answer(503))
    with pytest.raises(LedgerUnavailable):
        await home.ledger.expire(limit=1)
    await home.ledger.expire(limit=1)
    await home.ledger.expire(limit=1)
    assert stub.operations() == ["commit", "balances", "balances"]
