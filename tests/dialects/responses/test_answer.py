"""What a whole response says, delivered and cost."""

import json
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.catalogue import Catalogue
from pricing.cost import cost
from pricing.usage import Usage
from proxy.dialects.answer import add_cost
from proxy.dialects.responses.answer import read_answer
from proxy.dialects.responses.usage import read_usage
from proxy.dialects.usage import UsageFault
from tests.dialects.responses.examples import (
    ANSWER,
    CALL,
    STORY_TEXT,
    encoded,
    message,
    response,
    usage,
)

NONE_CALLED = {
    **dict.fromkeys(("web_search", "web_search_preview", "file_search"), 0),
    **dict.fromkeys(("code_interpreter", "image_generation"), 0),
}
_SEARCHED = {"type": "web_search_call", "status": "completed", "action": {"type": "search"}}
_OPENED = {"type": "web_search_call", "action": {"type": "open_page", "url": "https://a.example"}}
_FILES = {"type": "file_search_call", "queries": ["q"], "results": [{"text": "found"}]}
_AT_MS = 1_794_700_800_000  # 15 November 2026


def _bill(answer: dict[str, Any], model: str) -> Decimal:
    """In dollars, by the published price of a model."""
    found = Catalogue().model(model, provider="openai", from_ms=_AT_MS, until_ms=_AT_MS)
    read = read_answer(encoded(answer))
    assert read.usage is not None
    amount = cost(
        found.card,
        read.usage,
        cached_in_input=True,
        service_tier=None if read.service_tier == "default" else read.service_tier,
        multiplier=Fraction(1),
    )
    return Decimal(amount) / 100_000_000


@pytest.mark.parametrize(
    ("answer", "model", "usd"),
    [
        # gpt-4.1: 2.00 in, 0.50 cached, 8.00 out a million; 10.00 and 2.50 a thousand calls
        (ANSWER, "gpt-4.1", "0.000768"),
        (response(usage=usage(1_000, 100, cached=400)), "gpt-4.1", "0.0022"),
        (response(_SEARCHED, _OPENED, message("x"), usage=usage(328, 356)), "gpt-4.1", "0.013504"),
        (response(_FILES, message("x"), usage=usage(18_307, 348)), "gpt-4.1", "0.041898"),
        (response(usage=usage(36, 87), service_tier="priority"), "gpt-4.1", "0.001344"),
        # o3-mini: 1.10 in, 4.40 out; reasoning is output
        (response(usage=usage(81, 1_035, reasoned=832)), "o3-mini", "0.0046431"),
    ],
)
def test_documented_answers_have_the_documented_prices(
    answer: dict[str, Any], model: str, usd: str
) -> None:
    assert _bill(answer, model) == Decimal(usd)


def test_the_documented_answer() -> None:
    answer = read_answer(encoded(ANSWER))
    assert answer.usage == Usage(36, 87, tool_calls=NONE_CALLED)
    assert (answer.model, answer.service_tier) == ("gpt-4.1-2025-04-14", "default")
    assert (answer.complete, answer.choices, answer.countable) == (True, 1, True)
    assert answer.delivered_texts() == (STORY_TEXT,)


def test_every_part_of_a_usage_is_read() -> None:
    reported = usage(1_000, 200, cached=300, reasoned=150)
    reported["input_tokens_details"] |= {
        "cache_write_tokens": 90,
        "cache_write_tokens_details": {"ttl_30m_tokens": 50, "ttl_12h_tokens": 40},
    }
    reported["output_tokens_details"] |= {"image_tokens": 30}
    read, fault = read_usage({"usage": reported})
    assert fault is None
    assert read == Usage(
        1_000,
        200,
        cache_read_tokens=300,
        cache_write_tokens=90,
        cache_write_1h_tokens=40,
        output_image_tokens=30,
        reasoning_tokens=150,
        tool_calls=NONE_CALLED,
    )


def test_searches_that_the_upstream_counts_count_as_it_says() -> None:
    counted = response(_SEARCHED, tool_usage={"web_search": {"num_requests": 3}})
    discounted = response(_SEARCHED, _SEARCHED, tool_usage={"web_search": {"num_requests": 0}})
    odd = response(_SEARCHED | {"action": {"type": ["search"]}}, _OPENED)
    for answer, searches in ((counted, 3), (discounted, 0), (odd, 1)):
        read, _ = read_usage(answer)
        assert read is not None
        assert read.tool_calls == NONE_CALLED | {"web_search": searches}


def test_what_an_upstream_says_it_billed_is_read() -> None:
    read, _ = read_usage({"usage": usage(9, 9) | {"cost": 0.00014}})
    assert read is not None
    assert read.billed_microcents == 14_000


def test_searches_of_the_older_tool_are_its_own() -> None:
    tool = {"type": "web_search_preview_2025_03_11"}
    read, _ = read_usage(response(_SEARCHED, _SEARCHED, tools=[tool]))
    assert read is not None
    assert read.tool_calls == NONE_CALLED | {"web_search_preview": 2}


def test_zero_is_a_usage_and_nothing_is_none() -> None:
    assert read_usage({"usage": usage(0, 0)}) == (Usage(0, 0, tool_calls=NONE_CALLED), None)
    assert read_usage({}) == (None, None)
    assert read_usage({"usage": None}) == (None, None)


def test_reasoning_that_the_output_leaves_out_is_in_the_total() -> None:
    read, _ = read_usage({"usage": usage(10, 5) | {"total_tokens": 40}})
    assert read is not None
    assert read.output_tokens == 30


@pytest.mark.parametrize(
    ("reported", "fault"),
    [
        ("many", UsageFault.NOT_A_COUNT),
        ({}, UsageFault.INCOMPLETE),
        ({"input_tokens": 1}, UsageFault.INCOMPLETE),
        ({"input_tokens": -1, "output_tokens": 1}, UsageFault.NOT_A_COUNT),
        ({"input_tokens": 1, "output_tokens": 2**40}, UsageFault.IMPLAUSIBLE),
        (usage(9, 9) | {"total_tokens": 3}, UsageFault.CONTRADICTORY),
        (usage(9, 9, cached=10), UsageFault.CONTRADICTORY),
        (usage(9, 9, reasoned=10), UsageFault.CONTRADICTORY),
    ],
)
def test_nonsense_counts_as_missing(reported: Any, fault: UsageFault) -> None:
    answer = read_answer(encoded(ANSWER | {"usage": reported}))
    assert (answer.usage, answer.usage_fault) == (None, fault)


def test_all_that_the_model_wrote_was_delivered_and_nothing_else() -> None:
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}
    items = [
        thought | {"encrypted_content": "sealed"},
        CALL,
        {"type": "custom_tool_call", "name": "sql", "input": "select 1"},
        {"type": "mcp_call", "name": "ask", "arguments": "{}", "output": "not written"},
        {"type": "code_interpreter_call", "code": "1+1", "outputs": [{"logs": "not written"}]},
        {"type": "function_call_output", "output": "not written"},
        {"type": "mcp_list_tools", "tools": [{"name": "not written"}]},
        {"type": "web_search_call", "action": {"type": "search", "query": "q", "odd": ["é"]}},
        {"type": "an_item_of_tomorrow", "words": "w", "results": ["not written"]},
        message("a") | {"content": [{"type": "refusal", "refusal": "no"}]},
    ]
    texts = read_answer(encoded(response(*items))).delivered_texts()
    assert texts == (
        "hm",
        "get_current_weather",
        CALL["arguments"],
        *("sql", "select 1", "ask", "{}", "1+1"),
        '{"action":{"type":"search","query":"q","odd":["é"]}}',
        '{"words":"w"}',
        "no",
    )


@pytest.mark.parametrize("status", ["queued", "in_progress"])
def test_what_is_still_being_made_is_no_bound_of_what_will_be_billed(status: str) -> None:
    answer = read_answer(encoded(response(status=status, usage=None)))
    assert (answer.usage, answer.countable) == (None, False)


@pytest.mark.parametrize("status", ["incomplete", "failed", "cancelled"])
def test_an_answer_may_end_early_and_is_whole_all_the_same(status: str) -> None:
    answer = read_answer(encoded(response(message("x"), status=status)))
    assert (answer.complete, answer.countable) == (True, True)


def test_the_tier_that_was_asked_for_is_not_the_one_that_served() -> None:
    assert read_answer(encoded(response(service_tier="auto"))).service_tier is None


def test_what_came_of_an_answer_that_breaks_off_is_found() -> None:
    whole = encoded(ANSWER)
    for length in range(len(whole)):
        answer = read_answer(whole[:length])
        assert not answer.complete
        assert answer.usage is None
        came = whole[:length].partition(b'"text": "')[2].partition(b'"')[0]
        assert came.decode() in "".join(answer.delivered_texts())


def test_a_compaction_is_an_answer_too() -> None:
    items = [message("kept"), {"type": "compaction", "id": "c", "encrypted_content": "gAAAA"}]
    made = {"object": "response.compaction", "output": items, "usage": usage(139, 438)}
    answer = read_answer(encoded(made))
    assert (answer.complete, answer.usage) == (True, Usage(139, 438, tool_calls=NONE_CALLED))
    assert "gAAAA" in "".join(answer.delivered_texts())


def test_the_cost_goes_into_the_usage_and_every_other_byte_stays() -> None:
    whole = encoded(ANSWER)
    told = add_cost(whole, "0.000768")
    read = json.loads(told)
    assert read["usage"].pop("cost_usd") == "0.000768"
    assert read == ANSWER
    assert b'"created_at":1741476542,' in told
    for without in (b"[]", b'{"usage":null}', b'{"usage":3}', b"{}", b"{"):
        assert add_cost(without, "1") == without


@given(st.binary() | st.text().map(str.encode))
def test_whatever_an_upstream_sends_is_read(body: bytes) -> None:
    answer = read_answer(body)
    assert answer.usage is None
    assert not answer.complete


_ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*ANSWER, "tool_usage"]), _ANY), st.lists(_ANY, max_size=3))
def test_whatever_shape_a_response_has_is_read(fields: dict[str, Any], items: list[Any]) -> None:
    answer = read_answer(encoded(fields | {"output": items}))
    assert answer.complete
    assert isinstance(answer.delivered_texts(), tuple)
    assert answer.choices == 1
