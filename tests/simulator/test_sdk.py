"""The official SDK must not be able to tell the simulator from the real thing."""

import asyncio
import json
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import BaseModel

from simulator import Behaviour, Refusal, Simulator

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello there"}]
WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
    },
}


class Person(BaseModel):
    name: str
    age: int
    friends: list[str]


async def test_an_answer_says_what_it_used(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, max_tokens=7)

    assert answer.model == "gpt-4o-mini-2024-07-18"
    assert answer.service_tier == "default"
    assert answer.choices[0].finish_reason == "length"
    assert len((answer.choices[0].message.content or "").split(" ")) == 7
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 9
    assert answer.usage.completion_tokens == 7
    assert answer.usage.total_tokens == 16


def test_the_synchronous_client_is_served_too() -> None:
    async def ask() -> str | None:
        async with Simulator(behaviour=Behaviour(content="quite so")) as simulator:
            with OpenAI(base_url=simulator.base_url, api_key="any") as sdk:
                answer = await asyncio.to_thread(
                    sdk.chat.completions.create, model="gpt-4o", messages=HELLO
                )
            return answer.choices[0].message.content

    assert asyncio.run(ask()) == "quite so"


async def test_a_stream_says_the_same_as_the_whole_answer(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="gpt-4o", messages=HELLO)
    stream = await client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)

    said = [part async for part in stream]

    deltas = [part.choices[0].delta.content or "" for part in said]
    assert "".join(deltas) == whole.choices[0].message.content
    assert said[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "stop"
    assert all(part.usage is None for part in said)


async def test_usage_comes_last_and_alone_where_it_was_asked_for(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o",
        messages=HELLO,
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=3,
    )

    *content, last = [part async for part in stream]

    assert all(part.usage is None and "usage" in part.model_fields_set for part in content)
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (9, 3)


async def test_each_of_n_choices_is_an_answer_of_its_own(
    client: AsyncOpenAI, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(output_tokens=6))

    answer = await client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)

    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert len({choice.message.content for choice in answer.choices}) == 3
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 18
    assert answer.usage.prompt_tokens == 9


async def test_choices_of_a_stream_take_turns(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=HELLO, n=2, stream=True, max_tokens=2
    )

    turns = [part.choices[0].index async for part in stream]

    assert turns == [0, 1] * 4


async def test_a_tool_is_called_with_arguments_its_schema_allows(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER])

    message = answer.choices[0].message
    assert answer.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert set(json.loads(call.function.arguments)) == {"city", "unit"}


async def test_a_streamed_tool_call_adds_up_to_the_whole_one(client: AsyncOpenAI) -> None:
    whole = await client.chat.completions.create(model="gpt-4o", messages=HELLO, tools=[WEATHER])
    stream = await client.chat.completions.create(
        model="gpt-4o", messages=HELLO, tools=[WEATHER], stream=True
    )

    parts = [part.choices[0].delta.tool_calls async for part in stream]

    calls = [calls[0] for calls in parts if calls]
    assert whole.choices[0].message.tool_calls is not None
    expected = whole.choices[0].message.tool_calls[0]
    assert expected.type == "function"
    assert calls[0].function is not None
    assert calls[0].function.name == "get_weather"
    said = "".join(call.function.arguments or "" for call in calls if call.function)
    assert said == expected.function.arguments


async def test_after_a_tool_has_answered_the_model_speaks(client: AsyncOpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [
        *HELLO,
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "{}"},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    ]

    answer = await client.chat.completions.create(
        model="gpt-4o", messages=messages, tools=[WEATHER]
    )

    assert answer.choices[0].finish_reason == "stop"
    assert answer.choices[0].message.content


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", False),
        ("auto", False),
        ("required", True),
        ({"type": "function", "function": {"name": "get_weather"}}, True),
    ],
)
async def test_the_tool_choice_is_followed(client: AsyncOpenAI, choice: Any, called: bool) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4o",
        messages=[*HELLO, {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}],
        tools=[WEATHER],
        tool_choice=choice,
    )

    assert bool(answer.choices[0].message.tool_calls) == called


async def test_a_custom_tool_gets_plain_text(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="gpt-5", messages=HELLO, tools=[{"type": "custom", "custom": {"name": "shell"}}]
    )

    assert answer.choices[0].message.tool_calls is not None
    call = answer.choices[0].message.tool_calls[0]
    assert call.type == "custom"
    assert call.custom.name == "shell"
    assert call.custom.input


async def test_an_old_style_function_is_called_in_the_old_style(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4o", messages=HELLO, functions=[{"name": "roll", "parameters": {}}]
    )

    call = answer.choices[0].message.function_call
    assert answer.choices[0].finish_reason == "function_call"
    assert call is not None
    assert (call.name, call.arguments) == ("roll", "{}")


async def test_a_streamed_old_style_call_adds_up(client: AsyncOpenAI) -> None:
    stream = await client.chat.completions.create(
        model="gpt-4o",
        messages=HELLO,
        functions=[{"name": "roll", "parameters": {}}],
        stream=True,
    )

    calls = [part.choices[0].delta.function_call async for part in stream]

    assert [call.name for call in calls if call and call.name] == ["roll"]
    assert "".join(call.arguments or "" for call in calls if call) == "{}"


async def test_a_structured_answer_parses_into_its_model(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.parse(
        model="gpt-4o", messages=HELLO, response_format=Person
    )

    assert isinstance(answer.choices[0].message.parsed, Person)


async def test_json_mode_answers_with_a_json_object(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4o", messages=HELLO, response_format={"type": "json_object"}
    )

    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


async def test_log_probabilities_come_one_a_token(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4o", messages=HELLO, max_tokens=4, logprobs=True, top_logprobs=2
    )

    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    assert logprobs.content is not None
    assert "".join(each.token for each in logprobs.content) == answer.choices[0].message.content
    assert [len(each.top_logprobs) for each in logprobs.content] == [2, 2, 2, 2]


async def test_a_spoken_answer_has_a_transcript_and_audio_tokens(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="gpt-4o-audio-preview",
        messages=HELLO,
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
        max_completion_tokens=20,
    )

    audio = answer.choices[0].message.audio
    assert audio is not None
    assert len(audio.transcript.split(" ")) == 4
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 20
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.audio_tokens == 16


async def test_a_streamed_spoken_answer_bills_the_same(
    client: AsyncOpenAI, simulator: Simulator
) -> None:
    create: Any = client.chat.completions.create
    spoken: dict[str, Any] = {
        "model": "gpt-4o-audio-preview",
        "messages": HELLO,
        "modalities": ["text", "audio"],
        "audio": {"voice": "alloy", "format": "wav"},
    }
    whole_answer = await create(**spoken)
    parts = [part async for part in await create(**spoken, stream=True)]

    said = [part.choices[0].delta.audio for part in parts if part.choices[0].delta.audio]
    transcript = "".join(each.transcript or "" for each in said)
    assert transcript == whole_answer.choices[0].message.audio.transcript
    whole, streamed = simulator.bills
    assert whole.output == streamed.output
    assert whole.amount_microcents == streamed.amount_microcents


async def test_hidden_reasoning_is_in_the_usage_and_not_in_the_text(
    client: AsyncOpenAI, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(reasoning_tokens=50, output_tokens=5))

    answer = await client.chat.completions.create(model="o3", messages=HELLO)

    assert len((answer.choices[0].message.content or "").split(" ")) == 5
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 55
    assert answer.usage.completion_tokens_details is not None
    assert answer.usage.completion_tokens_details.reasoning_tokens == 50


async def test_the_models_are_listed_and_known_one_by_one(client: AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]

    assert "gpt-4o-mini" in listed
    assert (await client.models.retrieve("gpt-4o-mini")).owned_by == "openai"
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-0")


async def test_a_wrong_key_is_an_authentication_error() -> None:
    async with Simulator(key="sk-right") as simulator:
        for key, code in (("sk-wrong", "invalid_api_key"), ("sk-right", None)):
            async with AsyncOpenAI(base_url=simulator.base_url, api_key=key) as sdk:
                if code is None:
                    await sdk.chat.completions.create(model="gpt-4o", messages=HELLO)
                    continue
                with pytest.raises(openai.AuthenticationError) as refusal:
                    await sdk.chat.completions.create(model="gpt-4o", messages=HELLO)
                assert refusal.value.code == code
                assert "sk-wrong" not in str(refusal.value)
        assert len(simulator.bills) == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (408, openai.APIStatusError),
        (409, openai.ConflictError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (502, openai.InternalServerError),
        (503, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
async def test_a_refusal_is_the_error_the_sdk_knows(
    client: AsyncOpenAI, simulator: Simulator, status: int, error: type[openai.APIStatusError]
) -> None:
    simulator.script(Behaviour(refusal=Refusal(status=status, code="made_up", retry_after="3")))

    with pytest.raises(error) as refusal:
        await client.chat.completions.create(model="gpt-4o", messages=HELLO)

    assert refusal.value.status_code == status
    assert refusal.value.code == "made_up"
    assert refusal.value.response.headers["retry-after"] == "3"
    assert [(line.outcome, line.amount_microcents) for line in simulator.bills] == [("refused", 0)]


async def test_the_sdk_retries_as_it_would_with_the_real_api(simulator: Simulator) -> None:
    simulator.script(Behaviour(refusal=Refusal(status=429, retry_after="0.01")))

    async with AsyncOpenAI(base_url=simulator.base_url, api_key="any", max_retries=1) as sdk:
        answer = await sdk.chat.completions.create(model="gpt-4o", messages=HELLO)

    assert answer.choices
    assert [line.outcome for line in simulator.bills] == ["refused", "completed"]
    assert simulator.requests_seen[1].headers["x-stainless-retry-count"] == "1"
