"""Calls with an Idempotency-Key that the proxy sends again: the key still means once."""

from pathlib import Path
from typing import Any

import pytest

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut
from simulator.server import Simulator
from tests.e2e.attempts.behind import BODIES, BODY, SOON, failing, retrying
from tests.e2e.wire import answered

KEY = "Idempotency-Key: the-name-of-a-call"
ON = {"window_ms": 600_000}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_each_attempt_is_held_under_the_key_and_the_answer_is_given_again(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any]
) -> None:
    simulator.script(failing())
    async with retrying(tmp_path, simulator, dedupe=ON) as stack:
        first, again = [await answered(stack.base_url, body, KEY) for _ in range(2)]

        assert (first.status, again.status) == (200, 200)
        assert again.body == first.body
        assert again.headers["x-budget-replayed"] == "true"
        assert len(simulator.requests_seen) == 2
        assert [row.state for row in await stack.rows()] == [State.RELEASED, State.COMMITTED]
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


async def test_a_key_whose_attempts_all_failed_goes_on_counting(
    tmp_path: Path, simulator: Simulator
) -> None:
    """No attempt of the second call meets the name of an attempt of the first."""
    simulator.script(failing(), failing(), failing())
    async with retrying(tmp_path, simulator, dedupe=ON) as stack:
        statuses = [(await answered(stack.base_url, BODY, KEY)).status for _ in range(3)]

        assert statuses == [503, 200, 200]
        states = [row.state for row in await stack.rows()]
        assert states == [State.RELEASED] * 3 + [State.COMMITTED]
        assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)


async def test_what_may_have_been_billed_is_not_sent_again_under_a_key(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.script(Behaviour(cut=Cut(at="before_headers"), billed="in_full"))
    retries = {**SOON, "after_no_status": True}
    async with retrying(tmp_path, simulator, retries, dedupe=ON) as stack:
        first, again = [await answered(stack.base_url, BODY, KEY) for _ in range(2)]

        assert (first.status, again.status) == (502, 409)
        assert len(simulator.requests_seen) == 1
        assert [row.state for row in await stack.rows()] == [State.UNCERTAIN]
