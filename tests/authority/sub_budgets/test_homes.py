"""A sub-budget over every home of the ledger, from its carve to its end."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from tests.authority.sub_budgets.family import BUDGETS, Family, over, usd
from tests.ledger.builders import TEMPLATES_MAX
from tests.ledger.harness import BACKENDS, Harness, ManualClock

TTL_MS = 10_000


@pytest.fixture(params=BACKENDS)
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    backend: str = request.param
    async with BACKENDS[backend].open() as opened:
        yield opened


@pytest.fixture
async def home(harness: Harness) -> Family:
    """A family over a home."""
    await harness.ledger.declare(BUDGETS, templates_max=TEMPLATES_MAX)
    return over(cast(Any, harness.ledger), ManualClock())


async def test_a_sub_budget_over_every_home(harness: Harness, home: Family) -> None:
    outer = await home.carved(400, idempotency_key="once", ttl_ms=TTL_MS)
    again = await home.carved(400, idempotency_key="once", ttl_ms=TTL_MS)
    assert again.body == outer.body
    inner = await home.carved(200, secret=outer["key"])
    await home.spend(50, secret=outer["key"])
    await home.spend(210, secret=inner["key"], held=200)
    assert await home.stands() == (400, 0, 600)
    assert await home.stands(outer["scope"]) == (200, 50, 150)

    held = await home.reserve(10, secret=outer["key"])
    came = await home.close(inner["sub_budget_id"])
    assert (came["status"], came["charged"]) == ("CLOSED", usd(210))
    assert (await home.reserve(1, secret=inner["key"])).status == 401
    assert await home.stands(outer["scope"]) == (10, 260, 130)

    harness.advance_ms(TTL_MS)
    home.later(TTL_MS)
    await harness.ledger.expire(limit=10)
    elsewhere = home.elsewhere()
    await elsewhere.sub_budgets.tend()
    assert (await home.look(outer["sub_budget_id"]))["status"] == "CLOSING"
    assert (await home.commit(held["reservation_id"], 7)).status == 200
    await elsewhere.sub_budgets.tend()
    came = await home.look(outer["sub_budget_id"])
    assert (came["status"], came["charged"]) == ("CLOSED", usd(267))
    assert await home.stands() == (0, 267, 733)
    await home.check()
    assert (await home.ledger.verify()).charged + (await home.ledger.verify()).uncovered == 267
