"""Callers who leave, at every point of a call, and callers who are slow.

The upstream is a witness that runs in this process: it sees when its connection is closed,
and its bill says what was generated until then.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Hang
from simulator.server import Simulator
from tests.e2e.stack import Stack, charged, held, paid, running
from tests.e2e.wire import (
    PATIENCE_S,
    Connection,
    connected,
    encode,
    exchange,
    read_answer,
    request_bytes,
)

CLOSED_WITHIN_S = 1.0
"""Field-report 37: an upstream must not go on generating for nobody."""

BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Say something."}],
}
STREAM = BODY | {"stream": True}
WITH_USAGE = {"stream_options": {"include_usage": True}}
HIDDEN = {
    "model": "gpt-5-mini",
    "max_completion_tokens": 200,
    "messages": BODY["messages"],
    "stream": True,
}

ABORT: dict[str, object] = {"on_disconnect": "abort", "drain_ms": 60_000}
DRAIN: dict[str, object] = {"on_disconnect": "drain", "drain_ms": 60_000}
ABORT_SOON = ABORT | {"drain_ms": 200}
DRAIN_SHORTLY = DRAIN | {"drain_ms": 200}

# The events of a stream of five tokens: a role, five words, the reason why it ended, usage.
WORDS = 5
BEFORE_USAGE = 1 + WORDS + 1
AFTER_USAGE = BEFORE_USAGE + 1


@asynccontextmanager
async def calling(stack: Stack, body: dict[str, Any]) -> AsyncIterator[Connection]:
    """A call that has arrived at the upstream."""
    async with connected(stack.base_url) as connection:
        await connection.send(request_bytes(encode(body)))
        await stack.simulator.until(lambda: stack.simulator.in_flight == 1)
        yield connection


async def knock(stack: Stack) -> None:
    """A round trip through the proxy. What reached it before has been noticed when it is over."""
    came = await exchange(stack.base_url, request_bytes(method="GET", path="/healthz"))
    assert came.startswith(b"HTTP/1.1 200 ")


async def until_the_upstream_is_closed(
    simulator: Simulator, within_s: float = CLOSED_WITHIN_S
) -> None:
    async with asyncio.timeout(within_s):
        await simulator.until(lambda: simulator.in_flight == 0)


async def the_line(stack: Stack) -> dict[str, Any]:
    """The log line of the only call, once it is over."""
    (line,) = await stack.log.until("call")
    return line


async def assert_settled(stack: Stack, state: State, *, estimated: bool = False) -> None:
    """One hold, in that state, and never in favour of free."""
    row, bill = await stack.row(), stack.simulator.total_microcents
    balance = await stack.balance()
    assert (row.state, row.estimated) == (state, estimated)
    if state is State.UNCERTAIN:
        assert balance.reserved == balance.uncertain == held(row) >= bill
        assert paid(row) == 0
    else:
        assert balance.reserved == 0
        assert paid(row) >= bill if estimated else paid(row) == bill
    await stack.charged_and_uncovered()


@pytest.mark.parametrize("body", [STREAM, HIDDEN], ids=["visible", "hidden"])
async def test_abort_closes_an_upstream_that_has_not_answered_yet(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any]
) -> None:
    """Nobody knows what it did with the prompt."""
    simulator.behave(Behaviour(gate="never"))
    async with running(tmp_path, simulator, settle=ABORT) as stack:
        async with calling(stack, body) as connection:
            connection.hang_up()
            await until_the_upstream_is_closed(simulator)

        line = await the_line(stack)
        assert (line["outcome"], line["client_left"]) == ("no_status", True)
        await assert_settled(stack, State.UNCERTAIN)


@pytest.mark.parametrize(
    ("body", "settle"),
    [(BODY, ABORT_SOON), (BODY, DRAIN_SHORTLY), (STREAM, DRAIN_SHORTLY)],
    ids=["json abort", "json drain", "stream drain"],
)
async def test_an_upstream_that_does_not_answer_is_given_up_after_a_while(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any], settle: dict[str, object]
) -> None:
    simulator.behave(Behaviour(hang=Hang(at="before_headers")))
    async with running(tmp_path, simulator, settle=settle) as stack:
        async with calling(stack, body) as connection:
            connection.hang_up()
            await until_the_upstream_is_closed(simulator, PATIENCE_S)

        assert (await the_line(stack))["outcome"] == "no_status"
        await assert_settled(stack, State.UNCERTAIN)


@pytest.mark.parametrize(
    ("body", "settle"),
    [(BODY, ABORT), (BODY, DRAIN), (STREAM, DRAIN), (HIDDEN, DRAIN)],
    ids=["json abort", "json drain", "stream drain", "hidden drain"],
)
async def test_an_answer_to_nobody_is_read_to_its_end_and_charged_by_its_usage(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any], settle: dict[str, object]
) -> None:
    """Field-report 13, 33: an abandoned JSON call costs as much as one that is heard."""
    simulator.behave(Behaviour(gate="later"))
    async with running(tmp_path, simulator, settle=settle) as stack:
        async with calling(stack, body) as connection:
            connection.hang_up()
            await knock(stack)
            simulator.open_gate("later")
            line = await the_line(stack)

        assert (line["outcome"], line["client_left"]) == ("complete", True)
        assert simulator.bills[0].outcome == "completed"
        await assert_settled(stack, State.COMMITTED)


async def test_a_json_answer_that_stops_while_nobody_hears_it_is_uncertain(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(hang=Hang(at="event", after=0)))
    async with running(tmp_path, simulator, settle=ABORT_SOON) as stack:
        async with calling(stack, BODY) as connection:
            await simulator.until(lambda: simulator.total_microcents > 0)
            connection.hang_up()
            await until_the_upstream_is_closed(simulator, PATIENCE_S)

        assert (await the_line(stack))["client_left"] is True
        await assert_settled(stack, State.UNCERTAIN)


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """A caller that leaves after so many events. `goes_on`: the upstream then does."""

    body: dict[str, Any]
    settle: dict[str, object]
    events: int
    state: State
    estimated: bool = False
    goes_on: bool = False


LEAVINGS = {
    "abort, in the middle": Leaving(
        body=STREAM, settle=ABORT, events=3, state=State.COMMITTED, estimated=True
    ),
    "abort, in the middle, usage asked": Leaving(
        body=STREAM | WITH_USAGE, settle=ABORT, events=3, state=State.COMMITTED, estimated=True
    ),
    "abort, in the middle, hidden": Leaving(
        body=HIDDEN, settle=ABORT, events=3, state=State.UNCERTAIN
    ),
    "abort, before usage": Leaving(
        body=STREAM, settle=ABORT, events=BEFORE_USAGE, state=State.COMMITTED, estimated=True
    ),
    "abort, before usage, hidden": Leaving(
        body=HIDDEN, settle=ABORT, events=BEFORE_USAGE, state=State.COMMITTED, estimated=True
    ),
    "abort, after usage": Leaving(
        body=STREAM | WITH_USAGE, settle=ABORT, events=AFTER_USAGE, state=State.COMMITTED
    ),
    "drain, in the middle": Leaving(
        body=STREAM, settle=DRAIN, events=3, state=State.COMMITTED, goes_on=True
    ),
    "drain, in the middle, hidden": Leaving(
        body=HIDDEN, settle=DRAIN, events=3, state=State.COMMITTED, goes_on=True
    ),
    "drain, before usage": Leaving(
        body=STREAM, settle=DRAIN, events=BEFORE_USAGE, state=State.COMMITTED, goes_on=True
    ),
    "drain, too slow": Leaving(
        body=STREAM, settle=DRAIN_SHORTLY, events=3, state=State.COMMITTED, estimated=True
    ),
    "drain, too slow, hidden": Leaving(
        body=HIDDEN, settle=DRAIN_SHORTLY, events=3, state=State.UNCERTAIN
    ),
    "drain, too slow, after usage": Leaving(
        body=STREAM | WITH_USAGE, settle=DRAIN_SHORTLY, events=AFTER_USAGE, state=State.COMMITTED
    ),
}


@pytest.mark.parametrize("leaving", LEAVINGS.values(), ids=LEAVINGS)
async def test_a_caller_who_leaves_a_stream(
    tmp_path: Path, simulator: Simulator, leaving: Leaving
) -> None:
    """Field-report 34, 35: reading all and leaving before the usage is not free."""
    hang = Hang(at="event", after=leaving.events, gate="on")
    simulator.behave(Behaviour(output_tokens=WORDS, reasoning_tokens=0, hang=hang))
    async with running(tmp_path, simulator, settle=leaving.settle) as stack:
        async with calling(stack, leaving.body) as connection:
            await connection.read_until(b"\r\n\r\n")
            for _ in range(leaving.events):
                await connection.read_until(b"\n\n")
            connection.hang_up()
            if leaving.goes_on:
                await knock(stack)
                assert simulator.in_flight == 1
                simulator.open_gate("on")
            else:
                is_abort = leaving.settle is ABORT
                within_s = CLOSED_WITHIN_S if is_abort else PATIENCE_S
                await until_the_upstream_is_closed(simulator, within_s)
            line = await the_line(stack)

        assert line["client_left"] is True
        await assert_settled(stack, leaving.state, estimated=leaving.estimated)


async def test_a_stream_is_drained_up_to_so_many_dollars(
    tmp_path: Path, simulator: Simulator
) -> None:
    """Field-report 36: what is read for nobody has a price that is not passed by much."""
    simulator.behave(Behaviour(output_tokens=4_000, hang=Hang(at="event", after=3, gate="on")))
    async with running(tmp_path, simulator, settle=DRAIN | {"drain_usd": "$0.01"}) as stack:
        async with calling(stack, STREAM | {"max_tokens": 4_000}) as connection:
            await connection.read_until(b"\n\n")
            connection.hang_up()
            await knock(stack)
            simulator.open_gate("on")
            await simulator.until(lambda: simulator.in_flight == 0)
            line = await the_line(stack)

        row, (bill,) = await stack.row(), simulator.bills
        assert line["outcome"] == "broken"
        assert bill.outcome == "aborted"
        assert bill.output.text_tokens < 2_000
        assert (row.state, row.estimated) == (State.COMMITTED, True)
        assert 10_000 < charged(row) < 2 * 1_000_000
        assert (await stack.balance()).reserved == 0


async def generated_at_a_standstill(stack: Stack) -> int:
    """Tokens that the upstream had generated when it could not go on."""
    generated = -1
    async with asyncio.timeout(PATIENCE_S):
        while (now := stack.simulator.bills[0].output.text_tokens) != generated:
            generated = now
            for _ in range(50):
                await knock(stack)
    return generated


LONG = STREAM | {"max_tokens": 16_000, "logprobs": True, "top_logprobs": 20}
LONG_ANSWER = Behaviour(output_tokens=16_000, tokens_per_event=50)


async def test_a_caller_who_never_reads_stops_the_upstream_and_keeps_its_hold(
    tmp_path: Path, simulator: Simulator
) -> None:
    """Memory does not grow: the proxy reads no faster than its caller does."""
    simulator.behave(LONG_ANSWER)
    ledger = {"url": f"sqlite:///{tmp_path / 'ledger.db'}", "reservation_ttl_ms": 6_000}
    async with running(tmp_path, simulator, ledger=ledger) as stack:
        async with calling(stack, LONG) as connection:
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
            generated = await generated_at_a_standstill(stack)
            assert 0 < generated < 16_000

            first = await stack.row()
            async with asyncio.timeout(PATIENCE_S):
                while (kept := await stack.row()).expires_at_ms == first.expires_at_ms:
                    await knock(stack)
            assert kept.state is State.ACTIVE
            assert (await stack.balance()).reserved == held(kept)

            connection.hang_up()
            await until_the_upstream_is_closed(simulator)
            await the_line(stack)

        row = await stack.row()
        assert (row.state, row.estimated) == (State.COMMITTED, True)
        assert (await stack.balance()).reserved == 0
        await stack.charged_and_uncovered()


async def test_a_caller_who_reads_late_gets_everything(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(LONG_ANSWER)
    async with running(tmp_path, simulator) as stack:
        async with calling(stack, LONG) as connection:
            connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await generated_at_a_standstill(stack)
            connection.writer.transport.resume_reading()  # type: ignore[attr-defined]
            came = await connection.read_all()

        answer = read_answer(came)
        assert answer is not None
        assert answer.whole
        assert answer.body.endswith(b"data: [DONE]\n\n")
        await assert_settled(stack, State.COMMITTED)


async def test_a_caller_who_reads_late_gets_all_that_came_before_a_break(
    tmp_path: Path, simulator: Simulator
) -> None:
    """What waits for a slow caller when the upstream breaks off is not thrown away."""
    simulator.behave(
        Behaviour(output_tokens=16_000, tokens_per_event=50, cut=Cut(at="event", after=310))
    )
    async with connected(simulator.address) as direct:
        await direct.send(request_bytes(encode(LONG | WITH_USAGE)))
        expected = read_answer(await direct.read_all())
    simulator.reset()
    async with running(tmp_path, simulator) as stack, calling(stack, LONG) as connection:
        connection.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await generated_at_a_standstill(stack)
        connection.writer.transport.resume_reading()  # type: ignore[attr-defined]
        answer = read_answer(await connection.read_all())

    assert expected is not None
    assert answer is not None
    assert not answer.whole
    assert answer.body == expected.body


async def assert_nothing_happened(stack: Stack) -> None:
    assert stack.simulator.requests_seen == []
    assert await stack.rows() == ()
    assert (await stack.balance()).reserved == 0


@pytest.mark.parametrize("sent", [b"", b'{"model":'])
async def test_a_caller_who_never_sends_its_body_gets_a_408_and_holds_nothing(
    tmp_path: Path, simulator: Simulator, sent: bytes
) -> None:
    async with (
        running(tmp_path, simulator, limits={"body_timeout_ms": 100}) as stack,
        connected(stack.base_url) as connection,
    ):
        head = request_bytes(b"", "Content-Length: 100", length=False)
        await connection.send(head + sent)
        answer = read_answer(await connection.read_all())

        assert answer is not None
        assert answer.status == 408
        assert answer.error()["budget"]["reason"] == "request_timeout"
        await assert_nothing_happened(stack)


@pytest.mark.parametrize(
    "framing", ["Content-Length: 1000", "Transfer-Encoding: chunked"], ids=["length", "chunked"]
)
async def test_a_caller_who_leaves_in_the_middle_of_its_body_holds_nothing(
    stack: Stack, framing: str
) -> None:
    async with connected(stack.base_url) as connection:
        await connection.send(request_bytes(b"", framing, length=False) + b'5\r\n{"mod\r\n')
        await knock(stack)
        connection.hang_up()
        line = await the_line(stack)

    assert line["client_left"] is True
    assert line["decision"] == "DENY"
    await assert_nothing_happened(stack)
