import json
from typing import Any

import pytest

from tests.benchmarks.instruments.answers import AnswerReader
from tests.benchmarks.instruments.exchange import (
    STREAM_HEAD,
    Requests,
    StreamEvents,
    StreamScript,
    json_answer,
    script_in,
    stamp_in,
    wants_usage,
)


def body_of(request: bytes) -> Any:
    head, _, body = request.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}\r\n" in f"{head.decode()}\r\n"
    return json.loads(body)


def test_requests_are_two_kilobytes_and_differ_only_in_their_number() -> None:
    requests = Requests("localhost:1", None)
    first, second = body_of(requests.next()), body_of(requests.next())
    assert first != second
    assert first["messages"].pop(0)["content"].endswith(" 0000000001.")
    assert second["messages"].pop(0)["content"].endswith(" 0000000002.")
    assert first == second
    assert 1_900 < len(json.dumps(first)) < 2_300


def test_an_answer_is_one_kilobyte() -> None:
    _, _, body = json_answer().partition(b"\r\n\r\n")
    assert 1_000 < len(body) < 1_300
    assert json.loads(body)["usage"]["completion_tokens"] == 125


def test_a_script_travels_in_the_request() -> None:
    script = StreamScript(chunks=200, pace_us=5_000)
    request = Requests("localhost:1", script).next()
    assert script_in(request) == script
    assert body_of(request)["stream"] is True
    assert not wants_usage(request)


def test_a_request_without_a_script_asks_for_json() -> None:
    request = Requests("localhost:1", None).next()
    assert script_in(request) is None
    assert "stream" not in body_of(request)


@pytest.mark.parametrize("usage", [True, False])
def test_a_stream_has_usage_only_when_asked(usage: bool) -> None:
    events = StreamEvents(usage=usage)
    body = AnswerReader().feed(STREAM_HEAD + events.stamped(123_456) + events.tail)
    first, *others, done, nothing = body.split(b"\n\n")
    assert (done, nothing) == (b"data: [DONE]", b"")
    assert stamp_in(first) == 123_456
    assert [stamp_in(event) for event in others] == [None] * len(others)
    decoded = [json.loads(event.removeprefix(b"data: ")) for event in (first, *others)]
    reported = [event.get("usage", "absent") for event in decoded]
    if usage:
        assert reported[:2] == [None, None]
        assert reported[2]["total_tokens"] == 600
        assert decoded[2]["choices"] == []
    else:
        assert reported == ["absent", "absent"]


def test_an_event_is_about_two_hundred_bytes() -> None:
    assert 170 < len(StreamEvents(usage=True).stamped(1)) < 250
