"""How many calls are made and how fast, and policies that let none leave at all."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.money import Unit
from simulator.server import Simulator
from tests.e2e.degrade.calls import BODY, HOLD, assert_billed, budget, policy, sent, told
from tests.e2e.redis.conftest import ledger_at
from tests.e2e.stack import running
from tests.e2e.wire import RawAnswer, answered
from tests.servers.fixtures import server, valkey

__all__ = ["server", "valkey"]

RUN = "X-Cycles-Run: 7"
OTHER_RUN = "X-Cycles-Run: 8"


def refused(answer: RawAnswer) -> tuple[int, str, str]:
    """Status, code and reason of a refusal."""
    error = json.loads(answer.body)["error"]
    return answer.status, error["code"], error["budget"]["reason"]


def steps_left(answer: RawAnswer) -> str | None:
    return answer.headers.get("x-budget-remaining-calls")


@pytest.mark.parametrize(
    "says",
    [
        {"budgets": [budget(100 * HOLD), {**budget(0), "per": "run", "idle_ttl": "24h"}]},
        {"budgets": [budget(100 * HOLD)], "policies": [policy(caps={"max_steps_remaining": 2})]},
    ],
    ids=["a budget of calls", "a policy"],
)
async def test_a_run_has_so_many_steps(
    tmp_path: Path, simulator: Simulator, says: dict[str, Any]
) -> None:
    for each in says["budgets"][1:]:
        each |= {"unit": "CALLS", "allocated": 2}
    async with running(tmp_path, simulator, **says) as stack:
        first = await answered(stack.base_url, BODY, RUN)
        second = await answered(stack.base_url, BODY | {"stream": True}, RUN)
        third = await answered(stack.base_url, BODY, RUN)
        other = await answered(stack.base_url, BODY, OTHER_RUN)

        assert [steps_left(each) for each in (first, second, other)] == ["1", "0", "1"]
        assert refused(third) == (429, "insufficient_quota", "steps_exhausted")
        assert third.headers["x-should-retry"] == "false"
        assert "this call needs 1 call, 0 calls remain" in third.body.decode()
        assert len(simulator.requests_seen) == 3
        await assert_billed(stack)


async def test_steps_are_counted_from_when_their_band_is_reached(
    tmp_path: Path, simulator: Simulator
) -> None:
    """The first call takes the budget over half; from then on the run may make one more."""
    bands = [{"used_pct": 1, "caps": {"max_steps_remaining": 1}}]
    async with running(
        tmp_path, simulator, budgets=[budget(20 * HOLD)], policies=[policy(bands=bands)]
    ) as stack:
        answers = [await answered(stack.base_url, BODY, RUN) for _ in range(3)]

    assert [answer.status for answer in answers] == [200, 200, 429]
    assert [steps_left(answer) for answer in answers] == [None, "0", None]


async def test_calls_without_a_run_are_counted_for_whoever_makes_them(
    tmp_path: Path, simulator: Simulator
) -> None:
    says = policy(caps={"max_steps_remaining": 1})
    async with running(tmp_path, simulator, policies=[says]) as stack:
        bot = "X-Cycles-Agent: bot"
        answers = [
            await answered(stack.base_url, BODY, bot),
            await answered(stack.base_url, BODY, bot),
            await answered(stack.base_url, BODY, "X-Cycles-Agent: cli"),
        ]

    assert [answer.status for answer in answers] == [200, 429, 200]


async def test_a_call_that_the_upstream_refused_is_no_step(
    tmp_path: Path, simulator: Simulator
) -> None:
    says = policy(caps={"max_steps_remaining": 1})
    async with running(tmp_path, simulator, policies=[says]) as stack:
        bad = await answered(stack.base_url, BODY | {"messages": [{}]}, RUN)
        good = await answered(stack.base_url, BODY, RUN)

        assert (bad.status, good.status) == (400, 200)
        await assert_billed(stack)


async def test_after_a_call_the_run_has_to_wait(tmp_path: Path, simulator: Simulator) -> None:
    says = policy(caps={"cooldown_ms": 60_000})
    async with running(tmp_path, simulator, policies=[says]) as stack:
        first = await answered(stack.base_url, BODY, RUN)
        second = await answered(stack.base_url, BODY, RUN)
        other = await answered(stack.base_url, BODY, OTHER_RUN)

    assert (first.status, other.status) == (200, 200)
    assert refused(second) == (429, "rate_limit_exceeded", "cooldown")
    assert "0 calls remain. Retry after 60 s." in second.body.decode()
    assert second.headers["retry-after-ms"] == "60000"
    assert "x-should-retry" not in second.headers


async def test_two_proxies_count_the_steps_of_a_run_together(
    tmp_path: Path, simulator: Simulator, request: pytest.FixtureRequest
) -> None:
    says: dict[str, Any] = {
        "ledger": ledger_at(request.getfixturevalue("server").url, tmp_path),
        "budgets": [budget(100 * HOLD)],
        "policies": [policy(caps={"max_steps_remaining": 3})],
    }
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    async with running(one, simulator, **says) as left, running(two, simulator, **says) as right:
        answers = await asyncio.gather(
            *(answered(stack.base_url, BODY, RUN) for stack in (left, right) for _ in range(4))
        )

    assert sorted(answer.status for answer in answers) == [200] * 3 + [429] * 5
    assert len(simulator.requests_seen) == 3


@pytest.mark.parametrize(
    ("deny", "message"),
    [
        (True, "The policy thrift allows no calls at present. Do not retry."),
        ("Ask for money at the desk.", "Ask for money at the desk."),
    ],
)
async def test_a_policy_lets_no_call_leave(
    tmp_path: Path, simulator: Simulator, deny: object, message: str
) -> None:
    async with running(tmp_path, simulator, policies=[policy(deny=deny)]) as stack:
        answer = await answered(stack.base_url, BODY)

        assert refused(answer) == (429, "insufficient_quota", "policy_denied")
        assert json.loads(answer.body)["error"]["message"] == message
        assert simulator.requests_seen == []
        assert (await stack.balance()).reserved == 0


async def test_a_policy_lowers_tier_and_answers_and_says_so(
    tmp_path: Path, simulator: Simulator
) -> None:
    says = policy(n=1, service_tier={"priority": "default"}, reasoning_effort={"*": "low"})
    async with running(tmp_path, simulator, policies=[says]) as stack:
        answer = await answered(stack.base_url, BODY | {"n": 3, "service_tier": "priority"})

        assert told(answer) == {"decision": "ALLOW_WITH_CAPS", "caps": "service_tier,n"}
        body = sent(simulator)
        assert (body["n"], body["service_tier"]) == (1, "default")
        await assert_billed(stack)


async def test_a_model_is_told_how_many_steps_its_run_has_left(
    tmp_path: Path, simulator: Simulator
) -> None:
    says: dict[str, Any] = {
        "policies": [policy(caps={"max_steps_remaining": 2})],
        "degrade": {"note": True},
    }
    async with running(tmp_path, simulator, **says) as stack:
        said = []
        for _ in range(2):
            answer = await answered(stack.base_url, BODY, RUN)
            assert told(answer)["caps"] == "note"
            said.append(sent(simulator)["messages"][-1]["content"])
        await assert_billed(stack)

    assert ["within 2 steps" in said[0], "within 1 step." in said[1]] == [True, True]


async def test_a_row_says_which_policy_decided(tmp_path: Path, simulator: Simulator) -> None:
    async with running(
        tmp_path, simulator, policies=[policy(n=1, caps={"max_steps_remaining": 9})]
    ) as stack:
        await answered(stack.base_url, BODY)
        (row,) = await stack.rows()

    assert row.metadata["policy"] == "thrift"
    assert row.charged is not None
    assert row.charged[Unit.CALLS] == 1
