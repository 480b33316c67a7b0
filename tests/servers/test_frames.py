"""The relay must break connections where it is told to, so it must know where messages end."""

import hiredis
from hypothesis import given
from hypothesis import strategies as st

from tests.servers.frames import Frames, frame_end

LINES = st.text(alphabet="abc 123", max_size=8)
MESSAGES = st.recursive(
    st.one_of(
        LINES.map(lambda text: b"+%s\r\n" % text.encode()),
        LINES.map(lambda text: b"-ERR %s\r\n" % text.encode()),
        st.integers(-(2**63), 2**63 - 1).map(lambda number: b":%d\r\n" % number),
        st.binary(max_size=20).map(lambda data: b"$%d\r\n%s\r\n" % (len(data), data)),
        st.sampled_from([b"$-1\r\n", b"*-1\r\n", b"*0\r\n"]),
    ),
    lambda inner: st.lists(inner, min_size=1, max_size=4).map(
        lambda parts: b"*%d\r\n%s" % (len(parts), b"".join(parts))
    ),
    max_leaves=6,
)


@given(messages=st.lists(MESSAGES, max_size=6), size=st.integers(1, 30))
def test_messages_are_found_however_they_arrive(messages: list[bytes], size: int) -> None:
    stream = b"".join(messages)
    frames, found = Frames(), []
    for start in range(0, len(stream), size):
        found += frames.feed(stream[start : start + size])
    assert found == messages


@given(message=MESSAGES, data=st.data())
def test_a_message_is_whole_when_a_parser_says_so(message: bytes, data: st.DataObject) -> None:
    piece = message[: data.draw(st.integers(0, len(message)))]
    incomplete = object()
    reader = hiredis.Reader(notEnoughData=incomplete)
    reader.feed(piece)
    assert (frame_end(piece) is None) is (reader.gets() is incomplete)
