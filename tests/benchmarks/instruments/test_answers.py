import json

import pytest

from tests.benchmarks.instruments.answers import AnswerReader
from tests.benchmarks.instruments.exchange import STREAM_HEAD, StreamEvents, json_answer

STREAM = STREAM_HEAD + StreamEvents(usage=True).stamped(7) + StreamEvents(usage=True).tail


def read_in_two(answer: bytes, at: int) -> bytes:
    reader = AnswerReader()
    body = reader.feed(answer[:at])
    if answer[at:]:
        assert not reader.done
        body += reader.feed(answer[at:])
    assert reader.done
    assert reader.status == 200
    return body


def test_a_plain_body_is_whole_at_every_split() -> None:
    answer = json_answer()
    bodies = {read_in_two(answer, at) for at in range(1, len(answer) + 1)}
    assert len(bodies) == 1
    assert json.loads(bodies.pop())["usage"]["total_tokens"] == 525


def test_a_chunked_body_is_whole_at_every_split() -> None:
    bodies = {read_in_two(STREAM, at) for at in range(1, len(STREAM) + 1)}
    assert len(bodies) == 1
    assert bodies.pop().endswith(b"\n\ndata: [DONE]\n\n")


def test_a_reader_reads_one_answer_after_another() -> None:
    reader = AnswerReader()
    assert reader.feed(STREAM)
    reader.reset()
    assert not reader.done
    assert reader.feed(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\nno") == b"no"
    assert (reader.status, reader.done) == (429, True)


def test_an_empty_body_is_done_with_its_head() -> None:
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") == b""
    assert reader.done


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nthree",
        STREAM + b"more",
    ],
    ids=["no length", "longer than its length", "bytes after the last chunk"],
)
def test_what_the_course_never_sends_is_an_error(answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"without a length|longer|after the last"):
        AnswerReader().feed(answer)


def test_bytes_after_the_end_are_an_error() -> None:
    reader = AnswerReader()
    reader.feed(json_answer())
    with pytest.raises(ValueError, match="after the end"):
        reader.feed(b"HTTP/1.1 200 OK\r\n")
