"""Legacy completions through the proxy: the bill of the upstream is what is charged."""

from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Refusal, Report, Wire
from simulator.server import Simulator
from tests.e2e.endpoints.calls import refusal, run, sent
from tests.e2e.stack import Stack, held, paid, running
from tests.e2e.wire import answered, without_extra_chunk

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/completions"
MODEL = "gpt-3.5-turbo-instruct"
STREAM = {"stream": True}
WITH_USAGE = STREAM | {"stream_options": {"include_usage": True}}
MODES = pytest.mark.parametrize("mode", [{}, STREAM, WITH_USAGE], ids=["JSON", "stream", "usage"])


def body(prompt: Any = "Say this is a test", model: str = MODEL, **asked: Any) -> dict[str, Any]:
    return {"model": model, "prompt": prompt, "max_tokens": 40} | asked


HONEST = [
    {},
    {"n": 3},
    {"n": 2, "echo": True},
    {"prompt": ["one", "and two"], "n": 2},
    {"prompt": [1, 2, 3]},
    {"prompt": [[1, 2, 3], [4]]},
    {"suffix": "the end."},
    {"logprobs": 5},
    {"model": "davinci-002"},
    {"model": "babbage-002", "max_tokens": 3},
    {"max_tokens": 0, "echo": True},
]


@MODES
@pytest.mark.parametrize("asked", HONEST, ids=str)
async def test_an_honest_bill_is_within_the_hold(
    stack: Stack, asked: dict[str, Any], mode: dict[str, Any]
) -> None:
    outcome = await run(stack, PATH, body() | asked | mode)

    outcome.assert_within_the_hold()
    assert (outcome.through.status, outcome.through.body) == (200, outcome.expected)


async def test_every_answer_that_was_not_the_best_is_paid_for_too(stack: Stack) -> None:
    outcome = await run(stack, PATH, body(["a", "b"], n=2, best_of=5), Behaviour(output_tokens=10))

    outcome.assert_within_the_hold()
    assert len(outcome.through.json()["choices"]) == 4
    # 2 tokens in at $1.50 a million, 2 x 5 answers of 10 tokens at $2.
    assert paid(outcome.row) == 2 * 150 + 2 * 5 * 10 * 200
    # Held: the limit of 40 tokens for each of the ten.
    assert held(outcome.row) == 2 * 150 + 2 * 5 * 40 * 200


async def test_without_a_limit_sixteen_tokens_are_held_and_asked_for(tmp_path: Path) -> None:
    """What other servers allow then is not what OpenAI does: it has to stand there."""
    asked = {"model": MODEL, "prompt": "Say this is a test"}
    async with Simulator(keep_bodies=True) as simulator, running(tmp_path, simulator) as stack:
        await answered(stack.base_url, asked, path=PATH)

        assert sent(stack) == asked | {"max_tokens": 16}
        assert held(await stack.row()) == 5 * 150 + 16 * 200
        assert paid(await stack.row()) == simulator.total_microcents


@MODES
@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(extra_prompt_tokens=500),
        Behaviour(output_tokens=900, ignore_limit=True),
        Behaviour(extra_choices=3),
        Behaviour(model="davinci-002"),
        Behaviour(reasoning_tokens=30),
        Behaviour(extra_prompt_tokens=90, cached_tokens=64),
        Behaviour(output_tokens=0),
        Behaviour(wire=Wire(compression="zstd", write_bytes=(1, 7))),
        Behaviour(wire=Wire(line_end="\r\n", comments=True)),
    ],
    ids=str,
)
async def test_whatever_the_upstream_consumes_is_charged(
    stack: Stack, behaviour: Behaviour, mode: dict[str, Any]
) -> None:
    outcome = await run(stack, PATH, body() | mode, behaviour)

    outcome.assert_charged_by_bill()
    assert outcome.through.whole
    assert mode == STREAM or outcome.through.body == outcome.direct.body


async def test_the_usage_that_we_asked_for_is_taken_out_again(stack: Stack) -> None:
    asked = await run(stack, PATH, body() | WITH_USAGE)
    plain = await run(stack, PATH, body() | STREAM)

    assert b'"choices":[]' in asked.through.body
    assert b'"choices":[]' in plain.direct.body
    assert plain.through.body == without_extra_chunk(plain.direct.body)


@MODES
async def test_without_usage_what_was_delivered_is_counted(
    stack: Stack, mode: dict[str, Any]
) -> None:
    behaviour = Behaviour(report=Report(place="nowhere"))

    outcome = await run(stack, PATH, body() | mode, behaviour)

    assert outcome.row.estimated
    assert outcome.bill.amount_microcents <= paid(outcome.row) < held(outcome.row)


async def test_without_usage_answers_that_nobody_sees_charge_the_hold(stack: Stack) -> None:
    behaviour = Behaviour(report=Report(place="nowhere"))

    outcome = await run(stack, PATH, body(best_of=4), behaviour)

    assert outcome.row.estimated
    assert paid(outcome.row) == held(outcome.row) >= outcome.bill.amount_microcents


async def test_a_stream_that_breaks_off_is_charged_what_came(stack: Stack) -> None:
    behaviour = Behaviour(output_tokens=30, cut=Cut(at="event", after=12))

    outcome = await run(stack, PATH, body() | STREAM, behaviour)

    assert not outcome.through.whole
    assert (outcome.row.state, outcome.row.estimated) == (State.COMMITTED, True)
    assert outcome.bill.amount_microcents <= paid(outcome.row) < held(outcome.row)


async def test_a_refusal_of_the_upstream_costs_nothing(stack: Stack) -> None:
    outcome = await run(stack, PATH, body(), Behaviour(refusal=Refusal(status=500)))

    assert (outcome.row.state, paid(outcome.row)) == (State.RELEASED, 0)


@pytest.mark.parametrize(
    "asked", [{"prompt": {}}, {"n": 0}, {"best_of": "2"}, {"max_tokens": -1}, {"prompt": [[]]}]
)
async def test_what_cannot_be_bounded_does_not_leave(stack: Stack, asked: dict[str, Any]) -> None:
    error = await refusal(stack, PATH, body() | asked)

    assert error["code"] == "invalid_request"
    assert error["param"].startswith(next(iter(asked)))


async def test_a_budget_that_is_nearly_spent_shortens_every_answer(tmp_path: Path) -> None:
    budget = {"scope": "tenant:dev", "allocated": "$0.0008", "period": "none"}
    async with (
        Simulator(keep_bodies=True, behaviour=Behaviour(output_tokens=4_000)) as simulator,
        running(
            tmp_path,
            simulator,
            budgets=[budget],
            degrade={"shorten": True, "min_output_tokens": 8, "max_share_pct": 100},
        ) as stack,
    ):
        answer = await answered(stack.base_url, body(max_tokens=3_000, n=2), path=PATH)

        assert answer.status == 200
        # $0.0008 are 80,000 microcents: 5 tokens in, then 198 for each of two answers.
        assert sent(stack)["max_tokens"] == (80_000 - 5 * 150) // (2 * 200)
        assert (await stack.balance()).remaining >= 0
        assert paid(await stack.row()) == simulator.total_microcents


async def test_the_official_sdk_gets_the_same_texts(stack: Stack) -> None:
    stack.simulator.reset()
    stack.simulator.behave(Behaviour())
    found = []
    for url in (stack.simulator.base_url, stack.base_url):
        async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as sdk:
            whole = await sdk.completions.create(model=MODEL, prompt="hello", n=2, max_tokens=9)
            stream = await sdk.completions.create(model=MODEL, prompt="hello", stream=True)
            pieces = [chunk.choices[0].text async for chunk in stream]
            found.append(([choice.text for choice in whole.choices], pieces))

    assert found[0] == found[1]
    assert all(found[1][0])
