"""Requests the real API refuses, and addresses it does not have."""

import json
from typing import Any

import pytest

from simulator import Simulator
from tests.simulator.calls import HELLO, call

USER = {"role": "user", "content": "hello there"}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"\xff", b'{"a": ' * 100_000, b'{"model": NaN}'],
    ids=["empty", "broken", "list", "text", "not utf-8", "too deep", "not a number"],
)
async def test_a_body_that_is_no_json_object_is_refused(simulator: Simulator, body: bytes) -> None:
    answer = await call(simulator, body)

    assert answer.status == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"model": None}, "model", None),
        ({"model": ""}, "model", None),
        ({"model": 4}, "model", None),
        ({"messages": None}, "messages", None),
        ({"messages": []}, "messages", None),
        ({"messages": "hello"}, "messages", None),
        ({"messages": ["hello"]}, "messages[0]", None),
        ({"messages": [USER, {"role": "wizard"}]}, "messages[1].role", None),
        ({"messages": [{"role": "user", "content": 4}]}, "messages[0].content", None),
        ({"max_tokens": "12"}, "max_tokens", "invalid_type"),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
        ({"max_tokens": True}, "max_tokens", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": 16_385}, "max_tokens", "invalid_value"),
        ({"max_completion_tokens": -1}, "max_completion_tokens", "invalid_value"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens", None),
        ({"model": "o3", "max_tokens": 5}, "max_tokens", "unsupported_parameter"),
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 129}, "n", "invalid_value"),
        ({"n": 10**9}, "n", "invalid_value"),
        ({"n": "2"}, "n", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"stream": True, "stream_options": 1}, "stream_options", "invalid_type"),
        (
            {"stream": True, "stream_options": {"include_usage": 1}},
            "include_usage",
            "invalid_type",
        ),
        ({"tools": {}}, "tools", "invalid_type"),
        ({"tools": ["roll"]}, "tools[0]", None),
        ({"tools": [{"type": "function"}]}, "tools[0]", None),
        ({"functions": [{"description": "no name"}]}, "functions[0]", None),
        ({"response_format": "json"}, "response_format", "invalid_type"),
        ({"response_format": {"type": "xml"}}, "response_format.type", None),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", None),
        ({"service_tier": "gold"}, "service_tier", None),
        ({"service_tier": "flex"}, "service_tier", None),
        ({"prediction": {"content": "x"}, "n": 2}, "prediction", None),
        ({"prediction": {"content": "x"}, "max_completion_tokens": 2}, "prediction", None),
        (
            {"model": "gpt-4", "messages": [{"role": "user", "content": "a " * 8200}]},
            "messages",
            "context_length_exceeded",
        ),
        ({"model": "gpt-4", "max_tokens": 8192}, "messages", "context_length_exceeded"),
    ],
)
async def test_a_wrong_field_is_named(
    simulator: Simulator, changes: dict[str, Any], param: str, code: str | None
) -> None:
    answer = await call(simulator, HELLO | changes)

    assert answer.status == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
    assert "x-request-id" in answer.headers
    assert simulator.total_microcents == 0
    assert all(line.outcome == "refused" for line in simulator.bills)


async def test_a_prompt_that_fits_with_its_answer_is_served(simulator: Simulator) -> None:
    answer = await call(simulator, HELLO | {"model": "gpt-4", "max_tokens": 8192 - 9})

    assert answer.status == 200


@pytest.mark.parametrize("model", ["gpt-9", "gpt-4o-", "gpt-4o-2024", "GPT-4o"])
async def test_a_model_that_is_not_there_is_not_found(simulator: Simulator, model: str) -> None:
    answer = await call(simulator, HELLO | {"model": model})

    assert (answer.status, answer.json()["error"]["code"]) == (404, "model_not_found")
    assert model not in answer.json()["error"]["message"]


async def test_a_model_is_known_by_its_snapshot_too(simulator: Simulator) -> None:
    answer = await call(simulator, HELLO | {"model": "gpt-4o-2024-08-06"})

    assert answer.json()["model"] == "gpt-4o-2024-08-06"


async def test_what_is_not_known_passes(simulator: Simulator) -> None:
    extra = {"temperature": 0.5, "metadata": {"a": "b"}, "user": "me", "made_up": [1, None]}

    assert (await call(simulator, HELLO | extra)).status == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/chat/completions", 405, "method_not_supported"),
        ("POST", "/v1/models", 405, "method_not_supported"),
        ("POST", "/v1/assistants", 404, "unknown_url"),
        ("POST", "/chat/completions", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("GET", "/v1/models/gpt-9", 404, "model_not_found"),
        ("GET", "/simulator/nothing", 404, None),
        ("GET", "/simulator/reset", 404, None),
    ],
)
async def test_an_address_that_does_not_exist_says_so(
    simulator: Simulator, method: str, path: str, status: int, code: str | None
) -> None:
    answer = await call(simulator, HELLO, method=method, path=path)

    assert (answer.status, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({}, 401, None),
        ({"authorization": "Basic abc"}, 401, None),
        ({"authorization": "Bearer sk-other"}, 401, "invalid_api_key"),
        ({"authorization": "Bearer sk-right"}, 200, None),
    ],
)
async def test_a_key_is_asked_for_when_there_is_one(
    headers: dict[str, str], status: int, code: str | None
) -> None:
    async with Simulator(key="sk-right") as simulator:
        answer = await call(simulator, HELLO, headers=headers)
        bill = await call(simulator, b"", method="GET", path="/simulator/bill")

    assert answer.status == status
    assert answer.json().get("error", {"code": None})["code"] == code
    assert bill.status == 200


async def test_a_long_body_is_read(simulator: Simulator) -> None:
    body = HELLO | {"metadata": {"padding": "x" * 5_000_000}}

    assert (await call(simulator, json.dumps(body).encode())).status == 200
