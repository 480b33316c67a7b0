"""Events are found at their ends, on any split of the bytes and with any line end."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.wire.sse import EventSplitter, data_of


def _split(pieces: list[bytes], limit: int = 2**20) -> list[bytes | None]:
    splitter = EventSplitter(limit)
    events = [event for piece in pieces for event, _ in splitter.feed(piece)]
    return [*events, splitter.finish()]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_events_end_at_an_empty_line(end: bytes) -> None:
    first, second = b"data: 1" + end * 2, b": note" + end + b"data: 2" + end * 2
    assert _split([first + second]) == [first, second, b""]
    assert _split([first, second]) == [first, second, b""]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"a\r\nb\r\n\r\nc", [b"a\r\nb\r\n\r\n", b"c"]),
        (b"a\n\r\nb", [b"a\n\r\n", b"b"]),
        (b"a\r\n\nb", [b"a\r\n\n", b"b"]),
        (b"a\r\r\nb", [b"a\r\r\n", b"b"]),
        (b"a\r\n\rb", [b"a\r\n\r", b"b"]),
        (b"a\n\n\nb", [b"a\n\n", b"\nb"]),
        (b"\na\n\n", [b"\na\n\n", b""]),
        (b"a\r\nb", [b"a\r\nb"]),
        (b"", [b""]),
    ],
)
def test_a_line_end_of_two_bytes_is_one_line_end(stream: bytes, events: list[bytes]) -> None:
    assert _split([stream]) == events


def test_offsets_say_where_in_the_piece_an_event_ends() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: 1\n\ndata: 2") == [(b"data: 1\n\n", 9)]
    assert splitter.feed(b"\n") == []
    assert splitter.feed(b"\nx\n\ny") == [(b"data: 2\n\n", 1), (b"x\n\n", 4)]
    assert splitter.finish() == b"y"
    assert splitter.finish() == b""


@given(st.lists(st.sampled_from([b"\r", b"\n", b"a", b"data: x"])), st.data())
def test_no_split_of_the_bytes_loses_or_adds_one(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    pieces = [stream[a:b] for a, b in itertools.pairwise([0, *cuts, len(stream)])]
    events = _split(pieces)
    assert b"".join(event or b"" for event in events) == stream
    texts = [data_of(event or b"") for event in events]
    whole = [data_of(event or b"") for event in _split([stream])]
    assert [text for text in texts if text] == [text for text in whole if text]


def test_an_event_beyond_the_limit_is_let_go_and_the_next_is_found() -> None:
    pieces = [b"data: " + b"x" * 50, b"x" * 50, b"x\n", b"\ndata: 1\n\n"]
    assert _split(pieces, limit=80) == [None, b"data: 1\n\n", b""]
    assert _split(pieces[:3], limit=80) == [None]
    assert _split([b"x" * 80, b"\n\ny"], limit=80) == [b"x" * 80 + b"\n\n", b"y"]


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_the_end_of_an_event_that_was_let_go_is_found_on_any_split(end: bytes) -> None:
    for cut in range(len(end) + 1):
        pieces = [b"x" * 99, b"x" + end[:cut], end[cut:] + b"data: 1\n\n"]
        events = _split(pieces, limit=80)
        assert events[0] is None
        assert [data_of(event or b"") for event in events[1:]] == [b"1", b""]


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\r\n\r\n", b"x"),
        (b"data:  x\r\r", b" x"),
        (b"event: e\nid: 1\ndata: x\nretry: 9\n\n", b"x"),
        (b"data: a\ndata:b\ndata\n\n", b"a\nb\n"),
        (b"\xef\xbb\xbfdata: x\n\n", b"x"),
        (b": data: x\n\n", b""),
        (b"dataset: x\n\n", b""),
        (b" data: x\n\n", b""),
        (b"data: a:b", b"a:b"),
        (b"\n\n", b""),
    ],
)
def test_data_is_read_as_the_standard_says(event: bytes, data: bytes) -> None:
    assert data_of(event) == data
