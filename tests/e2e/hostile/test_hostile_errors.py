"""Errors, pages and redirects in place of an answer: passed on as they are, never charged."""

import pytest

from simulator.behaviour import Behaviour, Refusal
from tests.e2e.hostile.outcomes import HIDDEN, VISIBLE, Charge, Mode, body_of, run
from tests.e2e.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="module")

GIVEN_BACK = [400, 401, 403, 404, 409, 413, 422, 429, 451, 499, 500, 502, 503, 504, 529, 599]


@pytest.mark.parametrize("status", GIVEN_BACK)
@pytest.mark.parametrize("mode", [Mode.JSON, Mode.STREAM])
async def test_an_error_gives_the_hold_back(stack: Stack, mode: Mode, status: int) -> None:
    """Field-report 19: also where it comes instead of a stream."""
    refusal = Refusal(status=status, code="theirs", retry_after="7")

    outcome = await run(stack, mode, Behaviour(refusal=refusal), body_of(mode))

    outcome.assert_settled(Charge.NOTHING)
    assert outcome.direct is not None
    assert outcome.through is not None
    assert (outcome.through.status, outcome.through.body) == (status, outcome.direct.body)
    assert outcome.through.headers["retry-after"] == "7"
    assert outcome.through.headers["x-budget-cost-usd"] == "0.00"
    assert "x-should-retry" not in outcome.through.headers


@pytest.mark.parametrize("model", [VISIBLE, HIDDEN])
@pytest.mark.parametrize("mode", [Mode.JSON, Mode.STREAM])
async def test_a_408_may_have_done_the_work(stack: Stack, mode: Mode, model: str) -> None:
    behaviour = Behaviour(refusal=Refusal(status=408), billed="in_full")

    outcome = await run(stack, mode, behaviour, body_of(mode, model))

    outcome.assert_settled(Charge.HOLD)
    assert outcome.bill.amount_microcents > 0
    assert outcome.through is not None
    assert outcome.through.status == 408


@pytest.mark.parametrize("body", ["html", "empty"])
@pytest.mark.parametrize("status", [403, 500, 502, 503])
@pytest.mark.parametrize("mode", [Mode.JSON, Mode.STREAM])
async def test_an_error_that_is_not_the_upstreams_own_passes_too(
    stack: Stack, mode: Mode, status: int, body: str
) -> None:
    refusal = Refusal(status=status, body=body)  # type: ignore[arg-type]

    outcome = await run(stack, mode, Behaviour(refusal=refusal), body_of(mode))

    outcome.assert_settled(Charge.NOTHING)
    assert outcome.direct is not None
    assert outcome.through is not None
    assert (outcome.through.status, outcome.through.body) == (status, outcome.direct.body)
    assert outcome.through.headers["content-type"] == outcome.direct.headers["content-type"]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("mode", [Mode.JSON, Mode.STREAM])
async def test_a_redirect_is_told_and_never_followed(stack: Stack, mode: Mode, status: int) -> None:
    """Following it would send the call, and our credential, to whom nobody configured."""
    location = f"{stack.simulator.base_url}/chat/completions?again"
    refusal = Refusal(status=status, location=location, body="empty")

    outcome = await run(stack, mode, Behaviour(refusal=refusal), body_of(mode))

    outcome.assert_settled(Charge.NOTHING)
    assert outcome.through is not None
    assert (outcome.through.status, outcome.through.body) == (status, b"")
    assert outcome.through.headers["location"] == location
    assert len(stack.simulator.requests_seen) == 1
