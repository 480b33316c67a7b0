"""A stream is read on any split of its bytes, and is over when it says so."""

from typing import Any

import pytest

from pricing.usage import Usage
from proxy.dialects.answer import Answer
from proxy.dialects.messages.events import MessageEvents
from proxy.dialects.stream import AnswerStream
from proxy.dialects.usage import UsageFault
from tests.dialects.messages.examples import (
    DELIVERED,
    MESSAGE_STOP,
    THOUGHT_AND_CALL,
    block_start,
    delta,
    encoded,
    events,
    message_delta,
    message_start,
)

_ENDS = pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
_SERVED = "claude-opus-4-5-20251101"
_USAGE = Usage(472, 89, tool_calls={"web_search": 0})
_COMPLETE = (_USAGE, None, _SERVED, "default", True, 1, DELIVERED)


def _relay(pieces: list[bytes], *, cost: str | None = None) -> tuple[bytes, Answer]:
    stream = AnswerStream(
        MessageEvents(1), strip_usage=False, cost_of=(lambda _: cost) if cost else None
    )
    relayed = b"".join([*map(stream.feed, pieces), stream.finish()])
    return relayed, stream.answer


def _read(*sent: dict[str, Any]) -> Answer:
    return _relay([events(sent)])[1]


def _seen(answer: Answer) -> tuple[object, ...]:
    """All that an answer says."""
    names = (answer.usage, answer.usage_fault, answer.model, answer.service_tier)
    return *names, answer.complete, answer.choices, answer.delivered_texts()


@_ENDS
def test_the_documented_stream_goes_on_as_it_came(end: bytes) -> None:
    sent = events(THOUGHT_AND_CALL, end)
    relayed, answer = _relay([sent])
    assert relayed == sent
    assert _seen(answer) == _COMPLETE


@_ENDS
def test_cut_in_two_at_every_byte_nothing_changes(end: bytes) -> None:
    sent = events(THOUGHT_AND_CALL, end)
    for cut in range(len(sent) + 1):
        relayed, answer = _relay([sent[:cut], sent[cut:]])
        assert relayed == sent
        assert _seen(answer) == _COMPLETE


@_ENDS
def test_byte_by_byte_nothing_changes(end: bytes) -> None:
    sent = events(THOUGHT_AND_CALL, end)
    relayed, answer = _relay([bytes([byte]) for byte in sent])
    assert relayed == sent
    assert _seen(answer) == _COMPLETE


def test_broken_off_at_every_byte_it_is_never_complete_and_loses_nothing() -> None:
    sent = events(THOUGHT_AND_CALL)
    start, final = events(THOUGHT_AND_CALL[:1]), events(THOUGHT_AND_CALL[:-1])
    whole = "".join(DELIVERED)
    for length in range(len(sent) - 2):
        answer = _relay([sent[:length]])[1]
        assert not answer.complete
        assert (answer.usage is not None) is (length >= len(start) - 2)
        if length >= len(final) - 2:
            assert answer.usage == _USAGE
        texts = answer.delivered_texts()
        came = [each["delta"] for each in _whole_events(sent[:length]) if "index" in each]
        pieces = "".join(each.get("text", "") + each.get("thinking", "") for each in came)
        assert pieces in "".join(texts)
        assert all(text.replace("\\", "") in whole for text in texts)


def _whole_events(sent: bytes) -> list[dict[str, Any]]:
    """The deltas that came to their end."""
    count = sent.count(b"\n\n")
    return [each for each in THOUGHT_AND_CALL[:count] if "delta" in each]


def test_a_message_that_stops_without_saying_how_it_ended_has_no_usage() -> None:
    answer = _read(message_start(), block_start(0, type="text", text="x"), MESSAGE_STOP)
    assert (answer.usage, answer.usage_fault) == (None, UsageFault.INCOMPLETE)
    assert (answer.complete, answer.delivered_texts()) == (True, ("x",))


def test_a_message_that_ends_in_nonsense_has_no_usage() -> None:
    answer = _read(message_start(), message_delta(output_tokens=-1), MESSAGE_STOP)
    assert (answer.usage, answer.usage_fault) == (None, UsageFault.NOT_A_COUNT)


def test_without_its_stop_a_message_is_not_complete_though_its_usage_is() -> None:
    answer = _read(message_start(), message_delta(output_tokens=89))
    assert (answer.complete, answer.usage) == (False, _USAGE)


def test_an_error_in_the_middle_leaves_the_message_incomplete() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    answer = _read(message_start(), delta(0, "text_delta", text="Hel"), error)
    assert (answer.complete, answer.delivered_texts()) == (False, ("Hel",))
    assert answer.usage == Usage(472, 2, tool_calls={"web_search": 0})


def test_counts_of_the_end_cumulate_with_those_of_the_start() -> None:
    start = message_start(
        cache_creation_input_tokens=100,
        cache_read_input_tokens=50,
        cache_creation={"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 100},
    )
    end = message_delta(
        input_tokens=10_682,
        cache_creation_input_tokens=100,
        cache_read_input_tokens=0,
        output_tokens=510,
        server_tool_use={"web_search_requests": 1},
    )
    usage = _read(start, end, MESSAGE_STOP).usage
    assert usage == Usage(10_682, 510, 50, 100, 100, tool_calls={"web_search": 1})


def test_an_upstream_that_counts_its_input_only_at_the_end_is_understood() -> None:
    start = message_start(input_tokens=0, output_tokens=0)
    usage = _read(start, message_delta(input_tokens=33, output_tokens=4), MESSAGE_STOP).usage
    assert usage == Usage(33, 4, tool_calls={"web_search": 0})


def test_the_speed_that_served_is_told_at_the_start() -> None:
    answer = _read(message_start(speed="fast"), message_delta(output_tokens=1), MESSAGE_STOP)
    assert answer.service_tier == "fast"


@pytest.mark.parametrize("kind", ["message_stop", "message_delta", "message_start"])
def test_the_input_of_a_tool_is_not_mistaken_for_an_event(kind: str) -> None:
    looks_like_it = {"type": kind, "usage": {"input_tokens": 0, "output_tokens": 0}, "message": {}}
    call = block_start(0, type="server_tool_use", name="x", input=looks_like_it)
    answer = _read(message_start(), call)
    assert not answer.complete
    assert answer.usage == Usage(472, 2, tool_calls={"web_search": 0})
    assert '"usage"' in answer.delivered_texts()[1]


def test_what_tools_of_the_provider_found_was_not_written_by_the_model() -> None:
    found = {"type": "web_search_result", "title": "T", "encrypted_content": "EqgfC"}
    result = block_start(1, type="web_search_tool_result", tool_use_id="s", content=[found])
    use = block_start(0, type="server_tool_use", id="s", name="web_search", input={})
    query = delta(0, "input_json_delta", partial_json='{"query": "x"}')
    answer = _read(message_start(), use, query, result)
    assert answer.delivered_texts() == ("web_search", '{"query": "x"}')


def test_a_summary_was_written_by_the_model() -> None:
    summary = delta(0, "compaction_delta", content="So far: nothing.", encrypted_content="EqgfC")
    answer = _read(message_start(), block_start(0, type="compaction"), summary)
    assert answer.delivered_texts() == ("So far: nothing.",)


def test_the_cost_stands_in_the_last_usage_and_nowhere_else() -> None:
    sent = events(THOUGHT_AND_CALL)
    for size in (1, 7, len(sent)):
        pieces = [sent[i : i + size] for i in range(0, len(sent), size)]
        relayed, answer = _relay(pieces, cost="0.0042")
        assert relayed == sent.replace(
            encoded(THOUGHT_AND_CALL[-2]),
            b'{"type":"message_delta","delta":{"stop_reason": "tool_use", "stop_sequence": null},'
            b'"usage":{"output_tokens":89,"cost_usd":"0.0042"}}',
        )
        assert _seen(answer) == _COMPLETE


@pytest.mark.parametrize(
    "data",
    [
        b"data: [1]\n\n",
        b'data: {"type": "message_stop"\n\n',
        b'data: {"type":"message_start","message":7}\n\n',
        b'data: {"type":"message_start","message":{"usage":7,"model":7}}\n\n',
        b'data: {"type":"content_block_delta","delta":7}\n\n',
        b'data: {"type":"message_delta","delta":7}\n\n',
        b": ping\n\n",
    ],
)
def test_odd_events_disturb_nothing(data: bytes) -> None:
    relayed, answer = _relay([data + events(THOUGHT_AND_CALL)])
    assert relayed == data + events(THOUGHT_AND_CALL)
    assert (answer.usage, answer.complete) == (_USAGE, True)
    assert answer.delivered_texts() == DELIVERED
