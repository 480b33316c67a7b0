"""The granted rung in the body: no more is changed than has to be."""

import json
from typing import Any

import pytest

from proxy.dialects.chat import CHAT
from proxy.dialects.chat.request import read_request
from proxy.dialects.dialect import Request
from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.gateway.shape import Shaped, shape
from proxy.policies import Wish
from tests.gateway.test_estimate import estimator, plan, request

FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {}}}


async def shaped(call: Request, rung: int, wish: Wish | None = None) -> Shaped:
    """The call on a rung of its plan, with the least that the rung may be granted."""
    rules = estimator(fallback_models={"gpt-4o": ("o3", "gpt-4.1-mini")})
    way = (await plan(call, rules, wish)).ways[rung]
    least = {unit: span.minimum for unit, span in way.rung.items()}
    return shape(CHAT, wish or Wish(), way, rung=rung, amounts=least)


def fields(body: bytes) -> dict[str, Any]:
    decoded = json.loads(body)
    assert isinstance(decoded, dict)
    return decoded


async def test_a_call_that_fits_leaves_byte_for_byte() -> None:
    body = b'{ "max_tokens":100, "model":"gpt-4o","messages":[{"role":"user","content":"hi"}] }'
    call = read_request(body)
    left = await shaped(call, 0)
    assert left.body is body
    assert left.caps == ()
    assert left.max_tokens is None


@pytest.mark.parametrize("field", ["max_tokens", "max_completion_tokens"])
async def test_a_shortened_call_keeps_the_field_that_its_caller_used(field: str) -> None:
    left = await shaped(request(**{field: 100}), 1)
    assert fields(left.body)[field] == 10
    assert {"max_tokens", "max_completion_tokens"} & fields(left.body).keys() == {field}
    assert left.caps == ("max_tokens",)
    assert left.max_tokens == 10


async def test_a_stand_in_gets_the_limit_in_the_field_that_it_knows() -> None:
    """Reasoning models refuse `max_tokens`."""
    left = await shaped(request(max_tokens=100), 2)
    assert fields(left.body)["model"] == "o3"
    assert fields(left.body)["max_completion_tokens"] == 100
    assert "max_tokens" not in fields(left.body)
    assert left.caps == ("model",)


async def test_a_limit_is_written_where_the_caller_gave_none() -> None:
    left = await shaped(request(), 1)
    assert fields(left.body)["max_completion_tokens"] == 10


async def test_tools_leave_by_policy_and_are_named() -> None:
    wish = Wish("p", None, Caps(tool_denylist=("f",)))
    left = await shaped(request(max_tokens=9, tools=[FUNCTION]), 0, wish)
    assert "tools" not in fields(left.body)
    assert left.caps == ("tools",)


async def test_a_tool_that_a_call_insists_on_cannot_be_taken_away() -> None:
    wish = Wish("p", None, Caps(tool_allowlist=("g",)))
    choice = {"type": "function", "function": {"name": "f"}}
    with pytest.raises(Refused) as refused:
        await shaped(request(max_tokens=9, tools=[FUNCTION], tool_choice=choice), 0, wish)
    assert refused.value.reason is Reason.TOOL_DENIED


async def test_the_usage_of_a_stream_is_asked_for_once() -> None:
    asked = await shaped(request(stream=True, stream_options={"include_usage": True}), 0)
    silent = await shaped(request(stream=True), 0)
    assert not asked.strips_usage
    assert silent.strips_usage
    assert fields(silent.body)["stream_options"] == {"include_usage": True}
    assert silent.caps == ()
