"""Azure behind the proxy: deployments in paths and bodies, its versions, its header, its bill."""

import json
from pathlib import Path
from typing import Any

import pytest

from simulator.behaviour import Behaviour, Refusal
from simulator.server import Simulator
from tests.e2e.stack import Stack, charged, held, running
from tests.e2e.upstreams.calls import (
    DATED,
    HELLO,
    KEY,
    VERSION,
    assert_paid,
    azure,
    call,
    deployment,
    seen,
)
from tests.e2e.wire import CHAT, answered


@pytest.mark.parametrize("model", [{}, {"model": "mine"}, {"model": "gpt-4o-mini"}, {"model": 5}])
async def test_the_deployment_of_the_path_decides_whatever_the_body_says(
    behind: Stack, model: dict[str, Any]
) -> None:
    answer = await call(behind, deployment("mine") + DATED, "api-key: anything", **model)

    assert answer.status == 200
    assert seen(behind).path == f"{deployment('mine')}{DATED}"
    assert [line["model"] for line in await behind.log.until("call")] == ["gpt-4o"]
    assert "x-budget-model" not in answer.headers
    await assert_paid(behind)


@pytest.mark.parametrize(
    ("model", "expected"), [("gpt-4o", "mine"), ("twin", None), ("small", "small")]
)
async def test_plain_callers_are_sent_to_the_first_deployment_of_their_model(
    behind: Stack, model: str, expected: str | None
) -> None:
    answer = await call(behind, CHAT, model=model)

    if expected is None:
        assert answer.error()["code"] == "model_not_priced"
        assert behind.simulator.requests_seen == []
    else:
        assert seen(behind).path == f"{deployment(expected)}?api-version={VERSION}"
        await assert_paid(behind)


async def test_a_deployment_that_is_not_listed_is_taken_for_the_model_it_is_called_after(
    behind: Stack,
) -> None:
    answer = await call(behind, deployment("gpt-4.1") + DATED)

    assert answer.status == 200
    assert seen(behind).path.startswith(deployment("gpt-4.1"))
    await assert_paid(behind)


async def test_the_key_goes_in_the_header_of_azures_and_nothing_else_does(behind: Stack) -> None:
    await call(behind, deployment("mine") + DATED, "api-key: theirs", "Authorization: Bearer sk-x")

    headers = seen(behind).headers
    assert (headers["api-key"], headers.get("authorization")) == (KEY, None)
    assert not seen(behind).carries("theirs")


async def test_a_token_of_entra_id_goes_as_a_bearer_token(tmp_path: Path) -> None:
    token = "eyJ0eXAiOiJKV1QifQ.eyJzdWIiOiJtZSJ9.c2lnbmVk"
    async with Simulator(deployments={"mine": "gpt-4o"}, key=token) as cloud:
        upstream = azure(cloud, api_key=token)
        async with running(tmp_path, cloud, upstreams=[upstream]) as stack:
            assert (await call(stack, deployment("mine") + DATED)).status == 200
            headers = seen(stack).headers
            assert (headers.get("api-key"), headers["authorization"]) == (None, f"Bearer {token}")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([f"api-key: {KEY}"], {"api-key": KEY}),
        ([f"Authorization: Bearer {KEY}"], {"authorization": f"Bearer {KEY}"}),
        ([f"x-api-key: {KEY}"], {"api-key": KEY}),
    ],
)
async def test_what_is_passed_through_stays_in_a_header_that_azure_knows(
    tmp_path: Path, cloud: Simulator, headers: list[str], expected: dict[str, str]
) -> None:
    upstreams = [azure(cloud, api_key="passthrough")]
    async with running(tmp_path, cloud, upstreams=upstreams) as stack:
        assert (await call(stack, deployment("mine") + DATED, *headers)).status == 200
        sent = seen(stack).headers
        credentials = ("api-key", "authorization", "x-api-key")
        assert {name: sent[name] for name in credentials if name in sent} == expected


async def test_a_key_of_azures_is_passed_on_to_nobody_else(
    tmp_path: Path, simulator: Simulator
) -> None:
    upstream = {"name": "a", "base_url": simulator.base_url, "api_key": "passthrough"}
    async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
        assert (await call(stack, CHAT, f"api-key: {KEY}", model="gpt-4o")).status == 200
        assert not seen(stack).carries(KEY)


async def test_a_key_of_ours_may_come_as_azures_does_and_stays_here(
    tmp_path: Path, cloud: Simulator
) -> None:
    upstreams = [azure(cloud, api_key="passthrough")]
    async with running(tmp_path, cloud, upstreams=upstreams) as stack:
        refused = await call(stack, deployment("mine") + DATED, "api-key: cyc_unknown")
        assert (refused.status, refused.error()["code"]) == (401, "invalid_key")
        assert cloud.requests_seen == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", f"api-version={VERSION}"),
        ("?api-version=2025-01-01-preview", "api-version=2025-01-01-preview"),
        ("?x=1&api-version=2025-01-01", "api-version=2025-01-01&x=1"),
    ],
)
async def test_the_version_is_the_callers_or_else_that_of_the_configuration(
    behind: Stack, query: str, expected: str
) -> None:
    await call(behind, deployment("mine") + query)

    assert seen(behind).path.partition("?")[2] == expected


async def test_responses_have_their_deployment_in_the_body(behind: Stack) -> None:
    body = {"model": "mine", "input": "hi", "max_output_tokens": 50}
    answer = await call(behind, f"/openai/responses{DATED}", body=body)

    assert answer.status == 200
    assert seen(behind).path == f"/openai/responses{DATED}"
    assert [line["model"] for line in await behind.log.until("call")] == ["gpt-4o"]
    await assert_paid(behind)


async def test_the_newer_api_names_deployments_in_bodies_and_no_dates(
    tmp_path: Path, cloud: Simulator
) -> None:
    upstreams = [azure(cloud, base_url=f"{cloud.azure_url}/v1", api_version=None)]
    async with running(tmp_path, cloud, upstreams=upstreams) as stack:
        by_path = await call(stack, deployment("mine") + DATED)
        plain = await call(stack, CHAT, model="gpt-4o")
        newer = await call(stack, "/openai/v1/chat/completions?api-version=preview", model="mine")

        assert [by_path.status, plain.status, newer.status] == [200] * 3
        paths = [request.path for request in cloud.requests_seen]
        bodies = [json.loads(request.body or b"") for request in cloud.requests_seen]
        assert [body["model"] for body in bodies] == ["mine"] * 3
        chat = "/openai/v1/chat/completions"
        assert paths == [chat, chat, f"{chat}?api-version=preview"]
        await assert_paid(stack)


async def test_a_stand_in_is_called_by_its_deployment(tmp_path: Path, cloud: Simulator) -> None:
    changes: dict[str, Any] = {
        "upstreams": [azure(cloud)],
        "budgets": [{"scope": "tenant:dev", "allocated": "$0.03", "period": "none"}],
        "degrade": {
            # There is no deployment of the first: Azure would not find it.
            "fallback_models": {"gpt-4o": ["gpt-4.1-nano", "gpt-4o-mini"]},
            "min_output_tokens": 16_000,
        },
    }
    async with running(tmp_path, cloud, **changes) as stack:
        answer = await call(stack, deployment("mine") + DATED, max_tokens=16_000)

        assert answer.status == 200
        assert answer.headers["x-budget-model"] == "gpt-4o-mini; requested=gpt-4o"
        assert seen(stack).path == f"{deployment('small')}{DATED}"
        await assert_paid(stack)


async def test_its_content_filter_is_paid_for(behind: Stack) -> None:
    behind.simulator.behave(Behaviour(refusal=Refusal(status=400, code="content_filter")))

    answer = await call(behind, deployment("mine") + DATED)

    assert answer.status == 400
    row = await behind.row()
    assert row.estimated
    assert charged(row) == held(row) > 0


@pytest.mark.parametrize("code", ["invalid_prompt", None])
async def test_any_other_refusal_costs_nothing(behind: Stack, code: str | None) -> None:
    behind.simulator.behave(Behaviour(refusal=Refusal(status=400, code=code)))

    assert (await call(behind, deployment("mine") + DATED)).status == 400
    assert charged(await behind.row()) == 0


async def test_a_deployment_that_is_listed_goes_before_a_model_of_its_name(
    tmp_path: Path, simulator: Simulator, cloud: Simulator
) -> None:
    first = {"name": "openai", "base_url": simulator.base_url, "api_key": "none"}
    upstreams = [first, azure(cloud, deployments={"gpt-4.1": "gpt-4.1"})]
    async with running(tmp_path, simulator, upstreams=upstreams) as stack:
        await call(stack, deployment("gpt-4.1") + DATED)
        assert (len(simulator.bills), len(cloud.bills)) == (0, 1)
        await call(stack, CHAT, model="gpt-4.1")
        assert (len(simulator.bills), len(cloud.bills)) == (1, 1)


async def test_callers_of_azure_are_served_by_other_upstreams_too(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with running(tmp_path, simulator) as stack:
        answer = await call(stack, deployment("gpt-4o") + DATED)

        assert answer.status == 200
        assert seen(stack).path == CHAT
        await assert_paid(stack)


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments/mine/extensions/chat/completions",
        "/openai/deployments/mine/../other/chat/completions",
        "/openai/deployments/a%2fb/chat/completions",
        "/openai/deployments//chat/completions",
        "/openai/deployments/mine",
        "/openai/assistants",
        "/v1/deployments/mine/chat/completions",
    ],
)
async def test_no_other_path_of_azures_passes(behind: Stack, path: str) -> None:
    answer = await call(behind, path + DATED, body=HELLO)

    assert (answer.status, answer.error()["code"]) == (403, "path_not_allowed")
    assert behind.simulator.requests_seen == []


async def test_what_costs_nothing_names_deployments_too(behind: Stack) -> None:
    for model in ("mine", "gpt-4o"):
        answer = await call(
            behind, "/openai/responses/input_tokens", body={"model": model, "input": "hi"}
        )
        assert answer.status == 200
        assert answer.json()["input_tokens"] > 0

    sent = [json.loads(request.body or b"")["model"] for request in behind.simulator.requests_seen]
    assert sent == ["mine", "mine"]
    assert await behind.rows() == ()


async def test_a_body_that_names_its_model_twice_is_refused(behind: Stack) -> None:
    data = b'{"model":"a","model":"mine","messages":[{"role":"user","content":"hi"}]}'
    answer = await answered(behind.base_url, data, path=deployment("mine") + DATED)

    assert (answer.status, answer.error()["code"]) == (400, "invalid_request")
    assert behind.simulator.requests_seen == []


@pytest.mark.parametrize("asked", [deployment("mine") + DATED, CHAT])
async def test_who_stands_in_for_azure_is_asked_in_its_own_words(
    tmp_path: Path, cloud: Simulator, simulator: Simulator, asked: str
) -> None:
    """Another Azure by its own deployment, and others by the model."""
    async with Simulator(deployments={"west": "gpt-4o"}, key=KEY, keep_bodies=True) as west:
        for failing in (cloud, west):
            failing.behave(Behaviour(refusal=Refusal(status=503)))
        upstreams = [
            azure(cloud, fallback=["west", "plain"]),
            azure(west, name="west", deployments={"west": "gpt-4o"}, models=["none"]),
            {"name": "plain", "base_url": simulator.base_url, "api_key": "none"},
        ]
        async with running(tmp_path, cloud, upstreams=upstreams) as stack:
            answer = await call(stack, asked, model="gpt-4o")

            assert answer.status == 200
            paths = [each.requests_seen[0].path for each in (cloud, west, simulator)]
            assert paths == [deployment("mine") + DATED, deployment("west") + DATED, CHAT]
            assert json.loads(west.requests_seen[0].body or b"")["model"] == "west"
            assert await stack.charged_and_uncovered() == (simulator.total_microcents, 0)
