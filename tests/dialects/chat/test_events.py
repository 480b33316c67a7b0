"""A stream is relayed as it comes and read on any split of its bytes."""

import itertools
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.usage import Usage
from proxy.dialects.answer import Answer, add_cost
from proxy.dialects.chat.events import ChatEvents
from proxy.dialects.stream import MAX_HELD_BYTES, MAX_RAW_BYTES, AnswerStream
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.json_text import read_leniently
from proxy.dialects.wire.sse import MAX_EVENT_BYTES
from tests.dialects.examples import (
    CONTENT_CHUNKS,
    DONE,
    STREAM_USAGE,
    USAGE_CHUNK,
    chunk,
    events,
    finished,
)

_ENDS = pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])


def _relay(
    pieces: list[bytes], *, strip: bool = True, cost: str | None = None
) -> tuple[bytes, Answer]:
    stream = AnswerStream(
        ChatEvents(1), strip_usage=strip, cost_of=(lambda _: cost) if cost else None
    )
    relayed = b"".join([*map(stream.feed, pieces), stream.finish()])
    return relayed, stream.answer


def _seen(answer: Answer) -> tuple[object, ...]:
    """All that an answer says."""
    names = (answer.usage, answer.usage_fault, answer.model, answer.service_tier)
    return *names, answer.complete, answer.choices, answer.delivered_texts()


_COMPLETE = (Usage(19, 3), None, "gpt-4o-mini", None, True, 1, ("Hello there",))


@_ENDS
@pytest.mark.parametrize("strip", [True, False])
def test_the_documented_stream_with_usage(end: bytes, strip: bool) -> None:
    content = events(CONTENT_CHUNKS, end)
    sent = content + events([USAGE_CHUNK, DONE], end)
    relayed, answer = _relay([sent], strip=strip)
    assert relayed == (content + events([DONE], end) if strip else sent)
    assert _seen(answer) == _COMPLETE


@_ENDS
def test_cut_in_two_at_every_byte_nothing_changes(end: bytes) -> None:
    content = events(CONTENT_CHUNKS[1:], end)
    sent = b": hello" + end * 2 + content + events([USAGE_CHUNK, DONE], end)
    wanted = b": hello" + end * 2 + content + events([DONE], end)
    for cut in range(len(sent) + 1):
        relayed, answer = _relay([sent[:cut], sent[cut:]])
        assert relayed == wanted
        assert _seen(answer) == _COMPLETE


@_ENDS
def test_cut_in_three_at_every_pair_of_bytes_nothing_changes(end: bytes) -> None:
    usage = b'{"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1}}'
    text = b'{"choices":[{"delta":{"content":"x"}}]}'
    wanted = events([text], end) + events([DONE], end)
    sent = events([text, usage, DONE], end)
    for first, second in itertools.combinations(range(len(sent) + 1), 2):
        relayed, answer = _relay([sent[:first], sent[first:second], sent[second:]])
        assert relayed == wanted
        assert (answer.usage, answer.complete) == (Usage(2, 1), True)


@_ENDS
def test_byte_by_byte_nothing_changes(end: bytes) -> None:
    sent = events([*CONTENT_CHUNKS, USAGE_CHUNK, DONE], end)
    relayed, answer = _relay([bytes([byte]) for byte in sent])
    assert relayed == events([*CONTENT_CHUNKS, DONE], end)
    assert _seen(answer) == _COMPLETE


@pytest.mark.parametrize("strip", [True, False])
def test_broken_off_at_every_byte_the_client_gets_what_came(strip: bool) -> None:
    before, usage = events(CONTENT_CHUNKS), events([USAGE_CHUNK])
    sent = before + usage + events([DONE])
    for length in range(len(sent) + 1):
        relayed, answer = _relay([sent[:length]], strip=strip)
        usage_came = length >= len(before + usage) - 2
        removed = usage[: length - len(before)] if strip and usage_came else b""
        assert relayed == sent[:length].replace(removed, b"", 1)
        assert (answer.usage is not None) is usage_came
        assert answer.complete is (length >= len(before) - 2)
        assert "Hello there".startswith(answer.delivered_texts()[:1] or ("",))


def test_what_was_delivered_of_a_broken_event_counts_too() -> None:
    sent = events([chunk({"content": "Hello"})]) + b"data: " + chunk({"content": 'say "hi"'})
    cut = sent[: sent.rindex(b"hi") + 1]
    assert _relay([cut])[1].delivered_texts() == ("Hello", 'say \\"h')


def test_without_a_wish_to_strip_every_piece_goes_on_as_the_same_object() -> None:
    stream = AnswerStream(ChatEvents(1), strip_usage=False)
    sent = events([*CONTENT_CHUNKS, USAGE_CHUNK, DONE])
    for piece in [sent[i : i + 7] for i in range(0, len(sent), 7)]:
        assert stream.feed(piece) is piece
    assert stream.finish() == b""


def test_whole_events_never_wait() -> None:
    stream = AnswerStream(ChatEvents(1), strip_usage=True)
    for data in CONTENT_CHUNKS:
        assert stream.feed(events([data])) == events([data])
    assert stream.feed(events([USAGE_CHUNK])) == b""
    assert stream.feed(b": still here\n\n") == b": still here\n\n"


@pytest.mark.parametrize(
    "usage",
    [
        [chunk(usage=STREAM_USAGE)],
        [chunk(usage=STREAM_USAGE, choices=None)],
        [chunk(usage={"prompt_tokens": 19.0, "completion_tokens": "3"})],
        [json.dumps(json.loads(USAGE_CHUNK), indent=1).replace("\n", "\ndata: ").encode()],
        [json.dumps(json.loads(USAGE_CHUNK), indent=1).replace("\n", " ").encode()],
        [chunk(usage={"prompt_tokens": 1, "completion_tokens": 1}), USAGE_CHUNK],
        [USAGE_CHUNK, chunk(usage={"prompt_tokens": -1, "completion_tokens": 1})],
    ],
)
def test_the_chunk_sent_for_usage_alone_is_taken_out(usage: list[bytes]) -> None:
    relayed, answer = _relay([events([*CONTENT_CHUNKS, *usage, DONE])])
    assert relayed == events([*CONTENT_CHUNKS, DONE])
    assert (answer.usage, answer.usage_fault) == (Usage(19, 3), None)


@pytest.mark.parametrize(
    "kept",
    [
        chunk({"content": "x"}, usage=STREAM_USAGE),
        chunk({}, choices=finished(), usage=STREAM_USAGE),
        chunk({}, choices=[{"index": 0, "delta": {}, "usage": STREAM_USAGE}]),
        chunk({"content": "x"}, x_groq={"id": "req_1", "usage": STREAM_USAGE}),
        b'{"usage":{"prompt_tokens":19,"completion_tokens":3}}',
    ],
)
def test_usage_in_a_chunk_that_says_more_is_read_and_stays(kept: bytes) -> None:
    sent = events([*CONTENT_CHUNKS, kept])
    relayed, answer = _relay([sent])
    assert relayed == sent
    assert answer.usage == Usage(19, 3)


@pytest.mark.parametrize(
    "kept",
    [
        b": ping\n\n",
        b"event: ping\ndata: {}\n\n",
        b'event: cost\ndata: {"usage":null,"choices":[]}\n\n',
        b"data: " + chunk(prompt_filter_results=[], usage=None) + b"\n\n",
        b"data: " + chunk(meta={"usage": {"prompt_tokens": 1}}) + b"\n\n",
        b'data: {"choices":[],"usage":{"prompt\n\n',
        b'data: "usage": {"choices": []}\n\n',
        b"id: 7\nretry: 100\n\n",
        b"data: null\n\n",
        b"\n\n\n\n",
        b'data: {"error":{"message":"overloaded"}}\n\n',
        b"data: " + chunk({"content": '{"choices":[],"usage":{"prompt_tokens":1}}'}) + b"\n\n",
    ],
)
def test_everything_else_is_none_of_our_business(kept: bytes) -> None:
    sent = events(CONTENT_CHUNKS) + kept + events([USAGE_CHUNK, DONE])
    relayed, answer = _relay([sent])
    assert relayed == events(CONTENT_CHUNKS) + kept + events([DONE])
    assert (answer.usage, answer.complete) == (Usage(19, 3), True)


def test_usage_that_nobody_asked_for_and_no_done() -> None:
    sent = events([*CONTENT_CHUNKS, USAGE_CHUNK])
    relayed, answer = _relay([sent], strip=False)
    assert relayed == sent
    assert _seen(answer) == _COMPLETE


def test_of_usage_on_every_chunk_the_last_counts() -> None:
    running = [
        chunk({"content": "x"}, usage={"prompt_tokens": 5, "completion_tokens": n})
        for n in range(4)
    ]
    sent = events(running)
    relayed, answer = _relay([sent])
    assert relayed == sent
    assert answer.usage == Usage(5, 3)


def test_a_stream_without_usage_can_be_counted() -> None:
    _, answer = _relay([events([*CONTENT_CHUNKS, DONE])])
    assert _seen(answer) == (None, None, *_COMPLETE[2:])


def test_a_usage_that_cannot_be_is_named() -> None:
    nested = chunk({"content": "x"}, meta={"usage": {"prompt_tokens": 1}})
    _, answer = _relay([events([chunk(usage={"prompt_tokens": 3}), nested, DONE])])
    assert (answer.usage, answer.usage_fault) == (None, UsageFault.INCOMPLETE)


def test_zero_is_a_usage() -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    assert _relay([events([chunk(usage=zero), DONE])])[1].usage == Usage(0, 0)


def test_an_event_without_its_empty_line_at_the_end_of_the_stream_is_read() -> None:
    sent = events([*CONTENT_CHUNKS]) + b"data: " + USAGE_CHUNK
    relayed, answer = _relay([sent])
    assert relayed == events(CONTENT_CHUNKS)
    assert answer.usage == Usage(19, 3)
    assert _relay([events(CONTENT_CHUNKS[:2]) + b"data: [DONE]"])[1].complete


def test_the_tier_and_the_model_are_those_of_the_answer() -> None:
    sent = [
        chunk({"content": "x"}, model="gpt-4o-mini-2024-07-18"),
        chunk(usage=STREAM_USAGE, model="gpt-4o-mini-2024-07-18", service_tier="priority"),
    ]
    answer = _relay([events(sent)])[1]
    assert (answer.model, answer.service_tier) == ("gpt-4o-mini-2024-07-18", "priority")
    answer = _relay([events([*sent[:1], DONE])])[1]
    assert (answer.model, answer.service_tier) == ("gpt-4o-mini-2024-07-18", None)


def test_pieces_of_tool_calls_reasoning_and_choices_are_joined() -> None:
    def delta(index: int, **fields: Any) -> dict[str, Any]:
        return {"index": index, "delta": fields}

    def call(place: int, **function: str) -> dict[str, Any]:
        return {"index": place, "function": function}

    choices = [
        [delta(0, reasoning_content="th"), delta(1, content="a")],
        [delta(0, reasoning_content="ink"), delta(1, refusal="no")],
        [delta(0, tool_calls=[call(0, name="f", arguments="")])],
        [delta(0, tool_calls=[call(0, arguments='{"a"'), call(1, name="g")])],
        [delta(0, tool_calls=[call(0, arguments=":1}")]), delta(1, content="b")],
    ]
    answer = _relay([events([chunk(choices=one) for one in choices])])[1]
    assert answer.delivered_texts() == ("think", "ab", "no", "f", '{"a":1}', "g")
    assert (answer.choices, answer.complete) == (2, False)


def test_a_stream_is_complete_when_every_choice_is() -> None:
    one = [chunk({}, choices=finished(index=0)), chunk({}, choices=finished("length", index=1))]
    opened = chunk({"content": "x"}, choices=[{"index": 1, "delta": {}}])
    assert not _relay([events([opened, one[0]])])[1].complete
    assert _relay([events([opened, *one])])[1].complete
    assert not _relay([events([chunk()])])[1].complete


@pytest.mark.parametrize(("n", "complete"), [(1, True), (2, True), (3, False)])
def test_a_choice_that_has_not_begun_is_missing(n: int, complete: bool) -> None:
    stream = AnswerStream(ChatEvents(n), strip_usage=False)
    stream.feed(events([chunk({}, choices=finished(index=index)) for index in range(2)]))
    assert stream.answer.complete is complete
    stream.feed(events([DONE]))
    assert stream.answer.complete


def test_first_content_and_reasons_are_known_on_the_way() -> None:
    reader = ChatEvents(1)
    stream = AnswerStream(reader, strip_usage=True)
    seen = []
    for sent in (b"", *map(events, ([one] for one in (*CONTENT_CHUNKS, DONE)))):
        stream.feed(sent)
        seen.append(
            (bool(stream.answer.delivered_texts()), stream.answer.complete, reader.is_told_complete)
        )
    assert seen == [
        (False, False, False),
        (False, False, False),
        (True, False, False),
        (True, False, False),
        (True, True, False),
        (True, True, True),
    ]


def test_a_text_that_says_done_ends_nothing() -> None:
    answer = _relay([events([b'{"choices":[{"delta":{"content":"[DONE]"}}]}', b'"[DONE]"'])])[1]
    assert not answer.complete


def test_what_waits_is_bounded() -> None:
    stream = AnswerStream(ChatEvents(1), strip_usage=True)
    start = b"data: " + chunk({"content": "x" * MAX_HELD_BYTES})
    assert stream.feed(start[:MAX_HELD_BYTES]) == b""
    assert stream.feed(start[MAX_HELD_BYTES:]) == start
    assert stream.feed(b"\n") == b"\n"
    assert stream.feed(b"\n" + events([USAGE_CHUNK])[:20]) == b"\n"
    assert stream.feed(events([USAGE_CHUNK])[20:]) == b""
    assert stream.answer.usage == Usage(19, 3)
    assert stream.answer.delivered_texts() == ("x" * MAX_HELD_BYTES,)


def test_of_a_usage_chunk_that_was_partly_relayed_the_rest_follows() -> None:
    large = b"data: " + chunk(usage=STREAM_USAGE, padding="x" * MAX_HELD_BYTES) + b"\n\n"
    pieces = [large[: MAX_HELD_BYTES + 50], large[MAX_HELD_BYTES + 50 :], events([DONE])]
    for cost in (None, "0.01"):
        relayed, answer = _relay(pieces, cost=cost)
        assert relayed == b"".join(pieces)
        assert answer.usage == Usage(19, 3)
    relayed, answer = _relay([pieces[0], pieces[1][:-2]])
    assert relayed == large[:-2]


def test_an_event_too_large_to_read_is_relayed_and_said_to_be_uncounted() -> None:
    large = b"data: " + chunk({"content": "x" * 2 * MAX_EVENT_BYTES}) + b"\n\n"
    pieces = [large[i : i + 2**16] for i in range(0, len(large), 2**16)]
    for strip in (True, False):
        relayed, answer = _relay([*pieces, events([USAGE_CHUNK, DONE])], strip=strip)
        assert relayed.startswith(large)
        assert not answer.countable
        assert (answer.usage, answer.complete) == (Usage(19, 3), True)
    assert _relay([events([*CONTENT_CHUNKS, DONE])])[1].countable


def test_a_long_stream_is_decoded_in_parts_and_counts_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoded_bytes = 0

    def read(data: bytes) -> object:
        nonlocal decoded_bytes
        decoded_bytes += len(data)
        return read_leniently(data)

    monkeypatch.setattr("proxy.dialects.chat.events.read_leniently", read)
    words = [f"word{n} " for n in range(3 * MAX_RAW_BYTES // 200)]
    sent = [events([chunk({"content": word})]) for word in words]
    stream = AnswerStream(ChatEvents(1), strip_usage=True)
    fed_bytes = 0
    for event in sent:
        stream.feed(event)
        fed_bytes += len(event)
        assert fed_bytes - decoded_bytes <= MAX_RAW_BYTES + fed_bytes // 20
    assert decoded_bytes <= fed_bytes
    assert stream.answer.delivered_texts() == ("".join(words),)


def test_empty_events_take_no_unbounded_room() -> None:
    stream = AnswerStream(ChatEvents(1), strip_usage=False)
    tracemalloc.start()
    for _ in range(20):
        stream.feed(b"\n\n" * 2_000)
    kept_bytes = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert kept_bytes < 2**20


def test_no_chunk_is_decoded_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(data: bytes) -> object:
        raise AssertionError(data)

    monkeypatch.setattr("proxy.dialects.chat.events.read_leniently", read)
    stream = AnswerStream(ChatEvents(1), strip_usage=True)
    for data in [*CONTENT_CHUNKS, chunk({"content": 'the "usage": {'}), DONE]:
        stream.feed(events([data]))
    with pytest.raises(AssertionError, match="usage"):
        stream.feed(events([USAGE_CHUNK]))


@_ENDS
def test_the_cost_is_added_to_the_usage_that_the_client_asked_for(end: bytes) -> None:
    sent = events([*CONTENT_CHUNKS, USAGE_CHUNK, DONE], end)
    with_cost = add_cost(USAGE_CHUNK, "0.0421")
    assert json.loads(with_cost)["usage"] == STREAM_USAGE | {"cost_usd": "0.0421"}
    for cut in range(len(sent) + 1):
        relayed, _ = _relay([sent[:cut], sent[cut:]], strip=False, cost="0.0421")
        assert relayed == events([*CONTENT_CHUNKS, with_cost, DONE], end)


def test_the_cost_is_asked_of_the_answer_with_its_usage() -> None:
    asked: list[Answer] = []

    def cost_of(answer: Answer) -> str | None:
        asked.append(answer)
        return None

    stream = AnswerStream(ChatEvents(1), strip_usage=False, cost_of=cost_of)
    sent = events([*CONTENT_CHUNKS, USAGE_CHUNK, DONE])
    assert stream.feed(sent) + stream.finish() == sent
    assert [(one.usage, one.model) for one in asked] == [(Usage(19, 3), "gpt-4o-mini")]


def test_a_cost_that_cannot_be_placed_is_left_out() -> None:
    lines = b'data: {"choices":[],\ndata: "usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
    assert _relay([lines], strip=False, cost="1.00")[0] == lines


_PARTS = st.sampled_from(
    [
        *(
            b"\r",
            b"\n",
            b"\r\n",
            b"\n\n",
            b"data:",
            b"data: ",
            b": c",
            b"event: x",
            b"\xef\xbb\xbf",
        ),
        *(USAGE_CHUNK, *CONTENT_CHUNKS, DONE, b'{"usage":{}}', b'"usage": 1', b"\xff", b"[", b"{"),
    ]
) | st.binary(max_size=5)


@given(st.lists(_PARTS), st.data())
def test_any_bytes_are_relayed_and_read_alike_on_any_split(
    parts: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=4)))
    pieces = [sent[a:b] for a, b in itertools.pairwise([0, *cuts, len(sent)])]
    whole, split = _relay([sent]), _relay(pieces)
    assert split[0] == whole[0]
    assert _seen(split[1]) == _seen(whole[1])
    assert _relay(pieces, strip=False)[0] == sent
    if b'"usage"' not in sent:
        assert whole[0] == sent
