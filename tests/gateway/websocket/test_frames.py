"""What callers may send, and how they are told what went wrong."""

import json

import pytest

from proxy.dialects.responses import FRAMES
from proxy.domain.errors import BudgetRefused, Reason, Refused, Shortage
from proxy.domain.money import Unit
from proxy.gateway.respond import refusal_answer
from proxy.gateway.websocket.frames import CONTROLS, error_frame, read_frame
from tests.docs.pages import blocks, page


def test_a_call_is_a_call_in_its_lane() -> None:
    text = b'{"type": "response.create", "stream_id": "a", "input": "hello"}'
    frame = read_frame(text)
    assert (frame.is_call, frame.stream_id, frame.text) == (True, "a", text)


@pytest.mark.parametrize("kind", CONTROLS)
def test_what_only_ends_or_acknowledges_a_response_is_no_call(kind: str) -> None:
    frame = read_frame(json.dumps({"type": kind, "response_id": "resp_1"}).encode())
    assert not frame.is_call


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no json", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("{}", "type"),
        ('{"type": 1}', "type"),
        ('{"type": "response.cancel", "type": "response.create"}', "twice"),
        ('{"type": "response.create", "stream_id": 1}', "stream_id"),
        ('{"type": "response.steer", "input": "go on"}', "response.steer"),
        ('{"type": "response.inject"}', "response.inject"),
        ('{"type": "session.update"}', "response.create"),
    ],
)
def test_whatever_else_comes_is_refused_with_a_hint(text: str, says: str) -> None:
    with pytest.raises(Refused, match=says) as refused:
        read_frame(text.encode())
    assert refused.value.reason is Reason.INVALID_REQUEST


def test_a_refusal_repeats_nothing_that_was_sent() -> None:
    with pytest.raises(Refused) as refused:
        read_frame(b'{"type": "sk-secret", "input": "a prompt"}')
    assert "secret" not in str(refused.value)


def test_no_frame_shows_its_text() -> None:
    assert "prompt" not in repr(read_frame(b'{"type": "response.create", "input": "a prompt"}'))


def test_a_refusal_over_http_is_an_error_with_its_status_and_headers() -> None:
    """Codex reads the headers beside the error, and the SDKs in it."""
    body = b'{"error": {"message": "No.", "type": "insufficient_quota", "budget": {"n": 1}}}'
    frame = json.loads(error_frame(429, {"x-should-retry": "false"}, body, None))
    assert frame == {
        "type": "error",
        "status": 429,
        "error": {
            "message": "No.",
            "type": "insufficient_quota",
            "budget": {"n": 1},
            "headers": {"x-should-retry": "false"},
        },
        "headers": {"x-should-retry": "false"},
    }


def test_an_error_says_in_which_lane_it_is() -> None:
    assert json.loads(error_frame(400, {}, b'{"error": {}}', "a"))["stream_id"] == "a"


def test_an_error_that_came_as_a_frame_stays_as_it_came() -> None:
    came = b'{"type":"error", "status": 400,"error":{"code":"previous_response_not_found"}}'
    assert error_frame(400, {"x": "y"}, came, "a") is came


def test_the_example_in_the_documentation_is_what_would_be_sent() -> None:
    (example,) = (json.loads(block) for block in blocks(page("errors.md"), "jsonc"))
    budget = example["error"]["budget"]
    shortage = Shortage(
        budget["scope"], Unit(budget["unit"]), budget["required"], budget["remaining"], None
    )
    answer = refusal_answer(
        FRAMES,
        BudgetRefused(Reason(budget["reason"]), shortage),
        deny_status=429,
        trace_id=budget["trace_id"],
    )
    frame = error_frame(answer.status, answer.headers, answer.body, None)
    assert json.loads(frame) == example


@pytest.mark.parametrize("body", [b"<html>", b"", b"[1]", b'{"error": "text"}', b"\xff"])
def test_a_page_in_place_of_an_error_is_not_quoted(body: bytes) -> None:
    frame = json.loads(error_frame(502, {}, body, None))
    assert frame["status"] == 502
    assert frame["error"]["message"] == "The upstream refused the call."
