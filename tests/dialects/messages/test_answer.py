"""What a whole answer says about itself."""

import json
from typing import Any

import pytest

from pricing.usage import Usage
from proxy.dialects.answer import add_cost
from proxy.dialects.dialect import ErrorWords
from proxy.dialects.messages.answer import read_answer
from proxy.dialects.messages.error import error_body
from proxy.dialects.usage import UsageFault
from tests.dialects.messages.examples import ANSWER, encoded

_USAGE = Usage(12, 6, tool_calls={"web_search": 0})


def test_the_documented_answer() -> None:
    answer = read_answer(encoded(ANSWER))
    assert (answer.usage, answer.usage_fault, answer.complete) == (_USAGE, None, True)
    assert (answer.model, answer.service_tier) == ("claude-opus-4-5-20251101", "default")
    assert (answer.choices, answer.countable) == (1, True)
    assert answer.delivered_texts() == ("Hello!",)


def test_everything_that_the_model_wrote_was_delivered() -> None:
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "EqQB"},
        {"type": "redacted_thinking", "data": "EmwK"},
        {"type": "text", "text": "So:", "citations": [{"cited_text": "not billed"}]},
        {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": "Rome"}},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "content": [{"text": "not written"}]},
        {"type": "mcp_tool_result", "tool_use_id": "m", "content": "not written"},
        {"type": "tool_use", "name": "no_input", "input": {}},
        {"type": 7, "text": "odd"},
        7,
    ]
    assert read_answer(encoded(ANSWER | {"content": content})).delivered_texts() == (
        "Hm.",
        "So:",
        "get_weather",
        '{"city":"Rome"}',
        "web_search",
        '{"query":"x"}',
        "no_input",
        "odd",
    )


def test_cut_at_every_byte_it_is_never_complete_and_what_came_counts() -> None:
    sent = encoded(ANSWER)
    for length in range(len(sent)):
        answer = read_answer(sent[:length])
        assert not answer.complete
        assert answer.usage is None
        if sent[:length].count(b"Hello!"):
            assert answer.delivered_texts() == ("Hello!",)


@pytest.mark.parametrize(
    ("body", "usage", "fault"),
    [
        ({}, None, None),
        (ANSWER | {"usage": None}, None, None),
        (ANSWER | {"usage": {"input_tokens": 1}}, None, UsageFault.INCOMPLETE),
        (ANSWER | {"usage": [1]}, None, UsageFault.NOT_A_COUNT),
        (ANSWER | {"content": None}, _USAGE, None),
        ({"type": "error", "error": {"type": "api_error", "message": "x"}}, None, None),
        ([ANSWER], None, None),
        (ANSWER | {"content": [{"type": ["tool_use"], "input": {"a": 1}}]}, _USAGE, None),
    ],
)
def test_odd_answers_are_read_as_far_as_they_go(
    body: object, usage: Usage | None, fault: UsageFault | None
) -> None:
    answer = read_answer(encoded(body))
    assert (answer.usage, answer.usage_fault) == (usage, fault)
    is_message = isinstance(body, dict) and isinstance(body.get("content"), list)
    assert answer.complete is is_message
    assert answer.choices <= 1


def test_the_cost_stands_beside_the_usage() -> None:
    shown: dict[str, Any] = json.loads(add_cost(encoded(ANSWER), "0.0002"))
    assert shown == ANSWER | {"usage": ANSWER["usage"] | {"cost_usd": "0.0002"}}
    for without in (b"{}", b"[]", b"no"):
        assert add_cost(without, "1") == without


def test_a_refusal_has_the_shape_of_the_api() -> None:
    words = ErrorWords("insufficient_quota", "insufficient_quota", "billing_error")
    body = error_body(words, "Enough.", param="model", budget={"reason": "budget_exceeded"})
    assert json.loads(body) == {
        "type": "error",
        "error": {
            "type": "billing_error",
            "message": "Enough.",
            "budget": {"reason": "budget_exceeded"},
        },
    }
