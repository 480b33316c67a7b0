"""Responses made shorter through the proxy: no limit can be given, so the model's own is held."""

import pytest

from simulator.behaviour import Behaviour
from tests.e2e.endpoints.calls import run
from tests.e2e.stack import Stack, held

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/responses/compact"
TALK = [{"role": "user", "content": "Say this is a test"}] * 3


@pytest.mark.parametrize(
    "behaviour", [Behaviour(), Behaviour(output_tokens=400), Behaviour(cached_tokens=5)], ids=str
)
async def test_an_honest_bill_is_within_the_hold(stack: Stack, behaviour: Behaviour) -> None:
    outcome = await run(stack, PATH, {"model": "gpt-4o", "input": TALK}, behaviour)

    outcome.assert_within_the_hold()
    assert outcome.through.body == outcome.direct.body
    # $10 a million for as much as gpt-4o writes at most, and the prompt.
    assert held(outcome.row) > 16_384 * 1_000


async def test_more_input_than_we_counted_is_charged(stack: Stack) -> None:
    behaviour = Behaviour(extra_prompt_tokens=5_000)

    outcome = await run(stack, PATH, {"model": "gpt-4o", "input": "hello"}, behaviour)

    outcome.assert_charged_by_bill()
