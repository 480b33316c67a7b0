"""Images through the proxy: what the upstream bills is charged, by token or by the image."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut, Refusal, Report, Wire
from simulator.server import Simulator
from tests.e2e.endpoints.calls import Outcome, refusal, run, sent
from tests.e2e.stack import TOKENS, Stack, held, paid, running
from tests.e2e.wire import answered

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/images/generations"
EDITS = "/v1/images/edits"
NEW, OLD, WRITER, COUNTED = "gpt-image-2", "gpt-image-1", "gpt-image-1.5", "dall-e-3"
FEES = {
    "1024x1024/standard": 0.04,
    "1792x1024/standard": 0.08,
    "1024x1024/hd": 0.08,
    "1792x1024/hd": 0.12,
}
AS_IS = Behaviour()
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (512).to_bytes(4) * 2 + bytes(200)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """One proxy that knows what an image of an older model costs."""
    folder = tmp_path_factory.mktemp("images")
    pricing = {"overrides": [{"model": COUNTED, "image_fees": FEES}]}
    async with (
        Simulator(keep_bodies=True) as simulator,
        running(folder, simulator, pricing=pricing) as started,
    ):
        yield started
        open_amounts = sum(held(row) for row in await started.rows() if row.charged is None)
        assert (await started.balance()).reserved == open_amounts


def body(model: str = OLD, **asked: Any) -> dict[str, Any]:
    drawn = {"model": model, "prompt": "A cute baby sea otter", "size": "1024x1024"}
    return drawn | {"quality": "low"} | asked


async def draw(
    stack: Stack, asked: dict[str, Any], behaviour: Behaviour = AS_IS, path: str = PATH
) -> Outcome:
    """The call both ways; nothing is added to its stream."""
    return await run(stack, path, {"stream_options": None} | asked, behaviour)


HONEST = [
    body(),
    body(n=3),
    body(quality="high", size="1024x1536"),
    body(quality="auto", size="auto"),
    body(quality=None, size=None),
    body("gpt-image-1-mini", quality="high", size="1536x1024"),
    body(WRITER),
    body(WRITER, quality="high", n=2),
    body(NEW),
    body(NEW, quality="high", size="1792x1024"),
    body(NEW, quality="auto", n=2),
    body(stream=True),
    body(stream=True, partial_images=3, quality="high"),
    body(NEW, stream=True, partial_images=1, n=2),
    body(prompt="日本語 👍🏽 " * 400),
]


@pytest.mark.parametrize("asked", HONEST)
async def test_an_honest_bill_is_within_the_hold(stack: Stack, asked: dict[str, Any]) -> None:
    outcome = await draw(stack, asked)

    outcome.assert_within_the_hold()
    assert (outcome.through.status, outcome.through.body) == (200, outcome.direct.body)


async def test_an_image_of_known_size_is_held_for_no_more_than_its_text_may_be(
    stack: Stack,
) -> None:
    """272 tokens at $40 a million; five of text, where up to 28 may come at $5."""
    outcome = await draw(stack, body())

    assert outcome.bill.amount_microcents == 272 * 4_000 + 12 * 500
    assert held(outcome.row) - outcome.bill.amount_microcents < 20 * 500


EDITED = [
    (EDITS, body(OLD, images=[{"file_id": "file-1"}])),
    (EDITS, body(NEW, images=[{"file_id": "file-1"}] * 3, n=2)),
    (EDITS, body(WRITER, images=[{"file_id": "file-1"}], input_fidelity="high")),
    (EDITS, body(NEW, images=[{"file_id": "file-1"}], mask={"file_id": "file-2"}, stream=True)),
]


@pytest.mark.parametrize(("path", "asked"), EDITED)
async def test_images_that_go_in_are_held_at_their_most(
    stack: Stack, path: str, asked: dict[str, Any]
) -> None:
    outcome = await draw(stack, asked, path=path)

    outcome.assert_within_the_hold()
    assert outcome.bill.input.image_tokens > 0


FEE_CASES = [
    (body(COUNTED, quality="standard"), 4_000_000),
    (body(COUNTED, quality="hd"), 8_000_000),
    (body(COUNTED, quality="hd", size="1792x1024"), 12_000_000),
    (body(COUNTED, quality="standard", n=3), 12_000_000),
    (body(COUNTED, quality=None, size=None), 12_000_000),
    (body(COUNTED, quality="auto"), 8_000_000),
]


@pytest.mark.parametrize(("asked", "microcents"), FEE_CASES)
async def test_an_image_that_has_a_fee_is_held_and_charged_at_it(
    stack: Stack, asked: dict[str, Any], microcents: int
) -> None:
    outcome = await draw(stack, asked)

    assert not outcome.row.estimated
    assert outcome.bill.amount_microcents == microcents
    assert (held(outcome.row), paid(outcome.row)) == (microcents, microcents)
    assert (held(outcome.row, TOKENS) >= 0, paid(outcome.row, TOKENS)) == (True, 0)
    assert outcome.through.body == outcome.direct.body


HOSTILE = [
    Behaviour(output_tokens=9_000),
    Behaviour(extra_choices=2),
    Behaviour(extra_prompt_tokens=5_000),
    Behaviour(reasoning_tokens=700),
    Behaviour(report=Report(shape="zero")),
    Behaviour(report=Report(shape="strings")),
    Behaviour(report=Report(shape="no_total")),
    Behaviour(wire=Wire(compression="br", write_bytes=(7,))),
    Behaviour(wire=Wire(framing="close", compression="gzip")),
]


@pytest.mark.parametrize("behaviour", HOSTILE)
@pytest.mark.parametrize("streamed", [False, True])
async def test_whatever_the_upstream_draws_is_charged(
    stack: Stack, behaviour: Behaviour, streamed: bool
) -> None:
    outcome = await draw(stack, body(stream=streamed), behaviour)

    outcome.assert_charged_by_bill()
    assert outcome.through.body == outcome.direct.body


async def test_more_images_than_were_asked_for_are_paid_for(stack: Stack) -> None:
    outcome = await draw(stack, body(COUNTED, quality="hd"), Behaviour(extra_choices=1))

    assert outcome.bill.amount_microcents == paid(outcome.row) == 16_000_000
    assert held(outcome.row) == 8_000_000


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    "report", [Report(place="nowhere"), Report(shape="negative"), Report(shape="empty")]
)
async def test_without_a_usage_that_can_be_all_that_was_held_is_charged(
    stack: Stack, report: Report, streamed: bool
) -> None:
    outcome = await draw(stack, body(quality="high", stream=streamed), Behaviour(report=report))

    assert outcome.row.estimated
    assert outcome.bill.amount_microcents <= paid(outcome.row) == held(outcome.row)


@pytest.mark.parametrize("after", [0, 1, 2])
async def test_a_stream_that_breaks_off_before_its_image_stays_held(
    stack: Stack, after: int
) -> None:
    asked = body(stream=True, partial_images=2)
    outcome = await draw(stack, asked, Behaviour(cut=Cut(at="event", after=after)))

    assert outcome.row.state is State.UNCERTAIN
    assert outcome.bill.amount_microcents <= held(outcome.row)


async def test_a_refusal_of_the_upstream_costs_nothing(stack: Stack) -> None:
    outcome = await draw(stack, body(), Behaviour(refusal=Refusal(status=429)))

    assert (outcome.row.state, paid(outcome.row)) == (State.RELEASED, 0)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (body(prompt=None), "invalid_request"),
        (body(n=11), "invalid_request"),
        (body(output_format="svg"), "invalid_request"),
        (body("dall-e-2"), "model_not_priced"),
        (body(COUNTED, quality="ultra"), "model_not_priced"),
        (body(size="640x480"), "unbounded_cost"),
        (body(NEW, complexity="high"), "unbounded_cost"),
        (body(NEW, output_format="gif"), "unbounded_cost"),
    ],
)
async def test_what_cannot_be_bounded_does_not_leave(
    stack: Stack, asked: dict[str, Any], code: str
) -> None:
    refused = await refusal(stack, PATH, asked)
    assert refused["code"] == code
    if code == "unbounded_cost":
        assert ": ask for a size, a quality or a format" in refused["message"]


async def test_the_official_sdk_gets_the_same_images(stack: Stack) -> None:
    stack.simulator.reset()
    stack.simulator.behave(Behaviour())
    made, edited, streamed = [], [], []
    for url in (stack.simulator.base_url, stack.base_url):
        async with AsyncOpenAI(base_url=url, api_key="any", max_retries=0) as sdk:
            made.append(await sdk.images.generate(model=NEW, prompt="An otter", n=2))
            edited.append(
                await sdk.images.edit(
                    model=NEW,
                    prompt="Add a hat",
                    image=[("a.png", PNG), ("b.png", PNG)],
                    mask=("mask.png", PNG),
                    n=2,
                    size="1024x1024",
                )
            )
            events = await sdk.images.generate(
                model=NEW, prompt="An otter", stream=True, partial_images=1
            )
            streamed.append([event async for event in events])

    assert made[0] == made[1]
    assert edited[0] == edited[1]
    assert streamed[0] == streamed[1]
    assert [event.type for event in streamed[1]] == [
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    rows = (await stack.rows())[-3:]
    bills = stack.simulator.bills[-3:]
    assert [paid(row) for row in rows] == [bill.amount_microcents for bill in bills]
    assert all(not row.estimated and paid(row) <= held(row) for row in rows)


async def test_an_edit_with_a_large_image_is_held_for_as_many_as_may_come(stack: Stack) -> None:
    stack.simulator.reset()
    stack.simulator.behave(Behaviour())
    async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0) as sdk:
        await sdk.images.edit(
            model=NEW, prompt="Add a hat", image=("a.png", PNG + bytes(2**20)), quality="low"
        )

    row, (bill,) = (await stack.rows())[-1], stack.simulator.bills
    assert paid(row) == bill.amount_microcents
    # 18 images of twice 1,536 tokens at $8 a million.
    assert held(row) > 18 * 2 * 1_536 * 800


async def test_variations_of_an_image_have_its_fee(stack: Stack) -> None:
    stack.simulator.reset()
    stack.simulator.behave(Behaviour())
    async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0) as sdk:
        with pytest.warns(DeprecationWarning, match="deprecated"):
            made = await sdk.images.create_variation(
                image=("a.png", PNG), model=COUNTED, n=2, size="1024x1024"
            )

    assert made.data is not None
    assert len(made.data) == 2
    row, (bill,) = (await stack.rows())[-1], stack.simulator.bills
    assert held(row) == paid(row) == bill.amount_microcents == 16_000_000


async def test_policy_may_ask_for_fewer_images_and_another_model(tmp_path: Path) -> None:
    policies = [
        {
            "name": "thrift",
            "scope": "tenant:dev",
            "bands": [{"used_pct": 0, "n": 1, "models": {NEW: OLD}}],
        }
    ]
    async with (
        Simulator(keep_bodies=True) as simulator,
        running(tmp_path, simulator, policies=policies) as stack,
    ):
        answer = await answered(stack.base_url, body(NEW, n=4), path=PATH)
        (line,) = simulator.bills
        assert answer.status == 200
        assert (sent(stack)["model"], sent(stack)["n"]) == (OLD, 1)
        row = await stack.row()
        assert paid(row) == line.amount_microcents <= held(row)

        simulator.reset()
        async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0) as sdk:
            await sdk.images.edit(
                model=NEW, prompt="Add a hat", image=("a.png", PNG + bytes(2**19)), n=4
            )
        (line,) = simulator.bills
        assert line.model == OLD
        # One image of the dearest size and quality.
        assert line.output.image_tokens == 6_240
        row = (await stack.rows())[-1]
        assert paid(row) == line.amount_microcents <= held(row)
