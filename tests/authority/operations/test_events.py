"""POST /v1/events: what was spent without a hold."""

import pytest

from tests.authority.rig import TRACE_ID, USD, Rig, spending


async def test_an_event_is_charged_at_once(rig: Rig) -> None:
    """[spec] §1.8: 201 APPLIED, `charged` only where it is less."""
    came = await rig.event(100, metrics={"tokens_input": 3, "custom": {"a": [1]}})
    assert (came.status, came["status"]) == (201, "APPLIED")
    assert "charged" not in came
    assert came["balances"][0]["spent"] == {"unit": USD, "amount": 100}


async def test_an_event_beyond_what_remains_is_capped(rig: Rig) -> None:
    """[spec] EventCreateRequest ALLOW_IF_AVAILABLE: never refused, and says what it charged."""
    came = await rig.event(1_500)
    assert came["charged"] == {"unit": USD, "amount": 1_000}
    assert came["balances"][0]["is_over_limit"] is True


async def test_being_over_the_limit_does_not_stop_an_event(rig: Rig) -> None:
    """§1.8: neither debt nor the limit block what was spent."""
    await rig.event(1_500)
    assert (await rig.event(1)).status == 201


async def test_an_event_that_is_sent_twice_is_charged_once(rig: Rig) -> None:
    """[spec] createEvent: the original successful response."""
    first = await rig.event(100, idempotency_key="a")
    await rig.event(50)
    again = await rig.event(100, idempotency_key="a")
    assert (again.status, again.body) == (201, first.body)
    assert await rig.remaining() == 850


async def test_the_time_of_the_client_decides_nothing(rig: Rig) -> None:
    """[spec] EventCreateRequest.client_time_ms: advisory."""
    assert (await rig.event(1, client_time_ms=0)).status == 201


async def test_events_are_not_listed(rig: Rig) -> None:
    await rig.event(1)
    assert (await rig.get("/v1/reservations"))["reservations"] == []


@pytest.mark.parametrize("settle", ["commit", "release", "extend"])
async def test_an_event_is_no_reservation_to_end(rig: Rig, settle: str) -> None:
    event = (await rig.event(1))["event_id"]
    came = await getattr(rig, settle)(event)
    assert (came.status, came.code) == (404, "NOT_FOUND")


async def test_the_trace_of_an_event_stands_in_the_books(rig: Rig) -> None:
    """[spec] "CORRELATION AND TRACING": onto what is written down of a request."""
    headers = {"traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01"}
    event = await rig.post("/v1/events", spending("actual", 1), headers=headers)
    assert (await rig.ledger.reservation(event["event_id"])).trace_id == TRACE_ID
    (*_, entry) = await rig.ledger.journal("dev", after_seq=0, limit=10)
    assert entry.trace_id == TRACE_ID
