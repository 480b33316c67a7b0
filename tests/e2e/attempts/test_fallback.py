"""Calls that go to another upstream when theirs has failed: at its prices, by its names."""

from pathlib import Path
from typing import Any

import pytest

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.attempts.behind import BODIES, BODY, SOON, failing, falling_back
from tests.e2e.stack import held, paid
from tests.e2e.upstreams.calls import DATED, deployment
from tests.e2e.wire import answered

each_body = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
NOBODY = "http://127.0.0.1:9/v1"


@each_body
async def test_a_stand_in_is_held_and_charged_at_its_own_prices(
    tmp_path: Path, simulator: Simulator, spare: Simulator, body: dict[str, Any]
) -> None:
    """Field-report 54: never at those of the upstream that was asked first."""
    simulator.behave(failing())
    first, second = {"retries": SOON}, {"price_multiplier": 2, "models": ["nothing-else"]}
    async with falling_back(tmp_path, simulator, spare, first=first, second=second) as stack:
        answer = await answered(stack.base_url, body)

        one, two, three = await stack.rows()
        assert (answer.status, answer.headers["x-budget-attempts"]) == (200, "3")
        assert [one.state, two.state, three.state] == [State.RELEASED] * 2 + [State.COMMITTED]
        assert (held(one), held(three)) == (held(two), 2 * held(two))
        assert paid(three) == 2 * spare.total_microcents
        assert (simulator.total_microcents, len(spare.requests_seen)) == (0, 1)
        (line,) = stack.log.events("call")
        assert (line["upstream"], line["attempts"]) == ("spare", 3)


@each_body
async def test_an_upstream_that_is_not_there_is_stood_in_for(
    tmp_path: Path, simulator: Simulator, spare: Simulator, body: dict[str, Any]
) -> None:
    async with falling_back(tmp_path, simulator, spare, first={"base_url": NOBODY}) as stack:
        answer = await answered(stack.base_url, body)

        assert (answer.status, answer.whole) == (200, True)
        assert [row.state for row in await stack.rows()] == [State.RELEASED, State.COMMITTED]
        assert await stack.charged_and_uncovered() == (spare.total_microcents, 0)


async def test_each_upstream_gets_its_own_credential(tmp_path: Path, simulator: Simulator) -> None:
    simulator.behave(failing())
    async with Simulator(key="sk-of-spare") as spare:
        first, second = {"api_key": "sk-of-first"}, {"api_key": "sk-of-spare"}
        async with falling_back(tmp_path, simulator, spare, first=first, second=second) as stack:
            assert (await answered(stack.base_url, BODY)).status == 200

        (seen,) = simulator.requests_seen
        assert "sk-of-spare" not in str(seen.headers)


async def test_when_all_have_failed_the_last_error_is_told(
    tmp_path: Path, simulator: Simulator, spare: Simulator
) -> None:
    simulator.behave(failing(503))
    spare.behave(failing(429))
    async with falling_back(tmp_path, simulator, spare) as stack:
        answer = await answered(stack.base_url, BODY)

        assert (answer.status, answer.headers["x-budget-attempts"]) == (429, "2")
        assert {row.state for row in await stack.rows()} == {State.RELEASED}


async def test_a_stand_in_that_does_not_have_the_model_is_left_out(
    tmp_path: Path, simulator: Simulator, spare: Simulator
) -> None:
    simulator.behave(failing(503))
    second: dict[str, object] = {
        "api": "azure",
        "base_url": spare.azure_url,
        "api_version": "2024-10-21",
        "deployments": {"other": "gpt-4.1"},
    }
    async with falling_back(tmp_path, simulator, spare, second=second) as stack:
        answer = await answered(stack.base_url, BODY)

        assert answer.status == 503
        assert "x-budget-attempts" not in answer.headers
        assert (len(spare.requests_seen), len(await stack.rows())) == (0, 1)


async def test_a_budget_without_room_for_the_dearer_stand_in_lets_the_error_stand(
    tmp_path: Path, simulator: Simulator, spare: Simulator
) -> None:
    simulator.behave(failing(503))
    async with falling_back(
        tmp_path,
        simulator,
        spare,
        second={"price_multiplier": 3},
        budgets=[{"scope": "tenant:dev", "allocated": "$0.0011"}],
        degrade={"shorten": False},
    ) as stack:
        answer = await answered(stack.base_url, BODY)

        assert (answer.status, answer.error()["code"]) == (503, "of_upstream")
        assert (len(simulator.requests_seen), len(spare.requests_seen)) == (1, 0)
        assert [row.state for row in await stack.rows()] == [State.RELEASED]


@pytest.mark.parametrize("path", ["/v1/chat/completions", deployment("mine") + DATED])
async def test_azure_and_openai_stand_in_for_each_other(tmp_path: Path, path: str) -> None:
    """What one calls by its deployment the other calls by its name."""
    async with Simulator(deployments={"mine": "gpt-4o"}) as azure, Simulator() as plain:
        azure.behave(failing())
        first = {
            "api": "azure",
            "base_url": azure.azure_url,
            "api_version": "2024-10-21",
            "deployments": {"mine": "gpt-4o"},
        }
        async with falling_back(tmp_path, azure, plain, first=first) as stack:
            answer = await answered(stack.base_url, BODY, path=path)

            assert answer.status == 200
            assert [seen.path for seen in plain.requests_seen] == ["/v1/chat/completions"]
            assert await stack.charged_and_uncovered() == (plain.total_microcents, 0)


async def test_openai_is_stood_in_for_by_a_deployment(tmp_path: Path, simulator: Simulator) -> None:
    simulator.behave(failing())
    async with Simulator(deployments={"mine": "gpt-4o"}) as azure:
        second: dict[str, object] = {
            "api": "azure",
            "base_url": azure.azure_url,
            "api_version": "2024-10-21",
            "deployments": {"mine": "gpt-4o"},
        }
        async with falling_back(tmp_path, simulator, azure, second=second) as stack:
            answer = await answered(stack.base_url, BODY)

            assert answer.status == 200
            (seen,) = azure.requests_seen
            assert seen.path.startswith("/openai/deployments/mine/chat/completions")
            assert await stack.charged_and_uncovered() == (azure.total_microcents, 0)


async def test_a_swapped_model_is_stood_in_for_where_it_went(
    tmp_path: Path, simulator: Simulator, spare: Simulator
) -> None:
    """Its own upstream failed, not that of the model that was asked for."""
    simulator.behave(failing())
    spare.behave(Behaviour(output_tokens=5))
    policies = [
        {
            "name": "thrift",
            "scope": "*",
            "bands": [{"used_pct": 0, "models": {"gpt-4o": "gpt-4o-mini"}}],
        }
    ]
    async with falling_back(tmp_path, simulator, spare, policies=policies) as stack:
        answer = await answered(stack.base_url, BODY)

        assert answer.headers["x-budget-model"] == "gpt-4o-mini; requested=gpt-4o"
        assert [bill.model[:11] for bill in spare.bills] == ["gpt-4o-mini"]
        assert await stack.charged_and_uncovered() == (spare.total_microcents, 0)


async def test_what_only_the_first_upstream_keeps_is_not_asked_for_elsewhere(
    tmp_path: Path, simulator: Simulator, spare: Simulator
) -> None:
    async with falling_back(tmp_path, simulator, spare) as stack:
        body = {"model": "gpt-4o", "max_output_tokens": 30, "input": "Say something."}
        first = await answered(stack.base_url, body, path="/v1/responses")
        simulator.behave(failing(503))
        following = body | {"previous_response_id": first.json()["id"]}
        second = await answered(stack.base_url, following, path="/v1/responses")
        other = await answered(stack.base_url, body, path="/v1/responses")

        assert (first.status, second.status, other.status) == (200, 503, 200)
        assert len(spare.requests_seen) == 1
