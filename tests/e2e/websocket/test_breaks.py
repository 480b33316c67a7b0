"""Responses that end too early, at any point, by whichever side: nothing is free."""

import asyncio
from pathlib import Path

import pytest

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Hang
from simulator.server import Simulator
from tests.e2e.stack import Stack, held, paid
from tests.e2e.websocket.sockets import ASK, WARM_UP, Caller, opened, serving_sockets, text_of
from tests.e2e.wire import PATIENCE_S

TOKENS = 6
LONG = Behaviour(output_tokens=TOKENS)
EVENTS = TOKENS + 8
"""How many frames such a response has."""


async def idle(stack: Stack) -> None:
    """Until the upstream and the proxy have nothing under way."""
    async with asyncio.timeout(PATIENCE_S):
        await stack.simulator.until(lambda: stack.simulator.in_flight == 0)
    frames = sum(seen.method == "FRAME" for seen in stack.simulator.requests_seen)
    await stack.log.until("call", 1 + frames)


@pytest.mark.parametrize("by", ["close", "reset"])
@pytest.mark.parametrize("after", range(EVENTS))
async def test_an_upstream_that_breaks_off_is_paid_for_what_it_delivered(
    stack: Stack, after: int, by: str
) -> None:
    cut = Cut(at="event", after=after, by=by)  # type: ignore[arg-type]
    stack.simulator.script(Behaviour(output_tokens=TOKENS, cut=cut))
    async with opened(stack) as caller:
        await caller.send(ASK)
        if after:
            assert await caller.closed() == 1011
        else:
            assert (await caller.event())["status"] == 502
            # The socket stays, and the next frame opens another one to the upstream.
            assert (await caller.ask(ASK))[-1]["type"] == "response.completed"
        await idle(stack)
    row, *_ = await stack.rows()
    if not after:
        assert row.state is State.UNCERTAIN
    else:
        assert (row.state, row.estimated) == (State.COMMITTED, True)
        assert held(row) >= paid(row) >= stack.simulator.bills[0].amount_microcents


@pytest.mark.parametrize("goes", ["away", "politely"])
@pytest.mark.parametrize("after", range(1, EVENTS))
async def test_who_leaves_in_the_middle_stops_the_upstream_and_pays(
    stack: Stack, after: int, goes: str
) -> None:
    hang = Hang(at="event", after=after)
    stack.simulator.behave(Behaviour(output_tokens=TOKENS, hang=hang))
    async with opened(stack) as caller:
        await caller.send(ASK)
        for _ in range(after):
            await caller.event()
        if goes == "away":
            caller.vanish()
        else:
            await caller.connection.close()
        await idle(stack)
    row, (line,) = await stack.row(), stack.simulator.bills
    assert line.outcome == "cut"  # it was told to stop, not only hung up on
    assert row.state is State.COMMITTED
    assert held(row) >= paid(row) >= line.amount_microcents


async def test_who_leaves_before_the_first_event_leaves_an_uncertain_hold(stack: Stack) -> None:
    stack.simulator.behave(Behaviour(gate="never"))
    async with opened(stack) as caller:
        await caller.send(ASK)
        await stack.simulator.until(lambda: stack.simulator.in_flight == 1)
        caller.vanish()
        await idle(stack)
    assert (await stack.row()).state is State.UNCERTAIN


async def test_who_leaves_may_have_the_response_read_to_its_end(
    tmp_path: Path, simulator: Simulator
) -> None:
    settle = {"on_disconnect": "drain", "drain_ms": 5_000}
    simulator.behave(Behaviour(output_tokens=TOKENS, hang=Hang(at="event", after=5, gate="go")))
    async with serving_sockets(tmp_path, simulator, settle=settle) as stack:
        async with opened(stack) as caller:
            await caller.send(ASK)
            for _ in range(5):
                await caller.event()
            caller.vanish()
        simulator.open_gate("go")
        await idle(stack)
        row, (line,) = await stack.row(), simulator.bills
        assert (line.outcome, row.estimated) == ("completed", False)
        assert paid(row) == line.amount_microcents


async def test_a_caller_may_cancel_and_goes_on_with_the_same_socket(
    stack: Stack, caller: Caller
) -> None:
    hang = Hang(at="event", after=7)
    stack.simulator.script(Behaviour(output_tokens=TOKENS, hang=hang), LONG)
    await caller.send(ASK)
    for _ in range(7):
        await caller.event()
    await caller.send({"type": "response.cancel"})
    *_, ended = await caller.rest()
    assert ended["response"]["incomplete_details"] == {"reason": "interrupted"}
    assert len(text_of(await caller.ask(ASK | {"store": False}))) > 0
    cancelled, whole = await stack.rows()
    first, second = stack.simulator.bills
    assert (paid(cancelled), cancelled.estimated) == (first.amount_microcents, False)
    assert (paid(whole), whole.estimated) == (second.amount_microcents, False)
    assert sum(seen.method == "GET" for seen in stack.simulator.requests_seen) == 1


async def test_nothing_is_cancelled_where_nothing_runs(stack: Stack, caller: Caller) -> None:
    await caller.send({"type": "response.cancel"})
    *_, last = await caller.ask(ASK)
    await caller.send({"type": "response.processed", "response_id": last["response"]["id"]})
    await caller.send({"type": "response.cancel"})
    *_, last = await caller.ask(WARM_UP)
    assert last["type"] == "response.completed"
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)


async def test_an_upstream_that_closes_while_nothing_runs_closes_the_caller(
    tmp_path: Path,
) -> None:
    """What the caller could go on from is lost with the upstream's socket."""
    async with (
        Simulator() as simulator,
        serving_sockets(tmp_path, simulator) as stack,
        opened(stack) as caller,
    ):
        await caller.ask(ASK)
        await simulator.stop()
        assert await caller.closed() in (1001, 1011)


async def test_a_slow_caller_gets_every_event(stack: Stack) -> None:
    """What waits for it is bounded; the upstream waits too."""
    stack.simulator.behave(Behaviour(output_tokens=3_000, content="word " * 3_000))
    async with opened(stack) as caller:
        await caller.send(ASK)
        await stack.simulator.until(lambda: stack.simulator.in_flight == 1)
        await asyncio.sleep(0)
        events = await caller.rest()
    assert len(text_of(events)) == len("word " * 3_000)
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)
