"""Calls that do not go well: cuts, hangs, refusals, clients that leave. And what each costs."""

import asyncio
import json
from typing import Any, Literal

import pytest

from simulator import Behaviour, Cut, Hang, Refusal, Simulator, Wire
from tests.simulator.calls import HELLO, call, connection, read_answer, request_bytes, send_bytes

STREAM = HELLO | {"stream": True}
# gpt-4o-mini: 9 tokens in at 15 microcents, then 60 for each token out.
INPUT = 9 * 15


def five(**changes: Any) -> Behaviour:
    return Behaviour(output_tokens=5, **changes)


async def cut_call(simulator: Simulator, body: dict[str, Any], behaviour: Behaviour) -> bytes:
    request = request_bytes(json.dumps(body).encode(), behaviour.header())
    try:
        return await send_bytes(simulator, request)
    except ConnectionResetError:
        return b"reset"


async def test_a_cut_before_the_headers_leaves_nothing_to_read(simulator: Simulator) -> None:
    assert await cut_call(simulator, STREAM, five(cut=Cut(at="before_headers"))) == b""

    assert simulator.bills[0].outcome == "cut"
    assert simulator.total_microcents == INPUT


async def test_a_cut_inside_the_headers_leaves_half_of_them(simulator: Simulator) -> None:
    came = await cut_call(simulator, STREAM, five(cut=Cut(at="in_headers")))

    assert came == b"HTTP/1.1 200 OK\r\ncontent-type: app"
    assert simulator.total_microcents == INPUT


@pytest.mark.parametrize("at", ["before_headers", "in_headers", "in_event"])
async def test_a_json_answer_is_paid_for_however_little_of_it_arrives(
    simulator: Simulator, at: Literal["before_headers", "in_headers", "in_event"]
) -> None:
    await cut_call(simulator, HELLO, five(cut=Cut(at=at)))

    assert simulator.bills[0].outcome == "cut"
    assert simulator.total_microcents == INPUT + 5 * 60


async def test_half_a_json_answer_is_not_json(simulator: Simulator) -> None:
    came = await cut_call(simulator, HELLO, five(cut=Cut(at="in_event")))

    answer = read_answer(came)
    assert len(answer.body) == int(answer.headers["content-length"]) // 2
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("after", range(9))
async def test_a_stream_cut_after_some_events_is_billed_for_their_tokens(
    simulator: Simulator, after: int
) -> None:
    """Role, five words, the end, [DONE]: eight events. A ninth never comes, nor its cut."""
    came = await cut_call(
        simulator, STREAM, five(cut=Cut(at="event", after=after), wire=Wire(framing="close"))
    )

    assert came.partition(b"\r\n\r\n")[2].count(b"data: ") == min(after, 8)
    assert simulator.bills[0].outcome == ("cut" if after <= 8 else "completed")
    assert simulator.total_microcents == INPUT + 60 * min(max(after - 1, 0), 5)


async def test_a_token_of_which_half_arrived_was_generated(simulator: Simulator) -> None:
    came = await cut_call(simulator, STREAM, five(cut=Cut(at="in_event", after=2)))

    body = read_answer(came).body
    assert body.count(b"\n\n") == 2
    assert body.count(b"data: ") == 3
    assert simulator.total_microcents == INPUT + 2 * 60


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["json", "stream"])
async def test_a_body_can_be_cut_at_any_byte(simulator: Simulator, body: dict[str, Any]) -> None:
    whole = (await call(simulator, body, five(wire=Wire(framing="close")))).body
    for count in (0, 1, 20, len(whole) - 1, len(whole), len(whole) + 1):
        simulator.reset()
        came = await cut_call(
            simulator,
            body,
            five(cut=Cut(at="byte", after=count), wire=Wire(framing="close")),
        )
        assert came.partition(b"\r\n\r\n")[2] == whole[:count]
        assert simulator.bills[0].outcome == ("cut" if count <= len(whole) else "completed")


async def test_bytes_are_counted_across_small_writes(simulator: Simulator) -> None:
    wire = Wire(framing="close", write_bytes=(7,))
    came = await cut_call(simulator, STREAM, five(cut=Cut(at="byte", after=100), wire=wire))

    assert len(came.partition(b"\r\n\r\n")[2]) == 100


async def test_all_can_arrive_but_the_end(simulator: Simulator) -> None:
    came = await cut_call(simulator, STREAM, five(cut=Cut(at="end")))

    assert came.endswith(b"data: [DONE]\n\n\r\n")
    assert simulator.bills[0].outcome == "cut"


async def test_a_cut_can_be_a_reset(simulator: Simulator) -> None:
    assert await cut_call(simulator, STREAM, five(cut=Cut(at="event", by="reset"))) == b"reset"


async def test_a_hang_ends_when_its_gate_is_opened(simulator: Simulator) -> None:
    behaviour = five(hang=Hang(at="event", after=3, gate="go"))
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(call(simulator, STREAM, behaviour))
        await simulator.until(lambda: simulator.total_microcents == INPUT + 2 * 60)
        assert simulator.bills[0].outcome == "running"
        assert not answer.done()
        simulator.open_gate("go")

    assert answer.result().events()[-1] == "[DONE]"
    assert simulator.total_microcents == INPUT + 5 * 60


@pytest.mark.parametrize(
    ("body", "at", "microcents"),
    [
        (STREAM, "before_headers", INPUT),
        (STREAM, "event", INPUT),
        (HELLO, "before_headers", INPUT + 5 * 60),
        (STREAM, "end", INPUT + 5 * 60),
    ],
)
async def test_a_hang_ends_when_the_client_leaves(
    simulator: Simulator,
    body: dict[str, Any],
    at: Literal["before_headers", "event", "end"],
    microcents: int,
) -> None:
    request = request_bytes(json.dumps(body).encode(), five(hang=Hang(at=at)).header())
    async with connection(simulator) as (_, writer):
        writer.write(request)
        await simulator.until(lambda: simulator.total_microcents == microcents)
        assert simulator.in_flight == 1

    await simulator.until(lambda: simulator.in_flight == 0)
    assert simulator.bills[0].outcome == "aborted"
    assert simulator.total_microcents == microcents


async def test_a_client_that_leaves_is_billed_for_what_was_generated_by_then() -> None:
    """The upstream is at its third word when the connection closes, and has counted it."""
    rests = 0

    async def rest(seconds: float) -> None:
        nonlocal rests
        rests += 1
        if rests == 4:
            await asyncio.Event().wait()

    slow = Behaviour(output_tokens=50, wire=Wire(pace_ms=1))
    async with Simulator(sleep=rest, behaviour=slow) as simulator:
        async with connection(simulator) as (_, writer):
            writer.write(request_bytes(json.dumps(STREAM).encode()))
            await simulator.until(lambda: simulator.total_microcents == INPUT + 3 * 60)
        await simulator.until(lambda: simulator.in_flight == 0)

        assert simulator.bills[0].outcome == "aborted"
        assert simulator.total_microcents == INPUT + 3 * 60


async def test_a_client_that_leaves_while_waiting_for_its_turn_owes_nothing(
    simulator: Simulator,
) -> None:
    request = request_bytes(json.dumps(HELLO).encode(), five(gate="never").header())
    async with connection(simulator) as (_, writer):
        writer.write(request)
        await simulator.until(lambda: simulator.in_flight == 1)

    await simulator.until(lambda: simulator.in_flight == 0)
    assert (simulator.bills[0].outcome, simulator.total_microcents) == ("aborted", 0)


@pytest.mark.parametrize("body", [HELLO, STREAM], ids=["json", "stream"])
async def test_hidden_tokens_come_before_the_first_visible_one(
    simulator: Simulator, body: dict[str, Any]
) -> None:
    thinking = {"model": "gpt-5-mini"} | {k: v for k, v in body.items() if k != "model"}
    behaviour = Behaviour(reasoning_tokens=100, output_tokens=0, cut=Cut(at="before_headers"))
    await cut_call(simulator, thinking, behaviour)

    assert simulator.bills[0].output.reasoning_tokens == 100
    assert simulator.total_microcents == 9 * 25 + 100 * 200


@pytest.mark.parametrize(
    ("billed", "microcents"),
    [("as_generated", INPUT + 60), ("nothing", 0), ("in_full", INPUT + 5 * 60)],
)
async def test_a_provider_may_bill_a_broken_call_otherwise(
    simulator: Simulator,
    billed: Literal["as_generated", "nothing", "in_full"],
    microcents: int,
) -> None:
    await cut_call(simulator, STREAM, five(cut=Cut(at="event", after=2), billed=billed))

    assert simulator.total_microcents == microcents


@pytest.mark.parametrize("billed", ["as_generated", "nothing", "in_full"])
async def test_a_complete_call_is_billed_whatever_was_said_of_broken_ones(
    simulator: Simulator, billed: Literal["as_generated", "nothing", "in_full"]
) -> None:
    await call(simulator, STREAM, five(billed=billed))

    assert simulator.bills[0].outcome == "completed"
    assert simulator.total_microcents == INPUT + 5 * 60


async def test_a_refusal_can_have_cost_the_whole_call(simulator: Simulator) -> None:
    answer = await call(simulator, HELLO, five(refusal=Refusal(status=408), billed="in_full"))

    assert answer.status == 408
    assert simulator.bills[0].outcome == "refused"
    assert simulator.total_microcents == INPUT + 5 * 60


@pytest.mark.parametrize(
    ("kind", "content_type", "body"),
    [("html", "text/html", b"<html>"), ("empty", "text/html", b"")],
)
async def test_a_refusal_need_not_be_json(
    simulator: Simulator, kind: Literal["html", "empty"], content_type: str, body: bytes
) -> None:
    answer = await call(simulator, HELLO, five(refusal=Refusal(status=502, body=kind)))

    assert answer.status == 502
    assert answer.headers["content-type"] == content_type
    assert answer.body[:6] == body
    assert answer.headers["content-length"] == str(len(answer.body))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_names_where_to_go(simulator: Simulator, status: int) -> None:
    away = Refusal(status=status, location="http://192.0.2.1/v1", body="empty")
    answer = await call(simulator, HELLO, five(refusal=away))

    assert (answer.status, answer.headers["location"]) == (status, "http://192.0.2.1/v1")
    assert simulator.total_microcents == 0


async def test_an_upstream_that_stops_ends_its_calls(simulator: Simulator) -> None:
    hanging = five(hang=Hang(at="before_headers"))
    async with connection(simulator) as (reader, writer):
        writer.write(request_bytes(json.dumps(STREAM).encode(), hanging.header()))
        await simulator.until(lambda: simulator.total_microcents == INPUT)
        await simulator.stop()
        assert await reader.read() == b""

    assert [line.outcome for line in simulator.bills] == ["aborted"]
