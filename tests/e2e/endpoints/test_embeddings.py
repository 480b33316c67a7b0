"""Embeddings through the proxy: what the upstream bills is charged (field-report 62, 65)."""

from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Refusal, Report, Wire
from simulator.server import Simulator
from tests.e2e.endpoints.calls import refusal, run
from tests.e2e.stack import TOKENS, Stack, held, paid, running
from tests.e2e.wire import answered

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/embeddings"
SMALL, LARGE, OLD = "text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"


def body(
    given: Any = "The food was delicious.", model: str = SMALL, **asked: Any
) -> dict[str, Any]:
    return {"model": model, "input": given} | asked


@pytest.mark.parametrize(
    "asked",
    [
        body(),
        body(model=LARGE),
        body(model=OLD),
        body(["one text", "and another"]),
        body([1, 2, 3, 4]),
        body([[1, 2, 3], [4]], LARGE),
        body("naïve café 日本語 👍🏽", OLD),
        body(encoding_format="base64", dimensions=256),
        body(["word " * 200] * 64, encoding_format="base64"),
    ],
)
async def test_an_honest_bill_is_the_hold_to_the_last_microcent(
    stack: Stack, asked: dict[str, Any]
) -> None:
    outcome = await run(stack, PATH, asked)

    outcome.assert_within_the_hold()
    assert paid(outcome.row) == held(outcome.row)
    assert paid(outcome.row, TOKENS) == held(outcome.row, TOKENS)
    assert (outcome.through.status, outcome.through.body) == (200, outcome.direct.body)


async def test_two_tokens_of_the_small_model_are_four_microcents(stack: Stack) -> None:
    """$0.02 for a million: 2 microcents a token."""
    outcome = await run(stack, PATH, body([7, 8]))

    assert (held(outcome.row), paid(outcome.row), outcome.bill.amount_microcents) == (4, 4, 4)


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(extra_prompt_tokens=5_000),
        Behaviour(model=LARGE),
        Behaviour(extra_prompt_tokens=9, model=OLD),
        Behaviour(report=Report(shape="zero")),
        Behaviour(report=Report(shape="floats")),
        Behaviour(report=Report(shape="strings")),
        Behaviour(report=Report(shape="no_total")),
        Behaviour(wire=Wire(compression="br", write_bytes=(7,))),
        Behaviour(wire=Wire(framing="close", compression="gzip")),
    ],
)
async def test_whatever_the_upstream_consumes_is_charged(
    stack: Stack, behaviour: Behaviour
) -> None:
    outcome = await run(stack, PATH, body(), behaviour)

    outcome.assert_charged_by_bill()
    assert outcome.through.body == outcome.direct.body


@pytest.mark.parametrize(
    "report", [Report(place="nowhere"), Report(shape="negative"), Report(shape="empty")]
)
async def test_without_usage_what_went_in_is_counted(stack: Stack, report: Report) -> None:
    outcome = await run(stack, PATH, body(), Behaviour(report=report))

    assert outcome.row.estimated
    assert paid(outcome.row) == outcome.bill.amount_microcents == held(outcome.row)


async def test_a_refusal_of_the_upstream_costs_nothing(stack: Stack) -> None:
    outcome = await run(stack, PATH, body(), Behaviour(refusal=Refusal(status=429)))

    assert (outcome.row.state, paid(outcome.row)) == (State.RELEASED, 0)
    assert (outcome.through.status, outcome.through.body) == (429, outcome.direct.body)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (body({"text": "x"}), "invalid_request"),
        (body(["a", 1]), "invalid_request"),
        (body(model="no-such-embedding"), "model_not_priced"),
        ({"input": "x"}, "invalid_request"),
    ],
)
async def test_what_cannot_be_bounded_does_not_leave(
    stack: Stack, asked: dict[str, Any], code: str
) -> None:
    assert (await refusal(stack, PATH, asked))["code"] == code


async def test_a_model_that_writes_nothing_is_no_model_for_a_chat(stack: Stack) -> None:
    asked = {"model": SMALL, "messages": [{"role": "user", "content": "hello"}]}

    error = await refusal(stack, "/v1/chat/completions", asked)

    assert error["code"] == "model_not_priced"
    assert "no price for output" in error["message"]


async def test_the_official_sdk_gets_the_same_vectors(stack: Stack) -> None:
    """It asks for base64 by itself, and makes numbers of that."""
    stack.simulator.reset()
    stack.simulator.behave(Behaviour())
    found = []
    for url in (stack.simulator.base_url, stack.base_url):
        async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as sdk:
            found.append(await sdk.embeddings.create(model=SMALL, input=["one", "two"]))

    assert found[0] == found[1]
    assert [len(each.embedding) for each in found[1].data] == [1_536, 1_536]


async def test_a_text_beyond_the_window_is_refused_by_the_upstream_and_costs_nothing(
    stack: Stack,
) -> None:
    answer = await answered(stack.base_url, body([1] * 8_193, LARGE), path=PATH)

    assert (answer.status, answer.error()["code"]) == (400, "context_length_exceeded")
    row = (await stack.rows())[-1]
    assert (row.state, paid(row)) == (State.RELEASED, 0)
    # $0.13 for a million.
    assert held(row) == 8_193 * 13


async def test_a_call_above_its_budget_does_not_leave(tmp_path: Path) -> None:
    budget = {"scope": "tenant:dev", "allocated": "$0.0001", "period": "none"}
    async with Simulator() as simulator, running(tmp_path, simulator, budgets=[budget]) as stack:
        error = await refusal(stack, PATH, body([1] * 770, LARGE))
        fits = await answered(stack.base_url, body([1] * 769, LARGE), path=PATH)

        assert error["code"] == "insufficient_quota"
        assert fits.status == 200
        assert (await stack.balance()).remaining == 10_000 - 769 * 13
