"""Prompts, answers and secrets reach nobody but the caller and the upstream.

Everything the proxy writes is searched for marks that were put into everything it reads.
"""

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.behaviour import Behaviour, Cut, Refusal, Report
from simulator.server import Simulator
from tests.e2e.sdk.asks import base64_of, png
from tests.e2e.stack import Stack, running
from tests.e2e.wire import RawAnswer, call, encode, exchange, read_answer, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "Pr0mptMark7f3a"
ANSWER = "Answ3rMark9c1d"
THEIR_SECRET = "sk-theirs-5e0b2a"
OUR_SECRET = "cyc_ours-81d4f7"
UPSTREAM_SECRET = "sk-upstream-c93e60"
MARKS = (PROMPT, ANSWER, THEIR_SECRET, OUR_SECRET, UPSTREAM_SECRET)


@dataclass
class Watched:
    """A proxy, and all that it ever wrote."""

    stack: Stack
    folder: Path
    own_answers: list[bytes] = field(default_factory=list)

    async def written(self) -> dict[str, bytes]:
        """Everything written so far, by where it stands."""
        metrics = await exchange(self.stack.admin_url, request_bytes(method="GET", path="/metrics"))
        found = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        assert any(name.endswith("-wal") for name in found)
        rows = await self.stack.rows()
        return found | {
            "the log": json.dumps(self.stack.log.lines).encode(),
            "the metrics": metrics,
            "the refusals": b"\n".join(self.own_answers),
            "the rows": repr(rows).encode(),
            "the journal": repr(await self.stack.journal()).encode(),
        }

    async def assert_nothing_leaked(self) -> None:
        encoded = [base64.b64encode(mark.encode())[:-4] for mark in MARKS]
        for where, text in (await self.written()).items():
            for mark in (*(mark.encode() for mark in MARKS), *encoded):
                assert mark not in text, f"{mark.decode()} in {where}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    folder = tmp_path_factory.mktemp("secrecy")
    key = {"name": "ci", "sha256": hashlib.sha256(OUR_SECRET.encode()).hexdigest()}
    async with Simulator(key=UPSTREAM_SECRET) as simulator:
        upstream = {
            "name": "simulated",
            "base_url": simulator.base_url,
            "api_key": UPSTREAM_SECRET,
        }
        budgets = [
            {"scope": "tenant:dev", "allocated": "$100.00", "period": "none"},
            {"scope": "tenant:dev/agent:poor", "allocated": "$0.00", "period": "none"},
        ]
        async with running(
            folder, simulator, upstreams=[upstream], keys=[key], budgets=budgets
        ) as stack:
            yield Watched(stack, folder)


TOOL = {
    "type": "function",
    "function": {
        "name": "save",
        "description": PROMPT,
        "parameters": {"properties": {PROMPT: {"type": "string", "enum": [PROMPT]}}},
    },
}
PICTURE = {"url": f"data:image/png;base64,{base64_of(png(9, 9) + PROMPT.encode())}"}
PLACES: dict[str, Any] = {
    "content": {"messages": [{"role": "user", "content": PROMPT}]},
    "system": {
        "messages": [
            {"role": "system", "content": PROMPT, "name": PROMPT},
            {"role": "user", "content": [{"type": "text", "text": PROMPT}]},
        ]
    },
    "picture": {
        "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": PICTURE}]}]
    },
    "tool": {"tools": [TOOL]},
    "schema": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "it", "schema": {"type": "object", "description": PROMPT}},
        }
    },
    "user": {"user": PROMPT, "metadata": {PROMPT: PROMPT}, "stop": [PROMPT]},
    "unknown field": {PROMPT: {PROMPT: [PROMPT]}},
    "wrong role": {"messages": [{"role": PROMPT, "content": PROMPT}]},
    "wrong message": {"messages": [PROMPT]},
    "wrong part": {"messages": [{"role": "user", "content": [{"type": PROMPT, PROMPT: 1}]}]},
    "wrong limit": {"max_tokens": PROMPT},
    "wrong count": {"n": PROMPT},
    "wrong options": {"stream_options": {"include_usage": PROMPT}},
    "wrong tools": {"tools": [PROMPT]},
    "wrong tool": {"tools": [{"type": PROMPT}]},
    "wrong choice": {"tools": [TOOL], "tool_choice": PROMPT},
    "wrong format": {"response_format": PROMPT},
    "wrong tier": {"service_tier": [PROMPT]},
}

BEHAVIOURS = {
    "answers": Behaviour(content=ANSWER),
    "says no usage": Behaviour(content=ANSWER, report=Report(place="nowhere")),
    "says false usage": Behaviour(content=ANSWER, report=Report(shape="negative")),
    "refuses": Behaviour(refusal=Refusal(status=400, code=ANSWER)),
    "fails": Behaviour(refusal=Refusal(status=500, code=ANSWER)),
    "breaks off": Behaviour(content=ANSWER, cut=Cut(at="in_event", after=1)),
    "breaks off at once": Behaviour(cut=Cut(at="before_headers")),
}

HEADERS = {
    "their secret": f"Authorization: Bearer {THEIR_SECRET}",
    "their other secret": f"x-api-key: {THEIR_SECRET}",
    "their secret for Azure": f"api-key: {THEIR_SECRET}",
    "our secret as Azure's": f"api-key: {OUR_SECRET}",
    "our secret": f"Authorization: Bearer {OUR_SECRET}",
    "an unknown secret of ours": f"Authorization: Bearer cyc_{THEIR_SECRET}",
    "a malformed secret": f"Authorization: Bearer {THEIR_SECRET}\0",
    "no budget": "X-Cycles-Agent: poor",
    "a foreign origin": f"Origin: https://{THEIR_SECRET}.example",
}


def remember_refusal(watched: Watched, answer: RawAnswer | None) -> None:
    """Keep what the proxy itself says; what the upstream says belongs to the caller."""
    if answer is not None and answer.headers.get("x-budget-decision") == "DENY":
        watched.own_answers.append(answer.body)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    place=st.sampled_from(sorted(PLACES)),
    behaviour=st.sampled_from(sorted(BEHAVIOURS)),
    header=st.sampled_from(sorted(HEADERS)),
    stream=st.booleans(),
    model=st.sampled_from(["gpt-4o", "gpt-5-mini", "gpt-99"]),
)
async def test_no_prompt_no_answer_and_no_secret_is_ever_written(
    watched: Watched, place: str, behaviour: str, header: str, stream: bool, model: str
) -> None:
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "hi"}],
        "max_completion_tokens": 200,
        "stream": stream,
    } | PLACES[place]
    if place == "wrong limit":
        del body["max_completion_tokens"]
    watched.stack.simulator.behave(BEHAVIOURS[behaviour])

    remember_refusal(watched, await call(watched.stack.base_url, body, HEADERS[header]))

    await watched.assert_nothing_leaked()


BROKEN = {
    "half": encode({"messages": PROMPT})[:-1],
    "words": PROMPT.encode(),
    "a key twice": f'{{"{PROMPT}":1,"{PROMPT}":2}}'.encode(),
    "invalid UTF-8": b'{"messages":"' + PROMPT.encode() + b'\xff"}',
    "a long number": f'{{"max_tokens":1e999,"x":"{PROMPT}"}}'.encode(),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
async def test_a_body_that_is_not_json_is_not_repeated(watched: Watched, data: bytes) -> None:
    answer = await call(watched.stack.base_url, data, HEADERS["our secret"])

    assert answer is not None
    assert answer.status == 400
    remember_refusal(watched, answer)
    await watched.assert_nothing_leaked()


@pytest.mark.parametrize(
    "path",
    [
        f"/v1/{PROMPT}",
        f"/s/{PROMPT}/v1/models",
        f"/v1/models?{PROMPT}",
        f"/openai/deployments/{PROMPT}/models?api-version={PROMPT}",
        f"/api/v1/{PROMPT}",
    ],
)
async def test_a_path_is_not_repeated(watched: Watched, path: str) -> None:
    data = request_bytes(method="GET", path=path)

    remember_refusal(watched, read_answer(await exchange(watched.stack.base_url, data)))

    await watched.assert_nothing_leaked()


async def test_each_secret_goes_where_it_belongs(watched: Watched) -> None:
    """The upstream sees its own; never ours, and theirs only where `passthrough` says so."""
    simulator = watched.stack.simulator
    simulator.reset()
    simulator.behave(Behaviour())
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}

    await call(watched.stack.base_url, body, HEADERS["our secret"], f"x-api-key: {THEIR_SECRET}")

    (seen,) = simulator.requests_seen
    assert seen.headers["authorization"] == f"Bearer {UPSTREAM_SECRET}"
    assert not seen.carries(OUR_SECRET)
    assert not seen.carries(THEIR_SECRET)


async def test_passthrough_sends_on_what_the_caller_brought(tmp_path: Path) -> None:
    async with Simulator(key=THEIR_SECRET) as simulator:
        upstream = {
            "name": "simulated",
            "base_url": simulator.base_url,
            "api_key": "passthrough",
        }
        body = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hi"}]}
        async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
            without = await call(stack.base_url, body)
            answer = await call(stack.base_url, body, f"Authorization: Bearer {THEIR_SECRET}")

            assert without is not None
            assert without.status == 401
            assert answer is not None
            assert answer.status == 200
            watched = Watched(stack, tmp_path)
            await watched.assert_nothing_leaked()
