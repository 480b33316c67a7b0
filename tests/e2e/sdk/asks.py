"""What programs ask with the official SDK; each answer as plain data that can be compared."""

import base64
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from io import BytesIO
from typing import Any
from wave import open as open_wave

from openai import AsyncOpenAI, pydantic_function_tool
from openai.types.chat import (
    ChatCompletionContentPartParam,
    ChatCompletionMessageParam,
    ChatCompletionToolParam,
)
from pydantic import BaseModel

Ask = Callable[[AsyncOpenAI], Awaitable[object]]

HELLO: list[ChatCompletionMessageParam] = [
    {"role": "system", "content": "You are terse.", "name": "house"},
    {"role": "user", "content": "What is the capital of the Åland Islands? 🏝"},
]


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    days: int


class Person(BaseModel):
    name: str
    age: int
    friends: list[str]


WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Its name."},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


def png(width: int, height: int) -> bytes:
    """A black picture."""

    def block(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    rows = (b"\0" * (1 + (width + 7) // 8)) * height
    blocks = block(b"IHDR", head) + block(b"IDAT", zlib.compress(rows)) + block(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + blocks


def wav(duration_ms: int) -> bytes:
    """A silence."""
    file = BytesIO()
    with open_wave(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8_000)
        sound.writeframes(b"\0\0" * (8 * duration_ms))
    return file.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def looking_at(url: str) -> list[ChatCompletionMessageParam]:
    parts: list[ChatCompletionContentPartParam] = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    return [{"role": "user", "content": parts}]


LISTENING: list[ChatCompletionMessageParam] = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What do you hear?"},
            {
                "type": "input_audio",
                "input_audio": {"data": base64_of(wav(1_250)), "format": "wav"},
            },
        ],
    }
]

AFTER_A_TOOL: list[ChatCompletionMessageParam] = [
    *HELLO,
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city":"Mariehamn"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "Four degrees and rain."},
]


def whole(**asked: Any) -> Ask:
    """One answer in one piece."""

    async def ask(sdk: AsyncOpenAI) -> object:
        return (await sdk.chat.completions.create(**asked)).model_dump()

    return ask


def streamed(**asked: Any) -> Ask:
    """The chunks of a stream."""

    async def ask(sdk: AsyncOpenAI) -> object:
        chunks: AsyncIterator[BaseModel]
        chunks = await sdk.chat.completions.create(stream=True, **asked)
        return [without_usage(chunk.model_dump()) async for chunk in chunks]

    return ask


def without_usage(chunk: dict[str, Any]) -> dict[str, Any]:
    """A chunk that reports no usage: whether it says null or nothing is all the same."""
    return {name: value for name, value in chunk.items() if (name, value) != ("usage", None)}


async def helped(sdk: AsyncOpenAI) -> object:
    """The `.stream()` helper, which asks for no usage: its events, and what it made of them."""
    async with sdk.chat.completions.stream(model="gpt-4o", messages=HELLO, max_tokens=40) as stream:
        kinds = [event.type async for event in stream]
        return kinds, (await stream.get_final_completion()).model_dump()


async def helped_with_tools(sdk: AsyncOpenAI) -> object:
    """The `.stream()` helper with a tool made of a class, its arguments parsed."""
    async with sdk.chat.completions.stream(
        model="gpt-4o", messages=HELLO, tools=[pydantic_function_tool(Weather)]
    ) as stream:
        kinds = [event.type async for event in stream]
        return kinds, (await stream.get_final_completion()).model_dump()


async def parsed(sdk: AsyncOpenAI) -> object:
    """An answer of a class."""
    answer = await sdk.chat.completions.parse(
        model="gpt-4o", messages=HELLO, response_format=Person
    )
    assert isinstance(answer.choices[0].message.parsed, Person)
    return answer.model_dump(warnings=False)


async def parsed_stream(sdk: AsyncOpenAI) -> object:
    """An answer of a class, streamed."""
    async with sdk.chat.completions.stream(
        model="gpt-4.1-mini", messages=HELLO, response_format=Person
    ) as stream:
        answer = await stream.get_final_completion()
    assert isinstance(answer.choices[0].message.parsed, Person)
    return answer.model_dump(warnings=False)


USAGE = {"include_usage": True}

ASKS: dict[str, Ask] = {
    "an answer": whole(model="gpt-4o", messages=HELLO),
    "an answer with a limit": whole(model="gpt-4o", messages=HELLO, max_tokens=5),
    "an answer of a named snapshot": whole(model="gpt-4o-mini-2024-07-18", messages=HELLO),
    "an answer of an older vocabulary": whole(model="gpt-4", messages=HELLO, max_tokens=50),
    "an answer of a model that reasons": whole(
        model="o4-mini", messages=HELLO, max_completion_tokens=500, reasoning_effort="high"
    ),
    "an answer of a cheaper tier": whole(
        model="gpt-5-mini", messages=HELLO, service_tier="flex", max_completion_tokens=300
    ),
    "an answer of a dearer tier": whole(
        model="gpt-4.1", messages=HELLO, service_tier="priority", max_tokens=30
    ),
    "three answers": whole(model="gpt-4o", messages=HELLO, n=3, max_tokens=12),
    "log probabilities": whole(model="gpt-4o", messages=HELLO, logprobs=True, top_logprobs=2),
    "a call of a tool": whole(model="gpt-4o", messages=HELLO, tools=[WEATHER]),
    "a forced call of a tool": whole(
        model="gpt-4.1-nano", messages=HELLO, tools=[WEATHER], tool_choice="required", n=2
    ),
    "an answer after a call of a tool": whole(
        model="gpt-4o", messages=AFTER_A_TOOL, tools=[WEATHER]
    ),
    "a call of a legacy function": whole(
        model="gpt-4", messages=HELLO, functions=[WEATHER["function"]], max_tokens=100
    ),
    "a picture in the call": whole(
        model="gpt-4o",
        messages=looking_at(f"data:image/png;base64,{base64_of(png(900, 700))}"),
    ),
    "a picture at an address": whole(
        model="gpt-4.1-mini", messages=looking_at("https://example.com/a.png")
    ),
    "a sound": whole(model="gpt-audio", messages=LISTENING, modalities=["text"]),
    "a spoken answer": whole(
        model="gpt-audio",
        messages=LISTENING,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
    ),
    "a prediction": whole(
        model="gpt-4o", messages=HELLO, prediction={"type": "content", "content": "able about all"}
    ),
    "an answer of a class": parsed,
    "a stream": streamed(model="gpt-4o", messages=HELLO),
    "a stream with a limit": streamed(model="gpt-4o", messages=HELLO, max_tokens=5),
    "a stream with usage": streamed(model="gpt-4o", messages=HELLO, stream_options=USAGE),
    "a stream of a model that reasons": streamed(
        model="gpt-5", messages=HELLO, max_completion_tokens=400
    ),
    "a stream of three answers": streamed(model="gpt-4o-mini", messages=HELLO, n=3),
    "a stream of a call of a tool": streamed(
        model="gpt-4o", messages=HELLO, tools=[WEATHER], stream_options=USAGE
    ),
    "a stream about a picture": streamed(
        model="gpt-5-mini",
        messages=looking_at(f"data:image/png;base64,{base64_of(png(64, 2000))}"),
    ),
    "a spoken stream": streamed(
        model="gpt-audio",
        messages=HELLO,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "pcm16"},
        stream_options=USAGE,
    ),
    "a stream with the helper": helped,
    "a stream with the helper and a tool": helped_with_tools,
    "a stream of a class": parsed_stream,
}
