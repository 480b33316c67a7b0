"""The official SDK hears, speaks and writes down as it does without the proxy."""

import io
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI, BadRequestError

from simulator.behaviour import Behaviour
from tests.e2e.audio.calls import wav
from tests.e2e.stack import Stack, paid

pytestmark = pytest.mark.asyncio(loop_scope="module")

LARGE = wav(625)
"""Twenty megabytes."""


@pytest_asyncio.fixture(loop_scope="module")
async def client(stack: Stack) -> AsyncIterator[AsyncOpenAI]:
    stack.simulator.reset()
    stack.simulator.behave(Behaviour())
    async with AsyncOpenAI(base_url=stack.base_url, api_key="none", max_retries=0) as opened:
        yield opened


@pytest_asyncio.fixture(loop_scope="module")
async def direct(stack: Stack) -> AsyncIterator[AsyncOpenAI]:
    address = f"{stack.simulator.address}/v1"
    async with AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as opened:
        yield opened


async def billed(stack: Stack, calls: int) -> int:
    """What the call before cost, in the books and on the bill."""
    await stack.log.until("call", calls + 1)
    row = (await stack.rows())[-1]
    assert paid(row) == stack.simulator.bills[-1].amount_microcents
    return paid(row)


@pytest.mark.parametrize("sound", [wav(3), LARGE], ids=["small", "large"])
@pytest.mark.parametrize("model", ["whisper-1", "gpt-4o-transcribe"])
async def test_a_file_is_written_down(
    stack: Stack, client: AsyncOpenAI, direct: AsyncOpenAI, model: str, sound: bytes
) -> None:
    calls = len(stack.log.events("call"))
    through = await client.audio.transcriptions.create(
        model=model, file=("a.wav", io.BytesIO(sound))
    )

    assert await billed(stack, calls) > 0
    assert through == await direct.audio.transcriptions.create(model=model, file=("a.wav", sound))


async def test_text_comes_in_pieces(stack: Stack, client: AsyncOpenAI, direct: AsyncOpenAI) -> None:
    asked: dict[str, Any] = {
        "model": "gpt-4o-mini-transcribe",
        "file": ("a.wav", wav(20)),
        "stream": True,
        "prompt": "Names: Ada, Grace.",
    }
    calls = len(stack.log.events("call"))
    through = [event async for event in await client.audio.transcriptions.create(**asked)]

    assert await billed(stack, calls) > 0
    assert through == [event async for event in await direct.audio.transcriptions.create(**asked)]
    assert through[-1].type == "transcript.text.done"


async def test_a_file_is_translated(stack: Stack, client: AsyncOpenAI) -> None:
    calls = len(stack.log.events("call"))
    with pytest.deprecated_call():
        asking = client.audio.translations.create(
            model="whisper-1", file=("a.wav", LARGE), response_format="text"
        )
    through = await asking

    assert await billed(stack, calls) == 625 * 10_000
    assert str(through).strip()


@pytest.mark.parametrize("model", ["tts-1", "gpt-4o-mini-tts"])
async def test_sound_comes_while_it_is_made(
    stack: Stack, client: AsyncOpenAI, direct: AsyncOpenAI, model: str
) -> None:
    asked: dict[str, Any] = {
        "model": model,
        "input": "Speak, friend, and enter. " * 20,
        "voice": "coral",
        "response_format": "pcm",
    }
    calls = len(stack.log.events("call"))
    async with client.audio.speech.with_streaming_response.create(**asked) as answer:
        pieces = [piece async for piece in answer.iter_bytes(48_000)]

    await stack.log.until("call", calls + 1)
    row = (await stack.rows())[-1]
    assert paid(row) >= stack.simulator.bills[-1].amount_microcents > 0
    assert row.estimated is (model != "tts-1")
    assert len(pieces) > 10
    assert b"".join(pieces) == (await direct.audio.speech.create(**asked)).content


async def test_a_refusal_is_one_that_the_sdk_knows(stack: Stack, client: AsyncOpenAI) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.audio.transcriptions.create(model="nobody", file=("a.wav", wav(1)))

    assert caught.value.code == "model_not_priced"
    assert stack.simulator.requests_seen == []
