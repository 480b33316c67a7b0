"""The upstream as Azure has it: deployments in place of models, a version with each call."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from simulator.server import Simulator

DATED = "?api-version=2024-10-21"
CHAT = "/deployments/mine/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 3}


@pytest.fixture
async def azure() -> AsyncIterator[Simulator]:
    async with Simulator(deployments={"mine": "gpt-4o-mini"}, key="k-1") as started:
        yield started


async def ask(azure: Simulator, path: str, key: str = "k-1", **fields: object) -> tuple[int, str]:
    """Status, and the model that answered or the code of the error."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            azure.azure_url + path, json=HELLO | fields, headers={"api-key": key}
        ) as answer,
    ):
        body = await answer.json()
        return answer.status, body.get("model") or body["error"]["code"]


@pytest.mark.parametrize("model", [{}, {"model": "whatever"}])
async def test_the_deployment_of_the_path_answers_whatever_the_body_says(
    azure: Simulator, model: dict[str, str]
) -> None:
    assert await ask(azure, CHAT + DATED, **model) == (200, "gpt-4o-mini-2024-07-18")
    assert [bill.model for bill in azure.bills] == ["gpt-4o-mini-2024-07-18"]


async def test_elsewhere_the_deployment_is_in_the_body(azure: Simulator) -> None:
    said: dict[str, Any] = {"input": "hi", "model": "mine", "messages": None, "max_tokens": None}
    assert (await ask(azure, f"/responses{DATED}", **said))[0] == 200
    assert (await ask(azure, "/v1/responses", **said))[0] == 200
    assert (await ask(azure, "/v1/chat/completions", model="mine"))[0] == 200


@pytest.mark.parametrize(
    ("path", "model"),
    [
        (f"/deployments/other/chat/completions{DATED}", "mine"),
        ("/v1/chat/completions", "gpt-4o-mini"),
    ],
)
async def test_a_deployment_that_is_not_there_is_not_found(
    azure: Simulator, path: str, model: str
) -> None:
    assert await ask(azure, path, model=model) == (404, "DeploymentNotFound")
    assert azure.bills == []


@pytest.mark.parametrize(
    "path",
    [
        CHAT,
        f"{CHAT}?api-version=preview",
        f"/v1/chat/completions{DATED}",
        "/../v1/chat/completions",
        f"/deployments/mine/responses{DATED}",
        f"/chat/completions{DATED}",
    ],
)
async def test_what_azure_does_not_have_is_not_found(azure: Simulator, path: str) -> None:
    assert (await ask(azure, path, model="mine"))[0] == 404


async def test_the_key_has_a_header_of_its_own(azure: Simulator) -> None:
    assert (await ask(azure, CHAT + DATED, key="another"))[0] == 401
