"""The simulator as an instrument: who decides how it answers, and what it remembers."""

import asyncio
import json
import os
import signal
import sys
from hashlib import sha256

import pytest

from simulator import Behaviour, ChatRequest, Cut, Refusal, Simulator, Wire, run
from simulator.behaviour import read_behaviour
from tests.simulator.calls import HELLO, RawAnswer, call


def content(answer: RawAnswer) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


async def test_a_header_comes_before_the_script_and_the_script_before_the_rest(
    simulator: Simulator,
) -> None:
    simulator.behave(Behaviour(content="always"))
    simulator.script(Behaviour(content="first"), Behaviour(content="second"))

    said = [
        content(await call(simulator, HELLO, Behaviour(content="header"))),
        content(await call(simulator, HELLO)),
        content(await call(simulator, HELLO)),
        content(await call(simulator, HELLO)),
    ]

    assert said == ["header", "first", "second", "always"]


async def test_a_behaviour_can_be_chosen_for_each_request() -> None:
    def choose(request: ChatRequest) -> Behaviour:
        return Behaviour(content=request.model.name)

    async with Simulator(behaviour=choose) as simulator:
        assert content(await call(simulator, HELLO | {"model": "o3"})) == "o3"


def test_a_behaviour_survives_its_header() -> None:
    behaviour = Behaviour(
        output_tokens=5,
        cut=Cut(at="in_event", after=3, by="reset"),
        refusal=Refusal(status=429),
        wire=Wire(write_bytes=(1, 7), line_end="\r\n"),
    )

    assert read_behaviour(behaviour.header()["x-simulate"]) == behaviour
    assert Behaviour().header() == {"x-simulate": "{}"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        '{"output_token": 5}',
        '{"output_tokens": "5"}',
        '{"output_tokens": -5}',
        '{"tokens_per_event": 0}',
        '{"wire": {"write_bytes": [0]}}',
        '{"wire": {"pace_ms": -1}}',
        '{"refusal": {"status": 200}}',
        '{"cut": {"at": "somewhere"}}',
        '{"model": "gpt-9"}',
        '{"service_tier": "flex"}',
    ],
)
async def test_a_behaviour_that_makes_no_sense_is_refused(simulator: Simulator, text: str) -> None:
    answer = await call(simulator, HELLO, headers={"x-simulate": text})

    assert answer.status == 400
    assert answer.json()["error"]["param"] == "x-simulate"
    assert simulator.total_microcents == 0


async def test_nobody_is_answered_before_all_have_arrived(simulator: Simulator) -> None:
    simulator.behave(Behaviour(barrier=5))
    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(call(simulator, HELLO)) for _ in range(4)]
        await simulator.until(lambda: simulator.in_flight == 4)
        assert not any(each.done() for each in calls)
        calls.append(tasks.create_task(call(simulator, HELLO)))

    assert [each.result().status for each in calls] == [200] * 5
    assert simulator.max_in_flight == 5
    assert simulator.in_flight == 0


async def test_a_gate_holds_calls_back_until_it_is_opened(simulator: Simulator) -> None:
    async with asyncio.TaskGroup() as tasks:
        held = tasks.create_task(call(simulator, HELLO, Behaviour(gate="go")))
        await simulator.until(lambda: simulator.in_flight == 1)
        assert simulator.total_microcents == 0
        answer = await call(simulator, b"", path="/simulator/gates/go")

    assert answer.status == 200
    assert held.result().status == 200


async def test_requests_are_remembered_with_their_headers_but_not_their_body(
    simulator: Simulator,
) -> None:
    body = json.dumps(HELLO).encode()
    await call(simulator, body, headers={"x-who": "me"})
    await call(simulator, b"", method="GET", path="/v1/models?page=2")

    first, second = simulator.requests_seen
    assert (first.number, first.method, first.path) == (1, "POST", "/v1/chat/completions")
    assert first.headers["X-Who"] == "me"
    assert first.body_bytes == len(body)
    assert first.body_sha256 == sha256(body).hexdigest()
    assert first.body is None
    assert (second.number, second.method, second.path) == (2, "GET", "/v1/models?page=2")
    assert "hello" not in repr(simulator.requests_seen)


async def test_bodies_are_kept_when_a_test_wants_them() -> None:
    async with Simulator(keep_bodies=True) as simulator:
        await call(simulator, HELLO)

    assert json.loads(simulator.requests_seen[0].body or b"") == HELLO


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({"authorization": "Bearer cyc_live_1"}, "/v1/chat/completions"),
        ({"x-cyc_live_1": "yes"}, "/v1/chat/completions"),
        ({}, "/v1/chat/completions?key=cyc_live_1"),
    ],
)
async def test_a_credential_that_leaked_is_found(
    simulator: Simulator, headers: dict[str, str], path: str
) -> None:
    await call(simulator, HELLO, headers=headers, path=path)

    assert simulator.requests_seen[0].carries("cyc_")
    assert not simulator.requests_seen[0].carries("sk-")


async def test_a_reset_forgets_everything(simulator: Simulator) -> None:
    simulator.script(Behaviour(content="first"), Behaviour(content="never"))
    before = await call(simulator, HELLO)
    simulator.open_gate("go")

    await call(simulator, b"", path="/simulator/reset")

    assert (simulator.bills, simulator.requests_seen) == ([], [])
    assert (simulator.total_microcents, simulator.max_in_flight) == (0, 0)
    after = await call(simulator, HELLO)
    assert content(after) not in ("first", "never")
    assert after.headers["x-request-id"] == before.headers["x-request-id"]


async def test_a_behaviour_can_be_set_from_outside(simulator: Simulator) -> None:
    good = await call(simulator, b'{"content": "told so"}', path="/simulator/behaviour")
    said = content(await call(simulator, HELLO))
    bad = await call(simulator, b'{"contents": 1}', path="/simulator/behaviour")

    assert (good.status, said, bad.status) == (200, "told so", 400)
    assert content(await call(simulator, HELLO)) == "told so"


async def test_two_upstreams_with_one_seed_say_the_same() -> None:
    answers = []
    for seed in (1, 1, 2):
        async with Simulator(seed=seed) as simulator:
            answers.append((await call(simulator, HELLO)).body)

    assert answers[0] == answers[1] != answers[2]


async def test_an_upstream_that_is_not_running_has_no_address() -> None:
    simulator = Simulator()
    await simulator.stop()

    with pytest.raises(RuntimeError):
        simulator.base_url  # noqa: B018 - reading it is what fails


async def test_it_runs_until_cancelled() -> None:
    announced: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        serving = tasks.create_task(run(port=0, announce=announced.set_result))
        assert (await announced).startswith("http://127.0.0.1:")
        serving.cancel()

    assert serving.cancelled()


async def test_it_runs_alone() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "simulator", "--port", "0", "--behaviour", '{"output_tokens": 3}'),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    process.send_signal(signal.SIGTERM)

    assert line.startswith("the simulated upstream answers at http://127.0.0.1:")
    assert await process.wait() == 0


@pytest.mark.parametrize("options", [("--port", "none"), ("--behaviour", "{")])
async def test_misuse_ends_with_two(options: tuple[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", *options),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"COLUMNS": "200"},
    )
    _, complaint = await process.communicate()

    assert process.returncode == 2
    assert options[0].encode() in complaint
