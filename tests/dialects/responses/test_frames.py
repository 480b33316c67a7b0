"""The call in a `response.create` frame."""

import json
from typing import Any

import pytest

from proxy.dialects.dialect import Changes
from proxy.dialects.responses import FRAMES, RESPONSES
from proxy.domain.errors import Refused

CALL: dict[str, Any] = {"model": "gpt-4o", "input": "hello there", "instructions": "be brief"}
FRAME: dict[str, Any] = {"type": "response.create", "stream_id": "a"} | CALL
SEARCH = {"tools": [{"type": "web_search"}]}


def encoded(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def test_a_frame_is_the_call_that_it_would_be_over_http() -> None:
    frame, body = FRAMES.read_request(encoded(FRAME)), RESPONSES.read_request(encoded(CALL))
    assert FRAMES.prompt_of(frame) == RESPONSES.prompt_of(body)
    assert (frame.generates, frame.max_output_tokens) == (True, None)


def test_its_answer_comes_as_events_whatever_it_says() -> None:
    assert FRAMES.read_request(encoded(FRAME)).stream
    assert FRAMES.read_request(encoded(FRAME | {"stream": False})).stream


@pytest.mark.parametrize(
    "asks",
    [
        {"generate": False},
        {"prompt_cache_options": {"prewarm": True}},
        {"generate": True, "prompt_cache_options": {"prewarm": True}},
    ],
)
def test_a_warm_up_reads_its_input_once_and_writes_nothing(asks: dict[str, Any]) -> None:
    request = FRAMES.read_request(encoded(FRAME | SEARCH | asks))
    assert not request.generates
    assert FRAMES.prompt_of(request).rounds == 1
    assert (request.paid_tool_calls, request.needs_tool_limit) == ({}, None)


@pytest.mark.parametrize("asks", [{}, {"generate": True}, {"prompt_cache_options": {}}])
def test_what_is_not_said_to_be_a_warm_up_is_none(asks: dict[str, Any]) -> None:
    request = FRAMES.read_request(encoded(FRAME | SEARCH | asks))
    assert request.generates
    assert FRAMES.prompt_of(request).rounds > 1
    assert request.needs_tool_limit is not None


def test_over_http_nothing_makes_a_call_a_warm_up() -> None:
    assert RESPONSES.read_request(encoded(CALL | {"generate": False})).generates


@pytest.mark.parametrize(
    ("asks", "param"),
    [
        ({"generate": "no"}, "generate"),
        ({"prompt_cache_options": {"prewarm": 1}}, "prewarm"),
        ({"prompt_cache_options": []}, "prompt_cache_options"),
        ({"background": True}, "background"),
        ({"model": None}, "model"),
    ],
)
def test_what_is_malformed_is_refused(asks: dict[str, Any], param: str) -> None:
    with pytest.raises(Refused) as refused:
        FRAMES.read_request(encoded(FRAME | asks))
    assert refused.value.param == param


def test_a_change_leaves_the_rest_of_the_frame_as_it_came() -> None:
    request = FRAMES.read_request(encoded(FRAME))
    changed = json.loads(FRAMES.apply(request, Changes(model="gpt-4o-mini")))
    assert changed == FRAME | {"model": "gpt-4o-mini"}
    assert FRAMES.apply(request, Changes()) is request.body
