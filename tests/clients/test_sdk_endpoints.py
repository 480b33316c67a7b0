"""Every SDK at every endpoint it knows: the answers of the upstream, and its bill as the charge."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.clients.sdks.sdk import SDKS, Conversation, Sdk, missing, talking_to
from tests.e2e.stack import Stack, running

pytestmark = [pytest.mark.clients, pytest.mark.asyncio(loop_scope="module")]

FREE = ("models", "count_tokens", "moderations", "files")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    folder: Path = tmp_path_factory.mktemp("sdks")
    async with Simulator() as simulator:
        upstream = {"base_url": simulator.base_url, "api_key": "none"}
        upstreams = [
            {"name": "claude", "api": "anthropic", "models": ["claude-*"], **upstream},
            {"name": "gpt", "models": ["*"], "websockets": True, **upstream},
        ]
        async with running(folder, simulator, upstreams=upstreams) as stack:
            yield stack


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SDKS, ids=lambda s: s.name)
async def talk(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Sdk, Conversation]]:
    sdk: Sdk = request.param
    if (why := missing(sdk)) is not None:
        pytest.skip(f"{sdk.name}: {why}")
    async with talking_to(sdk) as conversation:
        yield sdk, conversation


async def test_each_endpoint_answers_as_without_the_proxy_and_is_charged_its_bill(
    shared: Stack, talk: tuple[Sdk, Conversation]
) -> None:
    sdk, conversation = talk
    simulator = shared.simulator
    simulator.behave(Behaviour())
    for name in sdk.asks:
        simulator.reset()
        expected = await conversation.ask(name, simulator.base_url)
        assert expected.said, (name, expected)
        simulator.reset()
        charged_before, _ = await shared.charged_and_uncovered()
        rows_before = len(await shared.rows())

        assert await conversation.ask(name, shared.base_url) == expected, name

        charged, uncovered = await shared.charged_and_uncovered()
        bill = simulator.total_microcents
        assert (charged - charged_before, uncovered) == (bill, 0), name
        assert (bill > 0) == (name not in FREE), name
        rows = (await shared.rows())[rows_before:]
        assert [row.state for row in rows] == [State.COMMITTED] * (name not in FREE), name
        assert (await shared.balance()).reserved == 0
