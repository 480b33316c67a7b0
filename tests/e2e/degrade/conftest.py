from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal

import pytest

from simulator.behaviour import Behaviour
from simulator.models import MODELS
from simulator.rates import PriceList, Rates
from simulator.server import Simulator


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """An upstream that keeps what it was sent, always says as much as it may, and is free where
    the model is."""
    nothing = Rates(input=Decimal(0), output=Decimal(0))
    local = replace(
        MODELS["gpt-4o"],
        name="local/llama",
        snapshot="local/llama",
        prices=PriceList(standard=nothing),
    )
    behaviour = Behaviour(output_tokens=100_000)
    async with Simulator(
        keep_bodies=True, models={**MODELS, "local/llama": local}, behaviour=behaviour
    ) as started:
        yield started
