"""Keys of upstreams from files and commands, through a whole proxy: replaced while it runs."""

import json
import sys
from pathlib import Path

import pytest

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Refusal
from simulator.server import Simulator
from tests.e2e.stack import running
from tests.e2e.upstreams.calls import call
from tests.e2e.wire import CHAT

SECRET = "sk-mark-9f2c41d07be3"
OTHER = "sk-mark-next-5d1e88c2"


def upstream(simulator: Simulator, **key: object) -> list[dict[str, object]]:
    return [{"name": "a", "base_url": simulator.base_url, **key}]


async def bearers(simulator: Simulator) -> list[str]:
    return [seen.headers["authorization"] for seen in simulator.requests_seen]


async def test_a_key_in_a_file_is_replaced_while_calls_go_on(
    tmp_path: Path, simulator: Simulator
) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    upstreams = upstream(simulator, api_key_file=str(file))
    async with running(tmp_path, simulator, upstreams=upstreams) as stack:
        assert (await call(stack, CHAT, model="gpt-4o")).status == 200
        replaced = tmp_path / "key.new"
        replaced.write_text(OTHER)
        replaced.rename(file)
        assert (await call(stack, CHAT, model="gpt-4o")).status == 200

    assert await bearers(simulator) == [f"Bearer {SECRET}", f"Bearer {OTHER}"]


async def test_a_command_is_asked_anew_when_its_word_is_refused(tmp_path: Path) -> None:
    """The refused call is answered as it was; the next one has the new key."""
    count = tmp_path / "runs"
    script = f"""
with open({str(count)!r}, "a") as file:
    file.write("x")
    print({SECRET!r} if file.tell() == 1 else {OTHER!r})
"""
    command = [sys.executable, "-S", "-c", script]
    async with Simulator(key=OTHER) as simulator:
        upstreams = upstream(simulator, api_key_command=command)
        async with running(tmp_path, simulator, upstreams=upstreams) as stack:
            statuses = [(await call(stack, CHAT, model="gpt-4o")).status for _ in range(3)]

        assert statuses == [401, 200, 200]
        assert await bearers(simulator) == [f"Bearer {SECRET}", *[f"Bearer {OTHER}"] * 2]
        assert count.read_text() == "xx"


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ({"api_key_command": ["/bin/sh", "-c", f"echo {SECRET}; exit 7"]}, "status 7"),
        ({"api_key_command": ["/no/such/program"]}, "cannot be run"),
        ({"api_key_file": "/no/such/file"}, "No such file"),
    ],
)
async def test_without_a_key_nothing_leaves_and_the_hold_goes_back(
    tmp_path: Path, simulator: Simulator, key: dict[str, object], said: str
) -> None:
    async with running(tmp_path, simulator, upstreams=upstream(simulator, **key)) as stack:
        answer = await call(stack, CHAT, model="gpt-4o")

        assert (answer.status, answer.error()["code"]) == (503, "upstream_not_configured")
        assert said in answer.error()["message"]
        assert [row.state for row in await stack.rows()] == [State.RELEASED]
        assert simulator.requests_seen == []
        written = answer.body + json.dumps(stack.log.lines).encode()
        assert SECRET.encode() not in written


@pytest.mark.parametrize("source", ["api_key_file", "api_key_command"])
async def test_an_upstream_that_repeats_a_key_does_not_give_it_away(
    tmp_path: Path, simulator: Simulator, source: str
) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    key = str(file) if source == "api_key_file" else ["/bin/cat", str(file)]
    simulator.behave(Behaviour(refusal=Refusal(status=400, code=f"no {SECRET}")))
    async with running(
        tmp_path, simulator, upstreams=upstream(simulator, **{source: key})
    ) as stack:
        answer = await call(stack, CHAT, model="gpt-4o")

    assert answer.status == 400
    assert SECRET.encode() not in answer.body
    assert b"[the proxy's credential]" in answer.body
    assert await bearers(simulator) == [f"Bearer {SECRET}"]
