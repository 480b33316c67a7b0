"""The call in a `response.create` frame."""

import json
from typing import Any

import pytest

from pricing.prompt import Tokens, Unseen
from proxy.dialects.dialect import Changes
from proxy.dialects.responses import FRAMES, RESPONSES
from proxy.dialects.responses.frames import ITEM_TOKENS, Said, prompt_after, said_in
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


def ended(**response: Any) -> bytes:
    """The last event of a response."""
    usage = {"input_tokens": 40, "output_tokens": 7, "total_tokens": 47}
    whole = {"id": "resp_1", "model": "gpt-4o-2024-08-06", "usage": usage, "output": [{}]}
    return encoded({"type": "response.completed", "response": whole | response})


def test_what_was_said_is_what_was_read_and_written() -> None:
    assert said_in(ended(), "gpt-4o") == ("resp_1", Said("gpt-4o", 47 + ITEM_TOKENS))


@pytest.mark.parametrize(
    "event",
    [
        b"no json",
        b"[]",
        b'{"type":"error"}',
        ended(id=7),
        ended(usage=None),
        ended(usage={"input_tokens": 0, "output_tokens": 0}),
        ended(usage={"input_tokens": "x", "output_tokens": 7}),
        ended(usage={"input_tokens": 40, "output_tokens": 7, "total_tokens": 3}),
        ended(
            usage={
                "input_tokens": 40,
                "output_tokens": 7,
                "input_tokens_details": {"audio_tokens": 3},
            }
        ),
    ],
)
def test_what_does_not_tell_is_not_remembered(event: bytes) -> None:
    assert said_in(event, "gpt-4o") is None


def test_what_is_known_stands_for_what_only_the_provider_sees() -> None:
    request = FRAMES.read_request(encoded(FRAME | {"previous_response_id": "resp_1"}))
    unseen, known = FRAMES.prompt_of(request), prompt_after({"resp_1": Said("gpt-4o", 63)}, request)
    assert Unseen("previous_response_id") in unseen.parts
    assert known.parts == tuple(
        Tokens(63) if part == Unseen("previous_response_id") else part for part in unseen.parts
    )


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, "resp_1"),
        ({"resp_2": Said("gpt-4o", 63)}, "resp_1"),
        ({"resp_1": Said("gpt-3.5-turbo", 63)}, "resp_1"),
        ({"resp_1": Said("gpt-4o", 63)}, ["resp_1"]),
    ],
)
def test_of_anything_else_the_window_is_the_bound(said: dict[str, Said], named: Any) -> None:
    """Another model may count the same texts as more tokens."""
    request = FRAMES.read_request(encoded(FRAME | {"previous_response_id": named}))
    assert prompt_after(said, request) == FRAMES.prompt_of(request)


def test_a_change_leaves_the_rest_of_the_frame_as_it_came() -> None:
    request = FRAMES.read_request(encoded(FRAME))
    changed = json.loads(FRAMES.apply(request, Changes(model="gpt-4o-mini")))
    assert changed == FRAME | {"model": "gpt-4o-mini"}
    assert FRAMES.apply(request, Changes()) is request.body
