"""The official SDK for Azure through the proxy: the same answers, and the bill of the upstream."""

from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI, BadRequestError

from simulator.behaviour import Behaviour, Refusal
from simulator.server import Simulator
from tests.e2e.sdk.asks import HELLO
from tests.e2e.stack import Stack
from tests.e2e.upstreams.calls import KEY, VERSION, assert_paid

Ask = Callable[[AsyncOpenAI], Awaitable[object]]


async def chat(sdk: AsyncOpenAI) -> object:
    answer = await sdk.chat.completions.create(model="mine", messages=HELLO, max_tokens=40)
    return answer.model_dump()


async def stream(sdk: AsyncOpenAI) -> object:
    chunks = await sdk.chat.completions.create(
        model="mine", messages=HELLO, max_tokens=40, stream=True
    )
    return [chunk.model_dump() async for chunk in chunks]


async def responses(sdk: AsyncOpenAI) -> object:
    answer = await sdk.responses.create(model="mine", input="hi", max_output_tokens=40)
    return answer.output_text


async def response_again(sdk: AsyncOpenAI) -> object:
    answer = await sdk.responses.create(model="mine", input="hi", max_output_tokens=40)
    return (await sdk.responses.retrieve(answer.id)).output_text


async def embeddings(sdk: AsyncOpenAI) -> object:
    answer = await sdk.embeddings.create(model="vectors", input=["one", "two"])
    return answer.model_dump()


async def completion(sdk: AsyncOpenAI) -> object:
    answer = await sdk.completions.create(model="old", prompt="Once", max_tokens=20)
    return answer.model_dump()


ASKS: Final[dict[str, Ask]] = {
    ask.__name__: ask for ask in (chat, stream, responses, response_again, embeddings, completion)
}


def azure_sdk(endpoint: str, deployment: str | None = None) -> AsyncAzureOpenAI:
    """The SDK, with nothing but its endpoint, its version and a key."""
    return AsyncAzureOpenAI(
        azure_endpoint=endpoint,
        api_key=KEY,
        api_version=VERSION,
        azure_deployment=deployment,
        max_retries=0,
    )


def endpoint_of(stack: Stack) -> str:
    return stack.base_url.removesuffix("/v1")


@pytest.mark.parametrize("name", ASKS)
async def test_the_answer_is_that_of_azure_and_the_charge_is_its_bill(
    behind: Stack, cloud: Simulator, name: str
) -> None:
    ask = ASKS[name]
    async with azure_sdk(cloud.address) as direct, azure_sdk(endpoint_of(behind)) as through:
        expected = await ask(direct)
        cloud.reset()

        assert await ask(through) == expected
    await assert_paid(behind)


async def test_a_deployment_may_be_in_the_base_url_of_the_sdk(
    behind: Stack, cloud: Simulator
) -> None:
    async with azure_sdk(endpoint_of(behind), deployment="mine") as sdk:
        answer = await sdk.chat.completions.create(model="", messages=HELLO, max_tokens=9)

    assert answer.model.startswith("gpt-4o")
    await assert_paid(behind)


async def test_the_plain_sdk_takes_the_newer_api(behind: Stack) -> None:
    async with AsyncOpenAI(base_url=f"{endpoint_of(behind)}/openai/v1", api_key=KEY) as sdk:
        answer = await sdk.chat.completions.create(model="mine", messages=HELLO, max_tokens=9)

    assert answer.model.startswith("gpt-4o")
    await assert_paid(behind)


async def test_what_the_content_filter_says_is_what_the_sdk_raises(behind: Stack) -> None:
    behind.simulator.behave(Behaviour(refusal=Refusal(status=400, code="content_filter")))
    async with azure_sdk(endpoint_of(behind)) as sdk:
        with pytest.raises(BadRequestError) as error:
            await chat(sdk)

    assert error.value.code == "content_filter"
