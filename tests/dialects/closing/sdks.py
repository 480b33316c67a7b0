"""What programs see of a stream, by the official SDKs: the bytes are read by them, and no other."""

from typing import Any

import httpx2
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message
from openai import AsyncOpenAI, LengthFinishReasonError
from openai.types import Completion
from openai.types.chat import ChatCompletion
from openai.types.responses import ResponseIncompleteEvent, ResponseStreamEvent


def _answering(sent: bytes) -> httpx2.AsyncClient:
    """A client that is answered with this stream, whatever it asks."""

    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=sent)

    return httpx2.AsyncClient(transport=httpx2.MockTransport(answer))


def _openai(sent: bytes) -> AsyncOpenAI:
    return AsyncOpenAI(
        api_key="any", base_url="http://nowhere/v1", http_client=_answering(sent), max_retries=0
    )


async def chat(sent: bytes) -> ChatCompletion:
    """The completion, by the helper that puts its chunks together.

    Of one that was too long it gives what came; asked for a final one it says that it was.
    """
    async with (
        _openai(sent) as sdk,
        sdk.chat.completions.stream(model="gpt-4o-mini", messages=[]) as stream,
    ):
        async for _ in stream:
            pass
        with pytest.raises(LengthFinishReasonError):
            await stream.get_final_completion()
        return stream.current_completion_snapshot


async def completions(sent: bytes) -> list[Completion]:
    """The chunks of a legacy completion."""
    async with _openai(sent) as sdk:
        stream = await sdk.completions.create(model="davinci-002", prompt="", stream=True)
        return [chunk async for chunk in stream]


async def responses(sent: bytes) -> list[Any]:
    """The events of a response, by the helper that puts them together."""
    async with _openai(sent) as sdk, sdk.responses.stream(model="gpt-4.1", input="") as stream:
        return [event async for event in stream]


async def raw_responses(sent: bytes) -> list[ResponseStreamEvent]:
    """The events of a response as they came."""
    async with _openai(sent) as sdk:
        stream = await sdk.responses.create(model="gpt-4.1", input="", stream=True)
        return [event async for event in stream]


async def messages(sent: bytes) -> Message:
    """The message, by the helper that puts its events together."""
    client = AsyncAnthropic(
        api_key="any", base_url="http://nowhere", http_client=_answering(sent), max_retries=0
    )
    async with (
        client as sdk,
        sdk.messages.stream(model="claude-haiku-4-5", max_tokens=9, messages=[]) as stream,
    ):
        async for _ in stream:
            pass
        return await stream.get_final_message()


def incomplete(events: list[Any]) -> ResponseIncompleteEvent:
    """The last event, which is that of an incomplete response."""
    last = events[-1]
    assert isinstance(last, ResponseIncompleteEvent), last.type
    return last
