"""The official SDK through the proxy: the same answers, and a ledger that is the bill."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, OpenAI

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.sdk.asks import ASKS, HELLO, Ask
from tests.e2e.stack import Stack, charged, held, running

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("sdk")
    async with Simulator() as simulator, running(folder, simulator) as stack:
        yield stack


@pytest.fixture
def stack(shared: Stack) -> Stack:
    shared.simulator.reset()
    shared.simulator.behave(Behaviour())
    return shared


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def direct(shared: Stack) -> AsyncIterator[AsyncOpenAI]:
    """The SDK without the proxy."""
    async with AsyncOpenAI(base_url=shared.simulator.base_url, api_key="any") as sdk:
        yield sdk


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def through(shared: Stack) -> AsyncIterator[AsyncOpenAI]:
    """The SDK with nothing changed but its address."""
    async with AsyncOpenAI(base_url=shared.base_url, api_key="any") as sdk:
        yield sdk


async def assert_billed_exactly(stack: Stack, before: tuple[int, int], calls: int = 1) -> None:
    charged, uncovered = await stack.charged_and_uncovered()
    bill = stack.simulator.total_microcents
    assert (charged - before[0], uncovered) == (bill, 0)
    assert bill > 0
    rows = (await stack.rows())[-calls:]
    assert [row.state for row in rows] == [State.COMMITTED] * calls
    assert not any(row.estimated for row in rows)
    assert sum(map(held, rows)) >= bill
    assert (await stack.balance()).reserved == 0


@pytest.mark.parametrize("name", ASKS)
async def test_the_answer_is_that_of_the_upstream_and_the_charge_is_its_bill(
    stack: Stack, direct: AsyncOpenAI, through: AsyncOpenAI, name: str
) -> None:
    ask: Ask = ASKS[name]
    expected = await ask(direct)
    stack.simulator.reset()
    before = await stack.charged_and_uncovered()

    assert await ask(through) == expected
    await assert_billed_exactly(stack, before)


async def test_the_synchronous_client_is_served_too(stack: Stack) -> None:
    def ask(base_url: str) -> object:
        with OpenAI(base_url=base_url, api_key="any") as sdk:
            answer = sdk.chat.completions.create(model="gpt-4o", messages=HELLO)
            chunks = sdk.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
            text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
            return answer.model_dump(), text

    direct = await asyncio.to_thread(ask, stack.simulator.base_url)
    stack.simulator.reset()
    before = await stack.charged_and_uncovered()

    assert await asyncio.to_thread(ask, stack.base_url) == direct
    await assert_billed_exactly(stack, before, calls=2)


async def test_many_calls_at_once_keep_their_answers_apart(
    stack: Stack, through: AsyncOpenAI
) -> None:
    before = await stack.charged_and_uncovered()

    async def ask(number: int) -> tuple[str, str]:
        content = f"say {number}"
        answer = await through.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": content}], max_tokens=20
        )
        assert answer.usage is not None
        return answer.id, answer.choices[0].message.content or ""

    answers = await asyncio.gather(*map(ask, range(40)))

    assert len({completion_id for completion_id, _ in answers}) == 40
    await assert_billed_exactly(stack, before, calls=40)


async def test_the_list_of_models_passes_and_costs_nothing(
    stack: Stack, direct: AsyncOpenAI, through: AsyncOpenAI
) -> None:
    before = await stack.charged_and_uncovered()

    models = [model.model_dump() async for model in through.models.list()]
    one = await through.models.retrieve("gpt-4o")

    assert models == [model.model_dump() async for model in direct.models.list()]
    assert one == await direct.models.retrieve("gpt-4o")
    assert await stack.charged_and_uncovered() == before


async def test_the_headers_tell_the_hold_and_the_cost(stack: Stack, through: AsyncOpenAI) -> None:
    raw = await through.chat.completions.with_raw_response.create(
        model="gpt-4o", messages=HELLO, max_tokens=10
    )

    row = (await stack.rows())[-1]
    assert raw.headers["X-Budget-Decision"] == "ALLOW"
    assert raw.headers["X-Budget-Reservation-Id"] == row.reservation_id
    assert raw.headers["x-request-id"].startswith("req_")
    assert charged(row) == stack.simulator.total_microcents
    assert int(raw.headers["X-Budget-Cost-Usd"].replace(".", "").ljust(9, "0")) == charged(row)
    assert raw.parse().choices[0].finish_reason == "length"
