"""Calls in which the provider runs tools: their limit, their hold, and what they cost."""

import json
from typing import Any

import pytest

from proxy.dialects.chat import CHAT
from proxy.dialects.chat.request import read_request as read_chat
from proxy.dialects.dialect import Request
from proxy.dialects.responses import COMPACTION, RESPONSES
from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.gateway.estimate import Plan
from proxy.gateway.shape import Shaped, shape
from proxy.policies import Wish
from tests.gateway.test_estimate import NOW_MS, estimator

SEARCH = {"type": "web_search"}
CAPPED = Wish("thrift", None, Caps(max_tokens=50))
USD = Unit.USD_MICROCENTS


def _call(**fields: object) -> Request:
    asked = {"model": "gpt-4.1", "input": "hi", "max_output_tokens": 100} | fields
    return RESPONSES.read_request(json.dumps(asked).encode())


async def _plan(call: Request) -> Plan:
    return await estimator().plan(RESPONSES, call, Wish(), at_ms=NOW_MS)


async def _shaped(call: Request, rung: int) -> tuple[Shaped, dict[str, Any]]:
    way = (await _plan(call)).ways[rung]
    least = {unit: span.minimum for unit, span in way.rung.items()}
    left = shape(RESPONSES, Wish(), way, rung=rung, amounts=least)
    return left, json.loads(left.body)


async def test_a_loop_without_an_end_gets_one_which_is_no_cap() -> None:
    left, sent = await _shaped(_call(tools=[SEARCH]), 0)
    assert sent["max_tool_calls"] == 4
    assert (left.caps, left.max_tokens) == ((), None)


@pytest.mark.parametrize("fields", [{}, {"tools": [SEARCH], "max_tool_calls": 9}])
async def test_a_call_that_needs_no_end_keeps_its_bytes(fields: dict[str, Any]) -> None:
    call = _call(**fields)
    left, _ = await _shaped(call, 0)
    assert left.body is call.body


async def test_a_shortened_call_has_both_limits() -> None:
    left, sent = await _shaped(_call(tools=[SEARCH]), 1)
    assert (sent["max_output_tokens"], sent["max_tool_calls"]) == (10, 4)
    assert left.caps == ("max_tokens",)


async def test_each_call_more_is_held_with_its_fee_and_a_context() -> None:
    """$10 a thousand searches; $2 a million tokens, 128,000 of them from the web."""
    one, two = [
        (await _plan(_call(tools=[SEARCH], max_tool_calls=calls))).ways[0] for calls in (1, 2)
    ]
    seen = one.bound.total_tokens - one.bound.unseen_tokens
    assert two.rung[USD].want - one.rung[USD].want == 1_000_000 + (seen + 128_000) * 200


@pytest.mark.parametrize("name", ["image_generation", "code_interpreter", "a_tool_of_tomorrow"])
async def test_a_tool_whose_fee_nobody_lists_is_not_priced(name: str) -> None:
    with pytest.raises(Refused) as refused:
        await _plan(_call(tools=[{"type": name}]))
    assert refused.value.reason is Reason.MODEL_NOT_PRICED
    assert name in str(refused.value)


async def test_what_cannot_be_seen_leaves_room_for_an_answer() -> None:
    """A model that publishes a window and no limit may answer as long as both fit."""
    call = _call(model="windowed", previous_response_id="resp_1", max_output_tokens=None)
    way = (await _plan(call)).ways[0]
    counted = way.bound.total_tokens - way.bound.unseen_tokens
    assert way.bound.total_tokens == 1_000
    assert (way.output_tokens, way.writes_limit) == (1_000 - counted, True)


async def test_an_api_without_a_limit_gets_none() -> None:
    asked = json.dumps({"model": "gpt-4.1", "input": "hi"}).encode()
    call = COMPACTION.read_request(asked)
    plan = await estimator().plan(COMPACTION, call, CAPPED, at_ms=NOW_MS)
    (way,) = plan.ways
    assert (way.output_tokens, way.writes_limit) == (32_768, False)
    amounts = {unit: span.want for unit, span in way.rung.items()}
    left = shape(COMPACTION, CAPPED, way, rung=0, amounts=amounts)
    assert left.body is call.body


async def test_chat_is_shortened_as_ever() -> None:
    call = read_chat(b'{"model":"gpt-4.1","messages":[{"role":"user","content":"hi"}]}')
    plan = await estimator().plan(CHAT, call, Wish(), at_ms=NOW_MS)
    assert len(plan.ways) == 2


@pytest.mark.parametrize("name", ["image_generation", "file_search"])
async def test_what_policy_takes_away_is_neither_priced_nor_held(name: str) -> None:
    wish = Wish("thrift", None, Caps(tool_denylist=(name,)))
    plain = (await _plan(_call())).ways[0]
    call = _call(tools=[{"type": name}])
    way = (await estimator().plan(RESPONSES, call, wish, at_ms=NOW_MS)).ways[0]
    assert way.rung == plain.rung
