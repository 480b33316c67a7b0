"""Embeddings of the simulator: vectors in both formats, and a bill of input alone."""

import base64
import struct
from typing import Any

import pytest
from openai.types import CreateEmbeddingResponse

from simulator import Behaviour, Report, Simulator
from tests.simulator.calls import RawAnswer, call

PATH = "/v1/embeddings"
SMALL = "text-embedding-3-small"


async def embed(
    simulator: Simulator, given: Any, behaviour: Behaviour | None = None, **asked: Any
) -> RawAnswer:
    body = {"model": SMALL, "input": given} | asked
    return await call(simulator, body, behaviour, path=PATH)


@pytest.mark.parametrize(
    ("given", "tokens"),
    [("hello there", 2), (["hello", "there", "hello"], 3), ([1, 2, 3, 4], 4), ([[1, 2], [3]], 3)],
)
@pytest.mark.parametrize(
    ("model", "rate"),
    [(SMALL, 2), ("text-embedding-3-large", 13), ("text-embedding-ada-002", 10)],
)
async def test_every_form_of_input_is_counted_and_billed(
    simulator: Simulator, given: Any, tokens: int, model: str, rate: int
) -> None:
    answer = (await embed(simulator, given, model=model)).json()

    CreateEmbeddingResponse.model_validate(answer)
    assert answer["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    assert simulator.total_microcents == tokens * rate


async def test_both_formats_are_the_same_numbers(simulator: Simulator) -> None:
    floats = (await embed(simulator, ["a", "b"], dimensions=8)).json()["data"]
    packed = (await embed(simulator, ["a", "b"], dimensions=8, encoding_format="base64")).json()

    assert [each["index"] for each in floats] == [0, 1]
    assert floats[0]["embedding"] != floats[1]["embedding"]
    for vector, coded in zip(floats, packed["data"], strict=True):
        numbers = struct.unpack("<8f", base64.b64decode(coded["embedding"]))
        assert list(numbers) == vector["embedding"]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"given": ""}, "invalid_type"),
        ({"given": []}, "invalid_value"),
        ({"given": ["a", [1]]}, "invalid_type"),
        ({"given": [1.5]}, "invalid_type"),
        ({"given": {"a": 1}}, "invalid_type"),
        ({"given": [1] * 8_193}, "context_length_exceeded"),
        ({"given": [[1] * 8_000] * 38}, None),
        ({"given": "a", "encoding_format": "hex"}, "invalid_value"),
        ({"given": "a", "dimensions": 1_537}, "invalid_value"),
        ({"given": "a", "dimensions": 9, "model": "text-embedding-ada-002"}, None),
    ],
)
async def test_what_the_real_api_refuses_is_refused(
    simulator: Simulator, asked: dict[str, Any], code: str | None
) -> None:
    answer = await embed(simulator, **asked)

    assert (answer.status, answer.json()["error"]["code"]) == (400, code)
    assert simulator.total_microcents == 0


async def test_a_model_for_chats_is_none_for_embeddings(simulator: Simulator) -> None:
    assert (await embed(simulator, "a", model="gpt-4o")).status == 404


async def test_a_hostile_one_bills_more_and_says_less(simulator: Simulator) -> None:
    hostile = Behaviour(
        extra_prompt_tokens=98, model="text-embedding-3-large", report=Report(place="nowhere")
    )

    answer = (await embed(simulator, "hello there", hostile)).json()

    assert "usage" not in answer
    assert simulator.total_microcents == 100 * 13
