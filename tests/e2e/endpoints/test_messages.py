"""Messages through the proxy: the bill of the upstream is what is charged."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Refusal, Report, Wire
from simulator.server import Simulator
from tests.e2e.endpoints.calls import refusal, run, sent
from tests.e2e.stack import Stack, held, paid, running
from tests.e2e.wire import answered, call, exchange, read_answer, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/messages"
MODES = pytest.mark.parametrize("mode", [{}, {"stream": True}], ids=["JSON", "stream"])
KEY = "sk-ant-of-the-proxy"
WEATHER = {
    "name": "get_weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}
CACHED = {"type": "ephemeral"}
CACHED_1H = {"type": "ephemeral", "ttl": "1h"}
LONG = "All work and no play makes Jack a dull boy. " * 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A proxy whose upstream speaks Anthropic's API."""
    async with Simulator(keep_bodies=True) as simulator:
        upstream = {
            "name": "claude",
            "base_url": simulator.base_url,
            "api_key": KEY,
            "api": "anthropic",
        }
        folder = tmp_path_factory.mktemp("messages")
        async with running(folder, simulator, upstreams=[upstream]) as started:
            yield started
            open_amounts = sum(held(row) for row in await started.rows() if row.charged is None)
            assert (await started.balance()).reserved == open_amounts


def body(said: Any = "Tell me a story.", **asked: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": said}]
    return {"model": "claude-haiku-4-5", "messages": messages, "max_tokens": 40} | asked


CONVERSATION = [
    {"role": "user", "content": [{"type": "text", "text": "How is the weather? ☔"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "I should look.", "signature": "EqQBCgIYAhIM"},
            {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}},
        ],
    },
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "Rain."}],
    },
]

HONEST: list[dict[str, Any]] = [
    {},
    {"system": "You are terse."},
    {"system": [{"type": "text", "text": LONG, "cache_control": CACHED}]},
    {"system": [{"type": "text", "text": LONG, "cache_control": CACHED_1H}]},
    {"messages": CONVERSATION, "tools": [WEATHER]},
    {"tools": [WEATHER], "tool_choice": {"type": "any"}},
    {"tools": [SEARCH]},
    {"tools": [{"type": "web_search_20260318", "name": "web_search"}]},
    {"model": "claude-opus-4-5", "thinking": {"type": "adaptive"}, "max_tokens": 3_000},
    {"thinking": {"type": "enabled", "budget_tokens": 1_024}, "max_tokens": 3_000},
    {"model": "claude-sonnet-5-5", "service_tier": "standard_only"},
    {"model": "claude-haiku-5-5", "system": LONG},
]


@MODES
@pytest.mark.parametrize("asked", HONEST, ids=lambda asked: str(asked)[:60])
async def test_an_honest_bill_is_within_the_hold(
    stack: Stack, asked: dict[str, Any], mode: dict[str, Any]
) -> None:
    outcome = await run(stack, PATH, body() | asked | mode)

    outcome.assert_within_the_hold()
    assert (outcome.through.status, outcome.through.whole) == (200, True)
    if "web_search_20260318" not in str(asked):  # that one gets a limit written into it
        assert outcome.through.body == outcome.expected


@MODES
@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(extra_prompt_tokens=500),
        Behaviour(output_tokens=900, ignore_limit=True),
        Behaviour(reasoning_tokens=30),
        Behaviour(extra_prompt_tokens=90, cached_tokens=64),
        Behaviour(extra_prompt_tokens=300, cache_write_tokens=64, cache_write_1h_tokens=100),
        Behaviour(model="claude-opus-4-5-20251101"),
        Behaviour(output_tokens=0),
        Behaviour(wire=Wire(compression="zstd", write_bytes=(1, 7))),
        Behaviour(wire=Wire(line_end="\r\n", comments=True, unknown_events=True)),
    ],
    ids=lambda behaviour: next(iter(behaviour.header().values())),
)
async def test_whatever_the_upstream_consumes_is_charged(
    stack: Stack, behaviour: Behaviour, mode: dict[str, Any]
) -> None:
    outcome = await run(stack, PATH, body() | mode, behaviour)

    outcome.assert_charged_by_bill()
    assert outcome.through.whole


@pytest.mark.parametrize("shape", ["negative", "no_counts", "booleans", "empty"])
@MODES
async def test_nonsense_charges_the_hold(stack: Stack, mode: dict[str, Any], shape: Any) -> None:
    outcome = await run(stack, PATH, body() | mode, Behaviour(report=Report(shape=shape)))

    assert outcome.row.estimated
    assert paid(outcome.row) >= held(outcome.row) >= outcome.bill.amount_microcents


@pytest.mark.parametrize("after", [0, 1, 3])
async def test_a_stream_that_breaks_off_stays_uncertain(stack: Stack, after: int) -> None:
    cut = Behaviour(output_tokens=20, cut=Cut(at="event", after=after))
    outcome = await run(stack, PATH, body() | {"stream": True}, cut)

    assert outcome.row.state is State.UNCERTAIN
    assert not outcome.through.whole
    assert outcome.bill.amount_microcents <= held(outcome.row)


async def test_an_error_of_the_upstream_passes_and_costs_nothing(stack: Stack) -> None:
    behaviour = Behaviour(refusal=Refusal(status=529))
    stack.simulator.reset()
    stack.simulator.behave(behaviour)
    answer = await answered(stack.base_url, body(), path=PATH)

    assert answer.status == 529
    assert answer.json()["error"]["type"] == "overloaded_error"
    assert (await stack.rows())[-1].state is State.RELEASED
    stack.simulator.reset()
    stack.simulator.behave(Behaviour())


async def test_the_upstream_sees_its_own_key_its_version_and_the_query(stack: Stack) -> None:
    stack.simulator.reset()
    await answered(stack.base_url, body(), path=f"{PATH}?beta=true")

    (seen,) = stack.simulator.requests_seen
    assert seen.path == f"{PATH}?beta=true"
    assert (seen.headers["x-api-key"], seen.headers["anthropic-version"]) == (KEY, "2023-06-01")
    assert "authorization" not in seen.headers


@pytest.mark.parametrize("brought", ["x-api-key: theirs", "Authorization: Bearer theirs"])
async def test_a_key_that_is_passed_on_stays_in_its_header(
    tmp_path_factory: pytest.TempPathFactory, brought: str
) -> None:
    async with Simulator() as simulator:
        upstream = {
            "name": "claude",
            "base_url": simulator.base_url,
            "api_key": "passthrough",
            "api": "anthropic",
        }
        folder = tmp_path_factory.mktemp("passed")
        async with running(folder, simulator, upstreams=[upstream]) as stack:
            answer = await call(
                stack.base_url, body(), brought, "anthropic-version: 2030-01-01", path=PATH
            )

        assert answer is not None
        assert answer.status == 200
        (seen,) = simulator.requests_seen
        keys = {"x-api-key", "authorization"} & {name.lower() for name in seen.headers}
        name, _, value = brought.partition(": ")
        assert keys == {name.lower()}
        assert (seen.headers[name], seen.headers["anthropic-version"]) == (value, "2030-01-01")


async def test_a_search_without_a_limit_gets_one(stack: Stack) -> None:
    stack.simulator.reset()
    search = {"type": "web_search_20260318", "name": "web_search"}
    answer = await answered(stack.base_url, body(tools=[search]), path=PATH)

    assert sent(stack)["tools"] == [search | {"max_uses": 4}]
    assert "x-budget-caps" not in answer.headers


async def test_a_short_budget_lowers_the_limit_and_the_thought_with_it(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    async with Simulator(keep_bodies=True) as simulator:
        upstream = {
            "name": "claude",
            "base_url": simulator.base_url,
            "api_key": "none",
            "api": "anthropic",
        }
        budget = {"scope": "tenant:dev", "allocated": "$0.10", "period": "none"}
        folder = tmp_path_factory.mktemp("short")
        async with running(folder, simulator, upstreams=[upstream], budgets=[budget]) as stack:
            thinking = {"type": "enabled", "budget_tokens": 24_000}
            asked = body(thinking=thinking, max_tokens=32_000)
            answer = await answered(stack.base_url, asked, path=PATH)

            assert answer.status == 200
            limit = int(answer.headers["x-budget-max-tokens"])
            assert 1_280 <= limit < 32_000
            lowered = {"type": "enabled", "budget_tokens": 24_000 * limit // 32_000}
            assert (sent(stack)["max_tokens"], sent(stack)["thinking"]) == (limit, lowered)
            (bill,) = simulator.bills
            row = await stack.row()
            assert paid(row) == bill.amount_microcents <= held(row)


async def test_counting_tokens_costs_nothing(stack: Stack) -> None:
    before = len(await stack.rows())
    stack.simulator.reset()
    asked = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "x"}]}
    answer = await answered(stack.base_url, asked, path=f"{PATH}/count_tokens?beta=true")

    assert (answer.status, answer.json()["input_tokens"] > 0) == (200, True)
    assert json.loads(stack.simulator.requests_seen[0].body or b"") == asked
    assert len(await stack.rows()) == before


@pytest.mark.parametrize(
    ("path", "asked", "kind", "reason"),
    [
        (PATH, body(max_tokens=None), "invalid_request_error", "invalid_request"),
        (PATH, body(model="claude-99"), "invalid_request_error", "model_not_priced"),
        (PATH, body(fallbacks="default"), "invalid_request_error", "unbounded_cost"),
        (
            PATH,
            body(tools=[{"type": "code_execution_20250825", "name": "code_execution"}]),
            "invalid_request_error",
            "unbounded_cost",
        ),
        (
            PATH,
            body(model="claude-sonnet-5", speed="fast"),
            "invalid_request_error",
            "model_not_priced",
        ),
        (f"{PATH}/batches", {"requests": []}, "permission_error", "path_not_allowed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_does_not_leave_is_refused_in_the_shape_of_the_api(
    stack: Stack, path: str, asked: dict[str, Any], kind: str, reason: str
) -> None:
    error = await refusal(stack, path, asked)

    assert (error["type"], error["budget"]["reason"]) == (kind, reason)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_who_asks_whether_anybody_is_there_hears_an_honest_no(
    stack: Stack, method: str
) -> None:
    request = request_bytes(path="/", method=method)
    answer = read_answer(await exchange(stack.base_url, request))

    assert answer is not None
    assert answer.status == 404
    assert bool(answer.body) is (method == "GET")
