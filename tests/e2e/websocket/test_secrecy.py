"""What is said on a socket is written down nowhere."""

import asyncio
import logging
from pathlib import Path

import pytest

from simulator.behaviour import Behaviour, Cut, Hang
from simulator.server import Simulator
from tests.e2e.test_secrecy import ANSWER, PROMPT, THEIR_SECRET, UPSTREAM_SECRET, Watched
from tests.e2e.websocket.sockets import ASK, WARM_UP, opened, serving_sockets, text_of

SAID = ASK | {"input": f"{PROMPT} and more", "instructions": f"{PROMPT}"}


async def test_no_frame_and_no_secret_leaves_a_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asyncio.get_running_loop().set_debug(False)
    async with (
        Simulator(key=UPSTREAM_SECRET) as simulator,
        serving_sockets(tmp_path, simulator, upstream={"api_key": UPSTREAM_SECRET}) as stack,
    ):
        watched = Watched(stack, tmp_path)
        simulator.behave(Behaviour(content=f"{ANSWER} {ANSWER}", output_tokens=30))
        bearer = {"authorization": f"Bearer {THEIR_SECRET}"}
        async with opened(stack, **bearer) as caller:
            assert ANSWER in text_of(await caller.ask(SAID))
            await caller.ask(WARM_UP | {"instructions": PROMPT})
            (refused,) = await caller.ask(SAID | {"model": "nobody-priced-this"})
            (malformed,) = await caller.ask(f'{{"type": "response.create", "input": "{PROMPT}')
            watched.own_answers += [repr(refused).encode(), repr(malformed).encode()]
            simulator.script(Behaviour(cut=Cut(at="event", after=6)))
            await caller.send(SAID)
            assert await caller.closed() == 1011
        async with opened(stack, **bearer) as caller:
            simulator.script(Behaviour(hang=Hang(at="event", after=6)))
            await caller.send(SAID)
            await caller.event()
            caller.vanish()
            await simulator.until(lambda: simulator.in_flight == 0)
        await stack.log.until("call", 8)
        await watched.assert_nothing_leaked()
        ours = [each for each in caplog.records if not each.name.startswith("websockets")]
        assert not any(mark in each.getMessage() for each in ours for mark in (PROMPT, ANSWER))
        assert not any(seen.carries(THEIR_SECRET) for seen in simulator.requests_seen)
