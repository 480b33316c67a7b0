"""The Messages API of the simulator: its shapes, its order of events, its bill."""

from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

from simulator import Behaviour, Report, Simulator
from tests.simulator.calls import RawAnswer, call

PATH = "/v1/messages"
HELLO: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 2_000,
    "messages": [{"role": "user", "content": "hello there"}],
}
STREAM = HELLO | {"stream": True}
ROLL = {
    "name": "roll",
    "description": "Roll a die.",
    "input_schema": {
        "type": "object",
        "properties": {"sides": {"type": "integer"}},
        "required": ["sides"],
    },
}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
THINKING = {"type": "enabled", "budget_tokens": 1_024}
EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
LONG = "a" + " a" * 1_999


def cached(ttl: str | None) -> list[dict[str, Any]]:
    """A long system prompt that is to be cached."""
    control = {"type": "ephemeral"} | ({"ttl": ttl} if ttl else {})
    return [{"type": "text", "text": LONG, "cache_control": control}]


async def message(
    simulator: Simulator, body: dict[str, Any], behaviour: Behaviour | None = None
) -> RawAnswer:
    return await call(simulator, body, behaviour, path=PATH)


async def test_an_answer_and_its_bill(simulator: Simulator) -> None:
    """Sonnet 4.5: 300 microcents a token in, 1,500 out."""
    answer = await message(simulator, HELLO, Behaviour(output_tokens=10, reasoning_tokens=0))

    said = answer.json()
    assert (said["type"], said["role"], said["stop_reason"]) == ("message", "assistant", "end_turn")
    assert said["model"] == "claude-sonnet-4-5-20250929"
    assert [block["type"] for block in said["content"]] == ["text"]
    assert said["usage"] == {
        "input_tokens": 9,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 10,
        "service_tier": "standard",
        "inference_geo": "global",
    }
    assert simulator.total_microcents == 9 * 300 + 10 * 1500
    assert answer.headers["request-id"] == simulator.bills[0].request_id


async def test_the_events_come_in_the_documented_order(simulator: Simulator) -> None:
    behaviour = Behaviour(output_tokens=2, reasoning_tokens=3)

    stream = await message(simulator, STREAM | {"thinking": THINKING}, behaviour)

    events = stream.events()
    assert [event["type"] for event in events] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    kinds = [event["delta"]["type"] for event in events if event["type"] == "content_block_delta"]
    assert kinds == ["thinking_delta", "signature_delta", "text_delta", "text_delta"]
    assert b"event: message_start\ndata: " in stream.body
    assert b"[DONE]" not in stream.body
    start, end = events[0]["message"]["usage"], events[-2]["usage"]
    assert (start["input_tokens"], start["output_tokens"]) == (9, 1)
    assert (end["input_tokens"], end["output_tokens"]) == (9, 5)


@pytest.mark.parametrize(
    "asked",
    [{}, {"tools": [ROLL]}, {"tools": [SEARCH]}, {"thinking": THINKING}, {"max_tokens": 3}],
    ids=str,
)
async def test_answers_and_every_event_have_the_documented_types(
    simulator: Simulator, asked: dict[str, Any]
) -> None:
    busy = Behaviour(output_tokens=9, reasoning_tokens=2)
    whole = (await message(simulator, HELLO | asked, busy)).json()
    events = (await message(simulator, STREAM | asked, busy)).events()

    Message.model_validate(whole)
    for event in events:
        if event["type"] != "ping":
            EVENTS.validate_python(event)
    assert events[-2]["usage"]["output_tokens"] == whole["usage"]["output_tokens"]
    assert events[-2]["delta"]["stop_reason"] == whole["stop_reason"]


async def test_a_tool_is_called_with_what_its_schema_asks_for(simulator: Simulator) -> None:
    whole = (await message(simulator, HELLO | {"tools": [ROLL]})).json()
    events = (await message(simulator, STREAM | {"tools": [ROLL]})).events()

    (block,) = (block for block in whole["content"] if block["type"] == "tool_use")
    assert isinstance(block["input"]["sides"], int)
    assert whole["stop_reason"] == "tool_use"
    pieces = [event["delta"].get("partial_json", "") for event in events if "delta" in event]
    assert "sides" in "".join(pieces)
    # Tools bring a system prompt of 346 tokens with them.
    assert whole["usage"]["input_tokens"] > 9 + 346


@pytest.mark.parametrize(
    ("system", "written", "written_1h", "microcents"),
    [
        # 2,011 tokens, of which whole steps of 128 are written: 375 a token, 600 for an hour.
        (cached(None), 1_920, 0, 91 * 300 + 1_920 * 375),
        (cached("5m"), 1_920, 0, 91 * 300 + 1_920 * 375),
        (cached("1h"), 0, 1_920, 91 * 300 + 1_920 * 600),
        (LONG, 0, 0, 2_011 * 300),
    ],
)
async def test_what_is_to_be_cached_is_written_at_the_rate_of_its_lifetime(
    simulator: Simulator, system: Any, written: int, written_1h: int, microcents: int
) -> None:
    silent = Behaviour(output_tokens=0, reasoning_tokens=0)
    body = HELLO | {"system": system, "messages": [{"role": "user", "content": "hello go"}]}

    usage = (await message(simulator, body, silent)).json()["usage"]

    assert usage["cache_creation"] == {
        "ephemeral_5m_input_tokens": written,
        "ephemeral_1h_input_tokens": written_1h,
    }
    total = usage["input_tokens"] + written + written_1h
    assert (total, usage["cache_creation_input_tokens"]) == (
        simulator.bills[0].input.prompt_tokens,
        written + written_1h,
    )
    assert simulator.total_microcents == microcents + (total - 2_011) * 300


async def test_reads_and_writes_can_be_chosen(simulator: Simulator) -> None:
    chosen = Behaviour(
        extra_prompt_tokens=991,
        cached_tokens=500,
        cache_write_tokens=300,
        cache_write_1h_tokens=100,
        output_tokens=0,
        reasoning_tokens=0,
    )

    usage = (await message(simulator, HELLO, chosen)).json()["usage"]

    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (100, 500)
    assert simulator.total_microcents == 100 * 300 + 500 * 30 + 300 * 375 + 100 * 600


@pytest.mark.parametrize(
    ("model", "extra", "microcents"),
    [
        ("claude-haiku-5-5", 99_991, 100_000 * 10),
        ("claude-haiku-5-5", 99_992, 100_001 * 50),
        ("claude-sonnet-4-5", 199_991, 200_000 * 300),
        ("claude-sonnet-4-5", 199_992, 200_001 * 600),
        ("claude-opus-4-5", 199_992, 200_001 * 500),
    ],
)
async def test_a_long_prompt_costs_more_where_it_does(
    simulator: Simulator, model: str, extra: int, microcents: int
) -> None:
    long = Behaviour(extra_prompt_tokens=extra, output_tokens=0, reasoning_tokens=0)

    await message(simulator, HELLO | {"model": model}, long)

    assert simulator.total_microcents == microcents


async def test_a_search_is_counted_and_comes_with_what_it_found(simulator: Simulator) -> None:
    behaviour = Behaviour(output_tokens=0, reasoning_tokens=0, web_searches=3)

    events = (await message(simulator, STREAM | {"tools": [SEARCH]}, behaviour)).events()

    kinds = [e["content_block"]["type"] for e in events if e["type"] == "content_block_start"]
    assert kinds == ["server_tool_use", "web_search_tool_result"] * 2 + ["text"]
    # What was found is input only once it was found.
    assert events[0]["message"]["usage"]["input_tokens"] == 9 + 346
    assert events[-2]["usage"]["input_tokens"] == 9 + 346 + 2 * 700
    assert events[-2]["usage"]["server_tool_use"] == {
        "web_search_requests": 2,
        "web_fetch_requests": 0,
    }
    assert simulator.total_microcents == (9 + 346 + 1_400) * 300 + 2 * 1_000_000


async def test_thinking_is_paid_for_in_full_and_shown_in_part(simulator: Simulator) -> None:
    behaviour = Behaviour(reasoning_tokens=500, output_tokens=2)

    shown = (await message(simulator, HELLO | {"thinking": THINKING}, behaviour)).json()
    hidden = (await message(simulator, HELLO, behaviour)).json()

    assert shown["content"][0]["type"] == "thinking"
    assert hidden["content"][0]["type"] == "text"
    assert shown["usage"]["output_tokens"] == hidden["usage"]["output_tokens"] == 502
    assert [line.amount_microcents for line in simulator.bills] == [9 * 300 + 502 * 1500] * 2


@pytest.mark.parametrize(
    ("asked", "chosen", "place", "microcents"),
    [
        # Sonnet 5.5: 200 microcents a token in, 1,000 out; a tenth more in the US.
        ({}, None, "global", 9 * 200 + 7 * 1000),
        ({"inference_geo": "global"}, None, "global", 9 * 200 + 7 * 1000),
        ({"inference_geo": "us"}, None, "us", 9 * 220 + 7 * 1100),
        ({}, "us", "us", 9 * 220 + 7 * 1100),
    ],
)
async def test_where_it_is_answered_has_a_price(
    simulator: Simulator, asked: dict[str, Any], chosen: Any, place: str, microcents: int
) -> None:
    behaviour = Behaviour(output_tokens=7, reasoning_tokens=0, geography=chosen)

    answer = await message(simulator, HELLO | {"model": "claude-sonnet-5-5"} | asked, behaviour)

    assert answer.json()["usage"]["inference_geo"] == place
    assert simulator.total_microcents == microcents


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        ({"max_tokens": None}, 400, "invalid_request_error"),
        ({"max_tokens": 64_001}, 400, "invalid_request_error"),
        ({"messages": []}, 400, "invalid_request_error"),
        ({"thinking": {"type": "enabled"}}, 400, "invalid_request_error"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, 400, "invalid_request_error"),
        ({"inference_geo": "us"}, 400, "invalid_request_error"),
        ({"model": "claude-none"}, 404, "not_found_error"),
        ({"model": "gpt-4o"}, 404, "not_found_error"),
    ],
)
async def test_errors_have_the_shape_of_this_api(
    simulator: Simulator, asked: dict[str, Any], status: int, kind: str
) -> None:
    answer = await message(simulator, HELLO | asked)

    said = answer.json()
    assert (answer.status, said["type"], said["error"]["type"]) == (status, "error", kind)


async def test_counting_is_free_and_true(simulator: Simulator) -> None:
    asked = {name: HELLO[name] for name in ("model", "messages")} | {"tools": [ROLL]}

    counted = (await call(simulator, asked, path=f"{PATH}/count_tokens")).json()
    used = (await message(simulator, HELLO | {"tools": [ROLL]})).json()

    assert counted == {"input_tokens": used["usage"]["input_tokens"]}
    assert simulator.bills[0].amount_microcents == 0


async def test_a_key_may_come_in_the_header_of_either_provider() -> None:
    async with Simulator(key="secret") as simulator:
        for headers in ({"x-api-key": "secret"}, {"authorization": "Bearer secret"}):
            assert (await call(simulator, HELLO, None, headers, path=PATH)).status == 200
        answer = await call(simulator, HELLO, None, {"x-api-key": "other"}, path=PATH)

        assert (answer.status, answer.json()["error"]["type"]) == (401, "authentication_error")


async def test_a_message_can_say_nothing_of_usage(simulator: Simulator) -> None:
    silent = Behaviour(report=Report(place="nowhere"))

    assert "usage" not in (await message(simulator, HELLO, silent)).json()
    assert b'"usage"' not in (await message(simulator, STREAM, silent)).body


async def test_the_lifetimes_of_a_write_can_be_kept_quiet(simulator: Simulator) -> None:
    quiet = Behaviour(
        cache_write_1h_tokens=4, cache_write_tokens=0, report=Report(shape="no_details")
    )

    usage = (await message(simulator, HELLO, quiet)).json()["usage"]

    assert usage["cache_creation_input_tokens"] == 4
    assert "cache_creation" not in usage
