"""A stream of a response is relayed as it comes and read on any split of its bytes."""

import itertools
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.usage import Usage
from proxy.dialects.answer import Answer
from proxy.dialects.responses.answer import read_answer
from proxy.dialects.responses.events import ResponseEvents
from proxy.dialects.stream import AnswerStream
from proxy.dialects.usage import UsageFault
from tests.dialects.responses.examples import (
    CALL,
    GREETING,
    HELLO_EVENTS,
    begun,
    encoded,
    message,
    response,
    state,
    stream,
    text_events,
    usage,
)
from tests.dialects.responses.test_answer import NONE_CALLED

_ENDS = pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
_TEXT = "".join(GREETING)
_USED = Usage(37, 11, tool_calls=NONE_CALLED)
_COMPLETE = (_USED, None, "gpt-4.1-2025-04-14", "default", True, 1, (_TEXT,))


def _relay(pieces: list[bytes], *, cost: str | None = None) -> tuple[bytes, Answer]:
    read_along = AnswerStream(
        ResponseEvents(1), strip_usage=False, cost_of=(lambda _: cost) if cost else None
    )
    relayed = b"".join([*map(read_along.feed, pieces), read_along.finish()])
    return relayed, read_along.answer


def _read(*events: dict[str, Any]) -> Answer:
    return _relay([stream(events)])[1]


def _seen(answer: Answer) -> tuple[object, ...]:
    """All that an answer says."""
    names = (answer.usage, answer.usage_fault, answer.model, answer.service_tier)
    return *names, answer.complete, answer.choices, answer.delivered_texts()


@_ENDS
@pytest.mark.parametrize("named", [True, False])
def test_the_documented_stream(end: bytes, named: bool) -> None:
    sent = stream(HELLO_EVENTS, end, named=named)
    relayed, answer = _relay([sent])
    assert relayed == sent
    assert _seen(answer) == _COMPLETE


@_ENDS
def test_cut_in_two_at_every_byte_nothing_changes(end: bytes) -> None:
    sent = b": hello" + end * 2 + stream(HELLO_EVENTS, end)
    for cut in range(len(sent) + 1):
        relayed, answer = _relay([sent[:cut], sent[cut:]])
        assert relayed == sent
        assert _seen(answer) == _COMPLETE


def test_cut_in_three_at_every_pair_of_bytes_nothing_changes() -> None:
    delta = b'data: {"type":"response.output_text.delta","output_index":0,"delta":"x"}\n\n'
    last = b'data: {"type":"response.completed","response":{"usage":%b}}\n\n'
    sent = delta + last % b'{"input_tokens":2,"output_tokens":1}'
    for first, second in itertools.combinations(range(len(sent) + 1), 2):
        relayed, answer = _relay([sent[:first], sent[first:second], sent[second:]])
        assert relayed == sent
        assert (answer.usage, answer.complete) == (Usage(2, 1, tool_calls=NONE_CALLED), True)


@_ENDS
def test_byte_by_byte_nothing_changes(end: bytes) -> None:
    sent = stream(HELLO_EVENTS, end)
    relayed, answer = _relay([bytes([byte]) for byte in sent])
    assert relayed == sent
    assert _seen(answer) == _COMPLETE


def test_broken_off_at_every_byte_nothing_that_came_is_lost_and_nothing_counts_twice() -> None:
    sent = stream(HELLO_EVENTS)
    last = sent.rindex(b"event: response.completed")
    for length in range(len(sent)):
        relayed, answer = _relay([sent[:length]])
        assert relayed == sent[:length]
        is_whole = length >= len(sent) - 2
        assert answer.complete is is_whole
        assert (answer.usage == _USED) is is_whole
        came = "".join(piece for piece in GREETING if _delta(piece) in sent[:length])
        texts = "".join(answer.delivered_texts())
        assert texts.startswith(came)
        if length > last:
            assert texts == _TEXT


def _delta(piece: str) -> bytes:
    return b'"delta": ' + encoded(piece)


def test_what_was_delivered_of_a_broken_event_counts_too() -> None:
    sent = stream(HELLO_EVENTS)
    cut = sent[: sent.index(b"assist you today") + 6]
    assert _relay([cut])[1].delivered_texts() == ("Hi there! How can I", " assist")


def test_an_upstream_that_sends_no_deltas_is_heard_all_the_same() -> None:
    added, _, *_, text_done, part_done, item_done = text_events("Hello")
    for event in (text_done, part_done, item_done, HELLO_EVENTS[-1]):
        text = _TEXT if event is HELLO_EVENTS[-1] else "Hello"
        assert _read(*begun(), added, event).delivered_texts() == (text,)
        broken = stream([event])
        cut = broken[: broken.index(text.encode()) + 4]
        assert text[:4] in "".join(_relay([cut])[1].delivered_texts())


_AT = {"item_id": "i", "output_index": 1}


@pytest.mark.parametrize(
    ("stem", "field", "item", "texts"),
    [
        ("function_call_arguments", "arguments", CALL, ("get_current_weather",)),
        (
            "custom_tool_call_input",
            "input",
            {"type": "custom_tool_call", "name": "sql"},
            ("sql",),
        ),
        ("mcp_call_arguments", "arguments", {"type": "mcp_call", "name": "ask"}, ("ask",)),
        ("code_interpreter_call_code", "code", {"type": "code_interpreter_call"}, ()),
    ],
)
def test_a_call_of_a_tool_is_heard_once(
    stem: str, field: str, item: dict[str, Any], texts: tuple[str, ...]
) -> None:
    whole = "select 1"
    events = [
        *begun(),
        {"type": "response.output_item.added", "item": item | {field: ""}, **_AT},
        {"type": f"response.{stem}.delta", "delta": "select", **_AT},
        {"type": f"response.{stem}.delta", "delta": " 1", "obfuscation": "xx", **_AT},
        {"type": f"response.{stem}.done", field: whole, **_AT},
        {"type": "response.output_item.done", "item": item | {field: whole}, **_AT},
    ]
    assert _read(*events).delivered_texts() == (*texts, whole)
    output = [message("a"), item | {field: whole}]
    ended = _read(*events, {"type": "response.completed", "response": response(*output)})
    assert set(ended.delivered_texts()) == {*texts, whole, "a"}


def test_thoughts_and_refusals_are_heard_once() -> None:
    thought = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "first"}, {"text": "second"}],
        "content": [{"type": "reasoning_text", "text": "deep"}],
    }
    events = []
    for place, text in enumerate(("first", "second")):
        at = {**_AT, "summary_index": place}
        part = {"type": "summary_text", "text": text}
        events += [
            {"type": "response.reasoning_summary_part.added", "part": part | {"text": ""}, **at},
            {"type": "response.reasoning_summary_text.delta", "delta": text, **at},
            {"type": "response.reasoning_summary_text.done", "text": text, **at},
            {"type": "response.reasoning_summary_part.done", "part": part, **at},
        ]
    at = {**_AT, "content_index": 0}
    no = {"output_index": 2, "content_index": 0}
    events += [
        {"type": "response.reasoning_text.delta", "delta": "deep", **at},
        {"type": "response.reasoning_text.done", "text": "deep", **at},
        {"type": "response.output_item.done", "item": thought, **_AT},
        {"type": "response.refusal.delta", "delta": "no", **no},
        {"type": "response.refusal.done", "refusal": "no", **no},
    ]
    assert _read(*events).delivered_texts() == ("first", "second", "deep", "no")


def test_several_texts_of_several_items_stay_apart() -> None:
    first, second = text_events("a", "b"), text_events("c", "d", output_index=1)
    mixed = [event for pair in zip(first, second, strict=True) for event in pair]
    assert _read(*mixed).delivered_texts() == ("ab", "cd")


@pytest.mark.parametrize(
    "kind",
    [
        *("web_search_call.searching", "file_search_call.completed", "mcp_list_tools.failed"),
        *("code_interpreter_call.interpreting", "image_generation_call.generating", "queued"),
        *("mcp_call.in_progress", "output_text.annotation.added", "an_event_of_tomorrow"),
    ],
)
def test_events_without_a_text_pass(kind: str) -> None:
    event = {"type": f"response.{kind}", "annotation": {"title": "t"}, **_AT}
    answer = _read(*begun(), event, *HELLO_EVENTS[2:])
    assert _seen(answer) == _COMPLETE


def test_pictures_and_sound_are_no_texts() -> None:
    picture = {"type": "response.image_generation_call.partial_image", "partial_image_b64": "AA"}
    sound = {"type": "response.audio.delta", "delta": "AAAA"}
    spoken = {"type": "response.audio.transcript.delta", "delta": "said"}
    assert _read(picture, sound, spoken).delivered_texts() == ("said",)


def test_texts_of_events_that_nobody_knows_count() -> None:
    event = {"type": "response.dance.delta", "delta": "step", **_AT}
    again = {"type": "response.dance.done", "text": "step by step", **_AT}
    assert _read(event, again).delivered_texts() == ("step by step",)


@pytest.mark.parametrize("kind", ["completed", "incomplete", "failed"])
def test_every_end_is_an_end_and_says_the_usage(kind: str) -> None:
    answer = _read(*begun(), state(kind, usage=usage(5, 6), service_tier="flex"))
    assert (answer.complete, answer.service_tier) == (True, "flex")
    assert answer.usage == Usage(5, 6, tool_calls=NONE_CALLED)


def test_an_error_is_an_end_without_usage() -> None:
    error = {"type": "error", "code": "ERR_SOMETHING", "message": "Something", "param": None}
    answer = _read(*begun(), *text_events("so far"), error)
    assert (answer.complete, answer.usage, answer.delivered_texts()) == (True, None, ("so far",))


_LIMITED = {"status": "failed", "usage": None, "error": {"code": "rate_limit_exceeded"}}


def test_what_is_refused_after_its_stream_had_begun_costs_nothing() -> None:
    refused = state("failed", **_LIMITED)
    assert _read(*begun(), refused).usage == Usage(0, 0)
    assert read_answer(encoded(refused["response"])).usage == Usage(0, 0)


@pytest.mark.parametrize(
    "before",
    [
        text_events("a")[:1],
        [{"type": "response.output_text.delta", "delta": "a", **_AT}],
        [{"type": "response.function_call_arguments.done", "arguments": "{}", **_AT}],
    ],
)
def test_what_fails_after_something_came_may_be_billed(before: list[dict[str, Any]]) -> None:
    assert _read(*begun(), *before, state("failed", **_LIMITED)).usage is None


@pytest.mark.parametrize(
    "fields",
    [
        {"error": {"code": "server_error"}},
        {"error": None},
        {"status": "incomplete"},
        {"output": [message("a")]},
    ],
)
def test_any_other_failure_may_be_billed(fields: dict[str, Any]) -> None:
    failed = response() | _LIMITED | fields
    assert _read(*begun(), {"type": "response.failed", "response": failed}).usage is None
    assert read_answer(encoded(failed)).usage is None


def test_an_item_that_is_called_an_error_is_no_end() -> None:
    item = {"type": "response.output_item.done", "item": {"type": "error", "why": "w"}, **_AT}
    assert not _read(*begun(), item).complete
    quoted = text_events('{"type":"response.completed","usage":{"input_tokens":1}}')
    assert _read(*begun(), *quoted).usage is None
    assert not _read(*begun(), *quoted).complete


def test_an_upstream_that_ends_as_chat_does_is_understood() -> None:
    sent = stream([*begun(), *text_events("Hello")]) + b"data: [DONE]\n\n"
    answer = _relay([sent])[1]
    assert (answer.complete, answer.delivered_texts()) == (True, ("Hello",))


def test_until_the_end_nobody_knows_the_tier_that_serves() -> None:
    answer = _read(*begun(), *text_events("Hello"))
    assert (answer.model, answer.service_tier) == ("gpt-4.1-2025-04-14", None)
    assert not answer.complete


def test_a_usage_that_cannot_be_does_not_replace_one_that_can() -> None:
    wrong = usage(5, 6) | {"output_tokens": -6}
    answer = _read(state("in_progress", usage=usage(3, 4)), state("completed", usage=wrong))
    assert answer.usage == Usage(3, 4, tool_calls=NONE_CALLED)
    alone = _read(state("completed", usage=wrong))
    assert (alone.usage, alone.usage_fault) == (None, UsageFault.NOT_A_COUNT)


def test_the_cost_goes_into_the_last_event_alone() -> None:
    sent = stream(HELLO_EVENTS)
    relayed, answer = _relay([sent[:777], sent[777:]], cost="0.25")
    last = sent.rindex(b"event: response.completed")
    assert relayed[:last] == sent[:last]
    told = json.loads(relayed[last:].partition(b"data: ")[2])
    assert told["response"]["usage"].pop("cost_usd") == "0.25"
    assert told == json.loads(sent[last:].partition(b"data: ")[2])
    assert answer.usage == _USED


def test_a_response_of_megabytes_is_read_to_its_usage() -> None:
    long = HELLO_EVENTS[-1]["response"] | {"instructions": "x" * 3 * 2**20}
    answer = _relay([stream([*begun(), {"type": "response.completed", "response": long}])])[1]
    assert (answer.usage, answer.complete, answer.countable) == (_USED, True, True)


def test_memory_is_bounded_whatever_comes() -> None:
    event = {"type": "response.output_text.delta", "delta": "x" * 200, **_AT}
    chunk = b"".join(stream([event | {"content_index": n}]) for n in range(50))
    read_along = AnswerStream(ResponseEvents(1), strip_usage=False)
    tracemalloc.start()
    try:
        for _ in range(1_000):
            read_along.feed(chunk)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 48 * 2**20
    assert not read_along.answer.countable


_EVENTS = st.lists(st.sampled_from(HELLO_EVENTS), max_size=9)


@given(_EVENTS, st.data())
def test_any_events_in_any_order_are_read_alike_on_any_split(
    events: list[dict[str, Any]], data: st.DataObject
) -> None:
    sent = stream(events)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    pieces = [sent[a:b] for a, b in itertools.pairwise([0, *cuts, len(sent)])]
    relayed, answer = _relay(pieces)
    assert relayed == sent
    assert _seen(answer) == _seen(_relay([sent])[1])


@given(st.lists(st.binary(max_size=40)))
def test_whatever_comes_is_relayed(pieces: list[bytes]) -> None:
    assert _relay(pieces)[0] == b"".join(pieces)
