"""Responses through the proxy: the bill of the upstream is what is charged."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Refusal, Report, Wire
from simulator.server import Simulator
from tests.e2e.endpoints.calls import refusal, run, sent
from tests.e2e.stack import Stack, held, paid, running
from tests.e2e.wire import RawAnswer, answered, exchange, read_answer, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/responses"
QUIET = {"stream_options": {"include_obfuscation": False}}
STREAM = {"stream": True, **QUIET}
MODES = pytest.mark.parametrize("mode", [{}, STREAM], ids=["JSON", "stream"])
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SEARCH = {"type": "web_search"}


def body(said: Any = "Tell me a story.", model: str = "gpt-4.1", **asked: Any) -> dict[str, Any]:
    return {"model": model, "input": said, "max_output_tokens": 40} | asked


CONVERSATION = [
    {"role": "developer", "content": "Be terse."},
    {"role": "user", "content": [{"type": "input_text", "text": "How is the weather? ☔"}]},
    {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c1", "output": "Four degrees and rain."},
]

HONEST: list[dict[str, Any]] = [
    {},
    {"instructions": "You are terse."},
    {"input": CONVERSATION, "tools": [WEATHER]},
    {"tools": [WEATHER, {"type": "custom", "name": "sql"}], "tool_choice": "required"},
    {"tools": [SEARCH], "max_tool_calls": 2},
    {"text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}},
    {"model": "o4-mini", "max_output_tokens": 500, "reasoning": {"effort": "high"}},
    {"model": "gpt-5-mini", "service_tier": "flex", "max_output_tokens": 300},
    {"service_tier": "priority", "max_output_tokens": 30},
    {"prompt": {"id": "pmpt_1"}, "max_tool_calls": 0},
]


@MODES
@pytest.mark.parametrize("asked", HONEST, ids=str)
async def test_an_honest_bill_is_within_the_hold(
    stack: Stack, asked: dict[str, Any], mode: dict[str, Any]
) -> None:
    outcome = await run(stack, PATH, body() | asked | mode)

    outcome.assert_within_the_hold()
    assert (outcome.through.status, outcome.through.body) == (200, outcome.expected)


@MODES
@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(extra_prompt_tokens=500),
        Behaviour(output_tokens=900, ignore_limit=True),
        Behaviour(reasoning_tokens=30),
        Behaviour(extra_prompt_tokens=90, cached_tokens=64),
        Behaviour(model="gpt-4.1-mini-2025-04-14"),
        Behaviour(output_tokens=0),
        Behaviour(wire=Wire(compression="zstd", write_bytes=(1, 7))),
        Behaviour(wire=Wire(line_end="\r\n", comments=True)),
    ],
    ids=str,
)
async def test_whatever_the_upstream_consumes_is_charged(
    stack: Stack, behaviour: Behaviour, mode: dict[str, Any]
) -> None:
    outcome = await run(stack, PATH, body() | mode, behaviour)

    outcome.assert_charged_by_bill()
    assert outcome.through.whole
    assert outcome.through.body == outcome.direct.body


@MODES
async def test_only_the_searches_that_were_made_are_paid_for(
    stack: Stack, mode: dict[str, Any]
) -> None:
    asked = body(tools=[SEARCH], max_tool_calls=5) | mode
    twice = await run(stack, PATH, asked, Behaviour(web_searches=2))
    never = await run(stack, PATH, asked, Behaviour(web_searches=0))

    twice.assert_within_the_hold()
    never.assert_within_the_hold()
    assert twice.bill.output.web_searches == 2
    assert paid(twice.row) > 2 * 1_000_000 > paid(never.row)
    # Five searches, and the context read six times: $2 for 2 + 5 x 130 thousand tokens.
    assert held(never.row) >= 5 * 1_000_000 + 5 * 128_000 * 200


@MODES
@pytest.mark.parametrize(
    ("tool", "limit"), [(SEARCH, 4), (WEATHER, None)], ids=["a loop", "no loop"]
)
async def test_a_loop_without_an_end_gets_one_and_no_other_call_is_touched(
    tmp_path: Path, mode: dict[str, Any], tool: dict[str, Any], limit: int | None
) -> None:
    asked = body(tools=[tool]) | mode
    async with Simulator(keep_bodies=True) as simulator, running(tmp_path, simulator) as stack:
        answer = await answered(stack.base_url, asked, path=PATH)

        assert sent(stack) == asked | ({} if limit is None else {"max_tool_calls": limit})
        assert answer.headers["x-budget-decision"] == "ALLOW"
        assert "x-budget-caps" not in answer.headers
        assert paid(await stack.row()) == simulator.total_microcents


async def test_an_answer_is_shortened_in_the_field_of_this_api(tmp_path: Path) -> None:
    little = [{"scope": "tenant:dev", "allocated": "$0.05", "period": "none"}]
    asked = {"model": "gpt-4.1", "input": "Tell me a story."}
    async with (
        Simulator(keep_bodies=True) as simulator,
        running(tmp_path, simulator, budgets=little) as stack,
    ):
        answer = await answered(stack.base_url, asked, path=PATH)

        limit = sent(stack)["max_output_tokens"]
        assert sent(stack) == asked | {"max_output_tokens": limit}
        assert 256 <= limit < 32_768
        assert answer.headers["x-budget-caps"] == "max_tokens"
        assert answer.headers["x-budget-max-tokens"] == str(limit)
        assert paid(await stack.row()) == simulator.total_microcents <= held(await stack.row())


async def test_what_went_before_is_bounded_by_the_window(stack: Stack) -> None:
    first = await run(stack, PATH, body("A long story, please."))
    resumed = body("Go on.", previous_response_id=first.through.json()["id"])
    # The upstream forgets between the two calls of `run`, so it is asked once.
    answer = await answered(stack.base_url, resumed, path=PATH)

    row = (await stack.rows())[-1]
    assert answer.status == 200
    assert held(row) >= 1_047_576 * 200
    assert paid(row) == stack.simulator.bills[-1].amount_microcents


@pytest.mark.parametrize(
    ("report", "estimated"),
    [(Report(place="nowhere"), True), (Report(shape="negative"), True), (Report(), False)],
    ids=["no usage", "nonsense", "usage"],
)
@MODES
async def test_without_a_usage_what_was_delivered_is_charged(
    stack: Stack, mode: dict[str, Any], report: Report, estimated: bool
) -> None:
    outcome = await run(stack, PATH, body() | mode, Behaviour(report=report))

    assert outcome.row.estimated is estimated
    assert paid(outcome.row) >= outcome.bill.amount_microcents
    assert paid(outcome.row) <= held(outcome.row)


async def test_a_stream_that_breaks_off_is_charged_what_came(stack: Stack) -> None:
    behaviour = Behaviour(output_tokens=30, cut=Cut(at="event", after=9))
    outcome = await run(stack, PATH, body() | STREAM, behaviour)

    assert not outcome.through.whole
    assert (outcome.row.state, outcome.row.estimated) == (State.COMMITTED, True)
    assert paid(outcome.row) >= outcome.bill.amount_microcents


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_a_refusal_of_the_upstream_costs_nothing(stack: Stack, status: int) -> None:
    stack.simulator.reset()
    stack.simulator.behave(Behaviour(refusal=Refusal(status=status)))
    calls = len(stack.log.events("call"))
    answer = await answered(stack.base_url, body(), path=PATH)
    await stack.log.until("call", calls + 1)

    assert answer.status == status
    assert (await stack.rows())[-1].state is State.RELEASED


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"background": True}, "invalid_request"),
        ({"max_output_tokens": "many"}, "invalid_request"),
        ({"tools": [{"type": "image_generation"}]}, "model_not_priced"),
        ({"tools": [{"type": "code_interpreter", "container": "auto"}]}, "model_not_priced"),
        ({"model": "no-such-model"}, "model_not_priced"),
    ],
    ids=str,
)
async def test_what_cannot_be_metered_does_not_leave(
    stack: Stack, fields: dict[str, Any], reason: str
) -> None:
    assert (await refusal(stack, PATH, body() | fields))["code"] == reason


async def _through(stack: Stack, method: str, path: str, sent_body: bytes = b"") -> RawAnswer:
    """A request of any kind."""
    request = request_bytes(sent_body, method=method, path=path)
    answer = read_answer(await exchange(stack.base_url, request))
    assert answer is not None
    return answer


async def _asked_again(stack: Stack, method: str, path: str, sent_body: bytes = b"") -> int:
    """The status of a request that costs nothing."""
    rows = await stack.rows()
    books = await stack.charged_and_uncovered()
    calls = len(stack.log.events("call"))
    answer = await _through(stack, method, path, sent_body)
    await stack.log.until("call", calls + 1)
    assert await stack.rows() == rows
    assert await stack.charged_and_uncovered() == books
    assert stack.log.events("call")[-1]["api"] == "responses"
    return answer.status


async def test_what_was_answered_before_is_not_charged_again(stack: Stack) -> None:
    first = await run(stack, PATH, body())
    stored = f"{PATH}/{first.through.json()['id']}"

    assert await _asked_again(stack, "GET", stored) == 200
    assert await _asked_again(stack, "GET", f"{stored}?include[]=x&stream=false") == 200
    assert await _asked_again(stack, "GET", f"{stored}/input_items?limit=2") == 200
    assert await _asked_again(stack, "POST", f"{stored}/cancel") == 400
    assert await _asked_again(stack, "DELETE", stored) == 200
    assert await _asked_again(stack, "GET", stored) == 404
    counted = json.dumps({"model": "gpt-4.1", "input": "How long is this?"}).encode()
    assert await _asked_again(stack, "POST", f"{PATH}/input_tokens", counted) == 200


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", f"{PATH}/resp_1?stream=true", "invalid_request"),
        ("GET", f"{PATH}/resp_1?stream", "invalid_request"),
        ("GET", f"{PATH}/resp_1?starting_after=3&stream=True", "invalid_request"),
        ("GET", PATH, "path_not_allowed"),
        ("GET", f"{PATH}/resp_1/..", "path_not_allowed"),
        ("GET", f"{PATH}/resp_1%2F..%2F..%2Ffiles", "path_not_allowed"),
        ("POST", f"{PATH}/resp_1", "path_not_allowed"),
        ("POST", f"{PATH}/resp_1/input_items", "path_not_allowed"),
        ("PUT", f"{PATH}/resp_1", "path_not_allowed"),
        ("POST", "/v1/conversations", "path_not_allowed"),
    ],
)
async def test_what_is_beside_them_does_not_pass(
    stack: Stack, method: str, path: str, reason: str
) -> None:
    stack.simulator.reset()
    answer = await _through(stack, method, path)
    assert answer.error()["code"] == reason
    assert stack.simulator.requests_seen == []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sdk(stack: Stack) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=stack.base_url, api_key="any") as through:
        yield through


async def test_the_official_client_is_served(stack: Stack, sdk: AsyncOpenAI) -> None:
    stack.simulator.reset()
    stack.simulator.behave(Behaviour())
    before, _ = await stack.charged_and_uncovered()
    calls = len(stack.log.events("call"))

    whole = await sdk.responses.create(model="gpt-4.1", input="Tell me a story.")
    async with sdk.responses.stream(
        model="gpt-4.1", input="Tell me another.", previous_response_id=whole.id
    ) as stream:
        kinds = [event.type async for event in stream]
        last = await stream.get_final_response()
    again = await sdk.responses.retrieve(whole.id)
    counted = await sdk.responses.input_tokens.count(model="gpt-4.1", input="How long is this?")

    await stack.log.until("call", calls + 4)
    assert (again.output_text, again.usage) == (whole.output_text, whole.usage)
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert last.usage is not None
    assert counted.input_tokens > 0
    charged, uncovered = await stack.charged_and_uncovered()
    assert (charged - before, uncovered) == (stack.simulator.total_microcents, 0)
