"""The Responses API of the simulator, held against the types that the official SDK knows."""

from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types.responses import CompactedResponse, Response, ResponseStreamEvent
from pydantic import TypeAdapter

from simulator import Behaviour, Input, Output, Report, Simulator
from tests.simulator.calls import RawAnswer, call

PATH = "/v1/responses"
HELLO: dict[str, Any] = {"model": "gpt-4o-mini", "input": "hello there"}
STREAM = HELLO | {"stream": True}
ROLL = {
    "type": "function",
    "name": "roll",
    "parameters": {"type": "object", "properties": {"sides": {"type": "integer"}}},
}
SHELL = {"type": "custom", "name": "shell"}
SEARCH = {"type": "web_search"}
EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


async def respond(
    simulator: Simulator, body: dict[str, Any], behaviour: Behaviour | None = None
) -> RawAnswer:
    return await call(simulator, body, behaviour, path=PATH)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"tools": [ROLL], "instructions": "Be brief."},
        {"tools": [SHELL]},
        {"tools": [SEARCH], "model": "gpt-5", "reasoning": {"summary": "auto"}},
        {"text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}}},
        {"max_output_tokens": 16},
        {"model": "o3", "include": ["reasoning.encrypted_content"], "store": False},
    ],
    ids=str,
)
async def test_answers_and_every_event_have_the_documented_types(
    simulator: Simulator, asked: dict[str, Any]
) -> None:
    busy = Behaviour(output_tokens=30, reasoning_tokens=5)
    whole = (await respond(simulator, HELLO | asked, busy)).json()
    events = (await respond(simulator, STREAM | asked, busy)).events()

    Response.model_validate(whole)
    for event in events:
        EVENTS.validate_python(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    last = events[-1]["response"]
    assert last["usage"] == whole["usage"]
    assert [item["type"] for item in last["output"]] == [i["type"] for i in whole["output"]]


async def test_the_events_of_a_text_come_in_the_documented_order(simulator: Simulator) -> None:
    events = (await respond(simulator, STREAM, Behaviour(output_tokens=2))).events()

    assert [event["type"] for event in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert events[4]["delta"] + events[5]["delta"] == events[6]["text"]


async def test_every_event_has_its_name_and_no_done_follows(simulator: Simulator) -> None:
    stream = (await respond(simulator, STREAM)).body.decode()

    names = [line[7:] for line in stream.splitlines() if line.startswith("event: ")]
    assert names[0] == "response.created"
    assert len(names) == stream.count("data: ")
    assert "[DONE]" not in stream


async def test_the_bill_is_that_of_the_tokens_in_and_out(simulator: Simulator) -> None:
    """gpt-4o-mini: 15 microcents a token in, 60 out."""
    answer = await respond(simulator, HELLO, Behaviour(output_tokens=10))

    assert answer.json()["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 10,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 19,
    }
    assert simulator.total_microcents == 9 * 15 + 10 * 60


async def test_reasoning_is_paid_for_and_not_shown(simulator: Simulator) -> None:
    """gpt-5: 125 in, 1,000 out."""
    behaviour = Behaviour(reasoning_tokens=40, output_tokens=3)

    answer = (await respond(simulator, HELLO | {"model": "gpt-5"}, behaviour)).json()

    assert [item["type"] for item in answer["output"]] == ["reasoning", "message"]
    assert answer["usage"]["output_tokens_details"] == {"reasoning_tokens": 40}
    assert simulator.total_microcents == 9 * 125 + 43 * 1000


async def test_a_search_costs_a_fee_and_what_it_found(simulator: Simulator) -> None:
    """gpt-4o: 250 in, 1,000 out, a search a cent."""
    asked = HELLO | {"model": "gpt-4o", "tools": [SEARCH]}

    answer = await respond(simulator, asked, Behaviour(output_tokens=3))

    assert answer.json()["output"][0]["type"] == "web_search_call"
    assert answer.json()["usage"]["input_tokens"] == 9 + 700
    assert simulator.total_microcents == 709 * 250 + 3 * 1000 + 1_000_000


@pytest.mark.parametrize(
    ("asked", "behaviour", "searches"),
    [
        ({"max_tool_calls": 2}, Behaviour(web_searches=5), 2),
        ({"max_tool_calls": 2}, Behaviour(web_searches=5, ignore_limit=True), 5),
        ({}, Behaviour(web_searches=5), 5),
        ({"max_tool_calls": 0}, Behaviour(), 0),
        ({"tool_choice": "none"}, Behaviour(web_searches=5), 0),
        ({"tools": []}, Behaviour(web_searches=5), 0),
    ],
)
async def test_the_limit_on_searches_holds_unless_it_is_ignored(
    simulator: Simulator, asked: dict[str, Any], behaviour: Behaviour, searches: int
) -> None:
    await respond(simulator, HELLO | {"tools": [SEARCH]} | asked, behaviour)

    assert simulator.bills[0].output.web_searches == searches


async def test_a_limit_cuts_the_answer_and_says_so(simulator: Simulator) -> None:
    asked = STREAM | {"max_output_tokens": 16}

    last = (await respond(simulator, asked, Behaviour(output_tokens=50))).events()[-1]

    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert last["response"]["usage"]["output_tokens"] == 16


async def test_a_call_goes_on_from_what_was_said_before(client: AsyncOpenAI) -> None:
    first = await client.responses.create(model="gpt-4o", input="hello there")
    second = await client.responses.create(
        model="gpt-4o", input="go on", previous_response_id=first.id
    )
    alone = await client.responses.create(model="gpt-4o", input="go on")

    assert first.usage is not None
    assert second.usage is not None
    assert alone.usage is not None
    grown = second.usage.input_tokens - alone.usage.input_tokens
    # Two more messages, each framed, and the 2 + n words that were said in them.
    assert grown == 2 + first.usage.output_tokens + 2 * (3 + 1)


async def test_what_was_kept_can_be_looked_up_until_it_is_deleted(client: AsyncOpenAI) -> None:
    kept = await client.responses.create(model="gpt-4o", input="hello")

    assert (await client.responses.retrieve(kept.id)).output_text == kept.output_text
    await client.responses.delete(kept.id)

    with pytest.raises(Exception, match="404"):
        await client.responses.retrieve(kept.id)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"max_output_tokens": 15}, "invalid_value"),
        ({"previous_response_id": "resp_none"}, "previous_response_not_found"),
        ({"input": 7}, "invalid_type"),
        ({"tools": [7]}, "invalid_type"),
        ({"background": True}, None),
        ({"input": "word " * 130_000}, "context_length_exceeded"),
    ],
)
async def test_what_the_real_api_refuses_is_refused(
    simulator: Simulator, asked: dict[str, Any], code: str | None
) -> None:
    answer = await respond(simulator, HELLO | asked)

    assert (answer.status, answer.json()["error"]["code"]) == (400, code)
    assert simulator.total_microcents == 0


async def test_counting_is_free(simulator: Simulator) -> None:
    counted = await call(simulator, HELLO, path=f"{PATH}/input_tokens")

    assert counted.json() == {"object": "response.input_tokens", "input_tokens": 9}
    assert simulator.total_microcents == 0


async def test_every_kind_of_item_is_counted(simulator: Simulator) -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "one two"}]},
        {"type": "function_call", "call_id": "c", "name": "roll", "arguments": "three four"},
        {"type": "function_call_output", "call_id": "c", "output": "five six"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "seven"}]},
    ]

    answer = await respond(simulator, HELLO | {"input": items})

    # To prime the reply, 3; four messages, each 3 and its role; seven words and a name.
    assert answer.json()["usage"]["input_tokens"] == 3 + 4 * (3 + 1) + 7 + 1


async def test_a_hostile_one_bills_what_nobody_asked_for(simulator: Simulator) -> None:
    hostile = Behaviour(
        extra_prompt_tokens=91,
        cached_tokens=40,
        model="gpt-4o",
        service_tier="priority",
        output_tokens=10,
        extra_choices=1,
    )

    answer = (await respond(simulator, HELLO, hostile)).json()

    assert (answer["model"], answer["service_tier"]) == ("gpt-4o", "priority")
    assert simulator.bills[0].input == Input(prompt_tokens=100, cached_tokens=40)
    assert simulator.bills[0].output == Output(text_tokens=20)
    # Priority: $4.25 in, $2.125 cached, $17 out.
    assert simulator.total_microcents == 60 * 425 + 8_500 + 20 * 1700


async def test_usage_can_be_left_out(simulator: Simulator) -> None:
    silent = Behaviour(report=Report(place="nowhere"))

    assert (await respond(simulator, HELLO, silent)).json()["usage"] is None
    assert (await respond(simulator, STREAM, silent)).events()[-1]["response"]["usage"] is None


async def test_a_compaction_is_billed_as_any_answer_and_cannot_be_read(
    simulator: Simulator,
) -> None:
    busy = Behaviour(output_tokens=30)

    answer = (await call(simulator, HELLO, busy, path=f"{PATH}/compact")).json()

    # The types of the SDK leave the messages of the user out.
    CompactedResponse.model_validate(answer | {"output": answer["output"][1:]})
    assert [item["type"] for item in answer["output"]] == ["message", "compaction"]
    assert answer["usage"]["total_tokens"] == 39
    assert simulator.total_microcents == 9 * 15 + 30 * 60
