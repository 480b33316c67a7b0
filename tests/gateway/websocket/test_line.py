"""One upstream's socket: a response at a time, and nothing on it that nobody pays for."""

import asyncio
from typing import Any

import pytest

from proxy.gateway.forward import BrokenOff, NoStatus, NotSent
from proxy.gateway.websocket.events import as_event
from proxy.gateway.websocket.line import CANCEL, HandshakeRefused
from tests.gateway.websocket.world import (
    COMPLETED,
    CREATED,
    DELTA,
    FakeClient,
    World,
    lived,
    rest,
)

ERROR = b'{"type":"error","error":{"code":"server_error"}}'
REFUSAL = b'{"type":"error","status":429,"error":{"code":"rate_limit_exceeded"}}'
ASIDE = b'{"type":"codex.rate_limits"}'


async def read_all(answer: Any) -> list[bytes]:
    events = []
    while event := await answer.read():
        events.append(event)
    return events


async def begun(world: World, *frames: bytes) -> Any:
    """An answer that has begun with these frames."""
    sending = asyncio.get_running_loop().create_task(world.send())
    await rest()
    world.client.socket.say(*frames)
    return await sending


def test_an_answer_is_the_events_of_its_response() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, CREATED, DELTA, COMPLETED)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/event-stream")
        assert await read_all(answer) == [as_event(each) for each in (CREATED, DELTA, COMPLETED)]
        answer.abort()
        assert world.client.socket.sent == [b"{}"]
        assert not world.client.socket.is_closed

    assert lived(test) == 0


def test_the_next_response_is_on_the_same_socket() -> None:
    async def test(world: World) -> None:
        for _ in range(2):
            await read_all(await begun(world, CREATED, COMPLETED))
        assert len(world.client.opened) == 1

    lived(test)


def test_a_refusal_in_place_of_a_response_is_an_answer_of_its_status() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, ASIDE, REFUSAL)
        assert (answer.status, await read_all(answer)) == (429, [REFUSAL])
        assert world.asides == [ASIDE]
        await read_all(await begun(world, CREATED, COMPLETED))
        assert len(world.client.opened) == 1

    lived(test)


def test_an_error_of_no_status_ends_the_response_and_its_socket() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, ERROR)
        assert (answer.status, await read_all(answer)) == (200, [as_event(ERROR)])
        assert world.client.socket.is_closed
        assert world.closed_with == []

    lived(test)


@pytest.mark.parametrize("behind", [(), (DELTA,)])
def test_after_an_error_in_the_middle_the_response_may_go_on_so_its_socket_is_closed(
    behind: tuple[bytes, ...],
) -> None:
    """It may be about a frame that was not understood, and say nothing of the response."""

    async def test(world: World) -> None:
        answer = await begun(world, CREATED, DELTA, REFUSAL, *behind)
        assert await read_all(answer) == [as_event(each) for each in (CREATED, DELTA, REFUSAL)]
        assert world.client.socket.is_closed
        await read_all(await begun(world, CREATED, COMPLETED))
        assert len(world.client.opened) == 2

    lived(test)


def test_what_belongs_to_no_response_stays_in_its_place() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, ASIDE, CREATED, ASIDE, COMPLETED)
        events = await read_all(answer)
        assert events == [as_event(each) for each in (ASIDE, CREATED, ASIDE, COMPLETED)]
        assert world.asides == []

    lived(test)


def test_what_comes_while_nothing_runs_goes_to_the_caller() -> None:
    async def test(world: World) -> None:
        await read_all(await begun(world, CREATED, COMPLETED))
        world.client.socket.say(ASIDE, REFUSAL)
        await rest()
        assert world.asides == [ASIDE, REFUSAL]

    lived(test)


@pytest.mark.parametrize("frame", [CREATED, DELTA, COMPLETED])
def test_a_response_that_nobody_has_paid_for_ends_the_socket(frame: bytes) -> None:
    async def test(world: World) -> None:
        await read_all(await begun(world, CREATED, COMPLETED))
        world.client.socket.say(frame)
        await rest()
        assert world.client.socket.is_closed
        assert world.asides == []

    lived(test)


def test_a_socket_that_is_lost_before_the_first_event_leaves_nobody_knowing() -> None:
    async def test(world: World) -> None:
        sending = asyncio.get_running_loop().create_task(world.send())
        await rest()
        world.client.socket.end(1011)
        with pytest.raises(NoStatus) as failure:
            await sending
        assert not failure.value.timed_out
        assert world.closed_with == []

    lived(test)


def test_a_frame_that_is_too_large_for_the_upstream_was_not_read_by_it() -> None:
    async def test(world: World) -> None:
        sending = asyncio.get_running_loop().create_task(world.send())
        await rest()
        world.client.socket.end(1009)
        answer = await sending
        (body,) = await read_all(answer)
        assert (answer.status, answer.headers) == (413, {"Content-Type": "application/json"})
        assert b'"code":"request_too_large"' in body
        await read_all(await begun(world, CREATED, COMPLETED))
        assert len(world.client.opened) == 2

    lived(test)


def test_a_frame_that_cannot_be_sent_leaves_nobody_knowing() -> None:
    async def test(world: World) -> None:
        await read_all(await begun(world, CREATED, COMPLETED))
        world.client.socket.breaks_on_send = True
        with pytest.raises(NoStatus):
            await world.send()

    lived(test)


def test_a_socket_that_is_lost_in_the_middle_breaks_the_answer_off_behind_what_came() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, CREATED, DELTA)
        world.client.socket.end()
        assert await answer.read() == as_event(CREATED)
        assert await answer.read() == as_event(DELTA)
        with pytest.raises(BrokenOff):
            await answer.read()

    lived(test)


def test_an_idle_socket_that_the_upstream_closes_says_with_what_code() -> None:
    async def test(world: World) -> None:
        await read_all(await begun(world, CREATED, COMPLETED))
        world.client.socket.end(1001)
        await rest()
        assert world.closed_with == [1001]
        await read_all(await begun(world, CREATED, COMPLETED))
        assert len(world.client.opened) == 2

    lived(test)


def test_who_waits_too_long_for_the_first_event_cancels_the_response() -> None:
    async def test(world: World) -> None:
        with pytest.raises(NoStatus) as failure:
            await world.send()
        assert failure.value.timed_out
        await world.upstream.close()
        assert world.client.socket.sent == [b"{}", CANCEL]

    assert lived(test) == pytest.approx(10.7)


def test_an_answer_that_falls_silent_is_broken_off_and_cancelled() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, CREATED)
        await answer.read()
        with pytest.raises(BrokenOff):
            await answer.read()
        await world.upstream.close()
        assert world.client.socket.sent[-1] == CANCEL

    assert lived(test) == pytest.approx(5.7)


def test_a_response_that_ends_when_it_is_cancelled_leaves_its_socket() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, CREATED, DELTA)
        answer.abort()
        await rest()
        assert world.client.socket.sent[-1] == CANCEL
        world.client.socket.say(DELTA, b'{"type":"response.incomplete","response":{}}')
        with pytest.raises(BrokenOff):
            await answer.read()
        await read_all(await begun(world, CREATED, COMPLETED))
        assert len(world.client.opened) == 1

    assert lived(test) == 0


@pytest.mark.parametrize("says", [(), (DELTA, DELTA), (REFUSAL,), (ERROR,)])
def test_one_that_does_not_loses_it_within_a_second(says: tuple[bytes, ...]) -> None:
    async def test(world: World) -> None:
        answer = await begun(world, CREATED)
        socket = world.client.socket
        answer.abort()
        socket.say(*says)
        await asyncio.sleep(0.8)
        assert socket.is_closed
        assert world.closed_with == []

    assert lived(test) == pytest.approx(0.8)


def test_the_next_frame_waits_until_the_last_response_was_cut() -> None:
    async def test(world: World) -> None:
        (await begun(world, CREATED)).abort()
        sending = asyncio.get_running_loop().create_task(world.send(b"next"))
        await asyncio.sleep(0.6)
        assert len(world.client.opened) == 1
        await asyncio.sleep(0.2)
        assert len(world.client.opened) == 2
        world.client.socket.say(CREATED, COMPLETED)
        await read_all(await sending)
        assert world.client.socket.sent == [b"next"]

    lived(test)


def test_so_many_frames_wait_and_then_the_upstream_does() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, CREATED, *[DELTA] * 1_000, COMPLETED)
        await rest()
        unread = world.client.socket._frames.qsize()
        assert unread > 700
        assert len(await read_all(answer)) == 1_002

    lived(test)


def test_an_answer_that_nobody_reads_any_more_does_not_hold_the_socket_up() -> None:
    async def test(world: World) -> None:
        answer = await begun(world, CREATED, *[DELTA] * 1_000)
        await rest()
        answer.abort()
        await rest()
        world.client.socket.say(COMPLETED)
        await read_all(await begun(world, CREATED, COMPLETED))
        assert len(world.client.opened) == 1

    lived(test)


def test_a_handshake_that_is_refused_is_an_answer_and_is_tried_again() -> None:
    async def test(world: World) -> None:
        answer = await world.send()
        assert (answer.status, await read_all(answer)) == (401, [b"no"])
        await read_all(await begun(world, CREATED, COMPLETED))

    lived(test, FakeClient(HandshakeRefused(401, {}, b"no")))


def test_an_upstream_that_is_not_there_was_sent_nothing() -> None:
    async def test(world: World) -> None:
        with pytest.raises(NotSent):
            await world.way.connect()

    lived(test, FakeClient(NotSent("gone")))


def test_an_upstream_that_has_moved_gets_a_socket_of_its_own() -> None:
    async def test(world: World) -> None:
        await read_all(await begun(world, CREATED, COMPLETED))
        before, elsewhere = world.client, FakeClient()
        world.client, world.way = elsewhere, world.to(elsewhere)
        await read_all(await begun(world, CREATED, COMPLETED))
        assert before.socket.is_closed
        assert len(elsewhere.opened) == 1
        assert world.closed_with == []

    lived(test)


def test_a_control_goes_to_the_socket_if_there_is_one() -> None:
    async def test(world: World) -> None:
        await world.upstream.control(b"nobody hears")
        answer = await begun(world, CREATED)
        await world.upstream.control(b"interrupt")
        assert world.client.socket.sent == [b"{}", b"interrupt"]
        world.client.socket.breaks_on_send = True
        await world.upstream.control(b"lost")
        world.client.socket.say(COMPLETED)
        await read_all(answer)

    lived(test)
