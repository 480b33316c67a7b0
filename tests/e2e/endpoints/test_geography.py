"""Messages that are answered in the United States: every token costs a tenth more."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.endpoints.calls import run
from tests.e2e.stack import Stack, held, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/messages"
BODY: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Say this is a test"}],
}
MODES = pytest.mark.parametrize("mode", [{}, {"stream": True}], ids=["JSON", "stream"])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A proxy whose upstream speaks Anthropic's API."""
    async with Simulator() as simulator:
        upstream = {"name": "claude", "base_url": simulator.base_url, "api": "anthropic"}
        folder = tmp_path_factory.mktemp("geography")
        upstreams = [upstream | {"api_key": "none"}]
        async with running(folder, simulator, upstreams=upstreams) as started:
            yield started


@MODES
async def test_who_asks_for_it_pays_for_it_and_no_more_than_was_held(
    stack: Stack, mode: dict[str, Any]
) -> None:
    asked = await run(stack, PATH, BODY | mode | {"inference_geo": "us"})
    plain = await run(stack, PATH, BODY | mode)

    asked.assert_within_the_hold()
    plain.assert_within_the_hold()
    assert asked.bill.amount_microcents * 10 == plain.bill.amount_microcents * 11
    assert held(asked.row) * 10 == held(plain.row) * 11


async def test_a_workspace_that_has_it_for_all_its_calls_needs_a_multiplier(
    tmp_path: Path,
) -> None:
    """Such calls do not ask: the upstream's own price has to say it."""
    async with Simulator() as simulator:
        upstream = {"name": "claude", "base_url": simulator.base_url, "api": "anthropic"}
        upstreams = [upstream | {"api_key": "none", "price_multiplier": "1.1"}]
        async with running(tmp_path, simulator, upstreams=upstreams) as stack:
            outcome = await run(stack, PATH, BODY, Behaviour(geography="us"))

    outcome.assert_within_the_hold()
