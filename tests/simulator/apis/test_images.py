"""Images of the simulator: by the published tokens or fees, in every form of a call."""

import json
from typing import Any

import pytest
from aiohttp import ClientSession
from openai.types import ImagesResponse

from simulator import Behaviour, Report, Simulator
from tests.dialects.wire.forms import content_type, field, file, form
from tests.simulator.calls import RawAnswer, call

PATH, EDITS = "/v1/images/generations", "/v1/images/edits"
OTTER: dict[str, Any] = {"prompt": "hello there", "size": "1024x1024", "quality": "low"}


async def draw(
    simulator: Simulator, model: str, behaviour: Behaviour | None = None, **asked: Any
) -> RawAnswer:
    return await call(simulator, OTTER | {"model": model} | asked, behaviour, path=PATH)


BILLS = [
    # model, what is asked, text in, drawn, microcents; two tokens of text and six around it
    ("gpt-image-1", {}, 8, 272, 8 * 500 + 272 * 4_000),
    ("gpt-image-1", {"quality": "high", "size": "1024x1536"}, 8, 6_240, 4_000 + 6_240 * 4_000),
    ("gpt-image-1", {"n": 3}, 8, 816, 4_000 + 816 * 4_000),
    ("gpt-image-1-mini", {}, 8, 625, 8 * 200 + 625 * 800),
    ("gpt-image-2", {}, 8, 196, 8 * 500 + 196 * 3_000),
    ("gpt-image-2", {"n": 2}, 16, 392, 16 * 500 + 392 * 3_000),
    ("gpt-image-2", {"quality": "high", "size": "1792x1024"}, 8, 5_063, 4_000 + 5_063 * 3_000),
    ("gpt-image-1", {"quality": None, "size": None}, 8, 6_240, 4_000 + 6_240 * 4_000),
]


@pytest.mark.parametrize(("model", "asked", "text", "drawn", "microcents"), BILLS)
async def test_an_image_is_billed_by_its_tokens(
    simulator: Simulator, model: str, asked: dict[str, Any], text: int, drawn: int, microcents: int
) -> None:
    answer = (await draw(simulator, model, **asked)).json()

    ImagesResponse.model_validate(answer)
    assert len(answer["data"]) == (asked.get("n") or 1)
    assert answer["usage"]["input_tokens_details"] == {"text_tokens": text, "image_tokens": 0}
    assert answer["usage"]["output_tokens_details"] == {"image_tokens": drawn, "text_tokens": 0}
    assert simulator.total_microcents == microcents


async def test_a_model_that_writes_bills_what_nobody_sees(simulator: Simulator) -> None:
    answer = (await draw(simulator, "gpt-image-1.5")).json()

    assert answer["usage"]["output_tokens"] == 272 + 209
    assert simulator.total_microcents == 8 * 500 + 272 * 3_200 + 209 * 1_000


async def test_an_older_model_bills_images_and_tells_nothing(simulator: Simulator) -> None:
    answer = (await draw(simulator, "dall-e-3", quality="hd", n=2)).json()

    assert set(answer) == {"created", "data"}
    assert len(answer["data"]) == 2
    assert simulator.total_microcents == 16_000_000


async def test_previews_are_billed_in_streams_alone(simulator: Simulator) -> None:
    await draw(simulator, "gpt-image-1", partial_images=2)
    answer = await draw(simulator, "gpt-image-1", stream=True, partial_images=2)

    assert [event["type"] for event in answer.events()] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert answer.events()[2]["usage"]["output_tokens"] == 472
    first, second = simulator.bills
    assert second.amount_microcents - first.amount_microcents == 200 * 4_000


@pytest.mark.parametrize(("fidelity", "image_tokens"), [("low", 194), ("high", 194 + 4_160)])
async def test_a_form_brings_images_that_are_billed(
    simulator: Simulator, fidelity: str, image_tokens: int
) -> None:
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (512).to_bytes(4) * 2 + bytes(20)
    asked = OTTER | {"model": "gpt-image-1", "input_fidelity": fidelity, "n": "1"}
    parts = [*(field(name, value) for name, value in asked.items()), file("image", png)]
    answer = await _post(simulator, form(parts))

    assert answer["usage"]["input_tokens_details"]["image_tokens"] == image_tokens
    assert simulator.total_microcents == (8 + 16) * 500 + image_tokens * 1_000 + 272 * 4_000


async def _post(simulator: Simulator, body: bytes) -> Any:
    headers = {"content-type": content_type()}
    async with (
        ClientSession() as session,
        session.post(f"{simulator.address}{EDITS}", data=body, headers=headers) as response,
    ):
        return json.loads(await response.read())


async def test_json_brings_them_by_their_names(simulator: Simulator) -> None:
    asked = OTTER | {"model": "gpt-image-2", "images": [{"file_id": "file-1"}]}
    answer = (await call(simulator, asked, path=EDITS)).json()

    # 1,024 patches of 32 px.
    assert answer["usage"]["input_tokens_details"]["image_tokens"] == 1_024


@pytest.mark.parametrize(
    "asked",
    [{"prompt": None}, {"size": "9x9"}, {"n": 11}, {"partial_images": 4}, {"model": "gpt-4o"}],
)
async def test_what_the_real_api_refuses_is_refused(
    simulator: Simulator, asked: dict[str, Any]
) -> None:
    answer = await call(simulator, OTTER | {"model": "gpt-image-1"} | asked, path=PATH)

    assert answer.status in (400, 404)
    assert simulator.total_microcents == 0


async def test_a_hostile_one_draws_more_than_its_table(simulator: Simulator) -> None:
    hostile = Behaviour(output_tokens=9_000, extra_choices=1, report=Report(place="nowhere"))

    answer = (await draw(simulator, "gpt-image-1", hostile)).json()

    assert "usage" not in answer
    assert simulator.total_microcents == 4_000 + 18_000 * 4_000
