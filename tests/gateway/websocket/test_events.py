"""Frames of an upstream as server-sent events, and back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.wire.sse import EventSplitter, data_of
from proxy.gateway.websocket.events import (
    FrameSplitter,
    as_event,
    is_last,
    is_of_a_response,
    status_of,
    type_of,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (b'{"type":"response.created","response":{}}', "response.created"),
        (b' {\n "type" : "error" }', "error"),
        (
            b'{"sequence_number":1,"type":"response.output_text.delta"}',
            "response.output_text.delta",
        ),
        (b'{"delta":"\\"type\\":\\"error\\"","type":"response.x"}', "response.x"),
        (b'{"response":{"type":"error"}}', ""),
        (b'{"type":7}', ""),
        (b"not json", ""),
        (b"", ""),
        (b"\xff\xfe", ""),
    ],
)
def test_the_type_is_the_events_own(frame: bytes, kind: str) -> None:
    assert type_of(frame) == kind


@given(st.binary() | JSON.map(lambda tree: json.dumps(tree).encode()))
def test_no_frame_is_too_odd_to_be_looked_at(frame: bytes) -> None:
    kind = type_of(frame)
    assert is_last(kind) in (True, False)
    assert status_of(frame) is None or 400 <= (status_of(frame) or 0) < 600


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        (b'{"type":"error","status":429}', 429),
        (b'{"type":"error","status_code":503}', 503),
        (b'{"type":"error"}', None),
        (b'{"type":"error","status":"429"}', None),
        (b'{"type":"error","status":true}', None),
        (b'{"type":"error","status":200}', None),
        (b'{"type":"error","status":70000}', None),
    ],
)
def test_a_status_is_one_of_an_error(frame: bytes, status: int | None) -> None:
    assert status_of(frame) == status


def test_what_is_paid_for_with_a_response_belongs_to_it() -> None:
    assert is_of_a_response("response.created")
    assert is_of_a_response("error")
    assert not is_of_a_response("codex.rate_limits")


@given(JSON, st.sampled_from([None, 2]))
def test_an_event_is_one_event_whatever_its_frame(tree: object, indent: int | None) -> None:
    frame = json.dumps(tree, indent=indent).encode()
    ((event, end),) = EventSplitter().feed(as_event(frame))
    assert event is not None
    assert json.loads(data_of(event)) == tree
    assert end == len(as_event(frame))


@given(st.lists(JSON, max_size=5), st.data())
def test_frames_come_back_whole_however_the_events_are_cut(
    trees: list[object], data: st.DataObject
) -> None:
    stream = b"".join(as_event(json.dumps(tree).encode()) for tree in trees)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    splitter, frames = FrameSplitter(), []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        frames += splitter.feed(stream[begin:end])
    assert [json.loads(frame) for frame in frames] == trees


def test_what_is_no_frame_is_left_out() -> None:
    stream = b": a comment\n\nevent: x\ndata: {}\n\ndata: [DONE]\n\n"
    assert FrameSplitter().feed(stream) == [b"{}"]
