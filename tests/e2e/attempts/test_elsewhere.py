"""Calls that are sent again while their budgets are at an authority elsewhere."""

from pathlib import Path

from simulator.server import Simulator
from tests.e2e.attempts.behind import BODY, SOON, asked_first, failing
from tests.e2e.wire import answered
from tests.ledger.cycles.conftest import stub
from tests.ledger.cycles.process import until
from tests.ledger.cycles.stub import Stub
from tests.ledger.cycles.test_whole import PLENTY, TENANT, elsewhere

__all__ = ["stub"]


async def test_each_attempt_is_held_and_settled_there(
    tmp_path: Path, simulator: Simulator, stub: Stub
) -> None:
    budget = stub.fund(TENANT, PLENTY)
    simulator.script(failing())
    upstreams = [asked_first(simulator, retries=SOON)]
    async with elsewhere(tmp_path, simulator, stub, upstreams=upstreams) as proxy:
        answer = await answered(proxy.base_url, BODY)
        await until(lambda: len(stub.operations()) == 4)

        assert (answer.status, answer.headers["x-budget-attempts"]) == (200, "2")
        assert sorted(stub.operations()) == ["commit", "release", "reserve", "reserve"]
        assert stub.settlements() == [simulator.total_microcents]
        assert (budget.reserved, budget.spent) == (0, simulator.total_microcents)


async def test_an_authority_that_has_no_room_for_one_more_attempt_lets_the_error_stand(
    tmp_path: Path, simulator: Simulator, stub: Stub
) -> None:
    stub.fund(TENANT, 60_000)
    simulator.behave(failing())
    upstreams = [asked_first(simulator, fallback=["dear"])]
    upstreams.append({**asked_first(simulator), "name": "dear", "price_multiplier": 5})
    never = {"shorten": False}
    async with elsewhere(tmp_path, simulator, stub, upstreams=upstreams, degrade=never) as proxy:
        answer = await answered(proxy.base_url, BODY)

        assert (answer.status, answer.error()["code"]) == (503, "of_upstream")
        assert len(simulator.requests_seen) == 1
        assert [line["reason"] for line in proxy.log.events("attempt_refused")] == [
            "budget_exceeded"
        ]
