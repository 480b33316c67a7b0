"""Legacy completions of the simulator: every answer is billed, the unseen ones too."""

from typing import Any

import pytest
from openai.types import Completion

from simulator import Behaviour, Report, Simulator
from tests.simulator.calls import RawAnswer, call

PATH = "/v1/completions"
HELLO: dict[str, Any] = {"model": "gpt-3.5-turbo-instruct", "prompt": "hello there"}
STREAM = HELLO | {"stream": True}
ASKING = STREAM | {"stream_options": {"include_usage": True}}
TEN = Behaviour(output_tokens=10)


async def complete(
    simulator: Simulator, body: dict[str, Any], behaviour: Behaviour | None = None
) -> RawAnswer:
    return await call(simulator, body, behaviour, path=PATH)


@pytest.mark.parametrize(
    ("asked", "tokens", "shown", "billed"),
    [
        ({}, 2, 1, 1),
        ({"n": 3}, 2, 3, 3),
        ({"n": 2, "best_of": 5}, 2, 2, 5),
        ({"prompt": ["hello", "there"], "n": 2, "best_of": 3}, 2, 4, 6),
        ({"prompt": [1, 2, 3]}, 3, 1, 1),
        ({"prompt": [[1, 2], [3]]}, 3, 2, 2),
        ({"prompt": None}, 1, 1, 1),
        ({"suffix": "the end"}, 4, 1, 1),
        ({"echo": True, "logprobs": 2}, 2, 1, 1),
    ],
)
async def test_every_answer_is_billed_and_every_prompt_once(
    simulator: Simulator, asked: dict[str, Any], tokens: int, shown: int, billed: int
) -> None:
    """150 microcents a token in, 200 out."""
    answer = (await complete(simulator, HELLO | asked, TEN)).json()

    Completion.model_validate(answer)
    assert len(answer["choices"]) == shown
    assert (answer["usage"]["prompt_tokens"], answer["usage"]["completion_tokens"]) == (
        tokens,
        10 * billed,
    )
    assert simulator.total_microcents == tokens * 150 + 10 * billed * 200


@pytest.mark.parametrize(("limit", "tokens"), [(None, 16), (5, 5), (0, 0)])
async def test_without_a_limit_an_answer_has_sixteen_tokens(
    simulator: Simulator, limit: int | None, tokens: int
) -> None:
    answer = (
        await complete(simulator, HELLO | {"max_tokens": limit}, Behaviour(output_tokens=99))
    ).json()

    assert answer["usage"]["completion_tokens"] == tokens
    assert answer["choices"][0]["finish_reason"] == "length"


async def test_a_stream_says_what_the_whole_says(simulator: Simulator) -> None:
    whole = (await complete(simulator, HELLO | {"n": 2, "echo": True}, TEN)).json()
    *events, last, done = (await complete(simulator, ASKING | {"n": 2, "echo": True}, TEN)).events()

    texts = ["", ""]
    for event in events:
        (choice,) = event["choices"]
        texts[choice["index"]] += choice["text"]
    assert texts == [choice["text"] for choice in whole["choices"]]
    assert all(text.startswith("hello there") for text in texts)
    assert (last["choices"], last["usage"]["completion_tokens"]) == ([], 20)
    assert done == "[DONE]"


async def test_usage_comes_only_to_who_asks(simulator: Simulator) -> None:
    events = (await complete(simulator, STREAM, TEN)).events()[:-1]

    assert not any("usage" in event for event in events)


@pytest.mark.parametrize(
    "asked",
    [
        {"n": 3, "best_of": 2},
        {"n": 1, "best_of": 2, "stream": True},
        {"n": 129},
        {"logprobs": 6},
        {"max_tokens": -1},
        {"max_tokens": 4_095},
        {"prompt": []},
        {"prompt": {}},
        {"prompt": ["a", 1]},
        {"suffix": 1},
        {"stream_options": {"include_usage": True}},
        {"prompt": ["a"] * 65, "n": 2},
    ],
    ids=str,
)
async def test_what_the_real_api_refuses_is_refused(
    simulator: Simulator, asked: dict[str, Any]
) -> None:
    assert (await complete(simulator, HELLO | asked)).status == 400
    assert simulator.total_microcents == 0


async def test_a_hostile_one_ignores_the_limit_and_n(simulator: Simulator) -> None:
    hostile = Behaviour(
        output_tokens=50, ignore_limit=True, extra_choices=2, report=Report(place="nowhere")
    )

    answer = (await complete(simulator, HELLO | {"max_tokens": 3}, hostile)).json()

    assert len(answer["choices"]) == 3
    assert "usage" not in answer
    assert simulator.total_microcents == 2 * 150 + 150 * 200
