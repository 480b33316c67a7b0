"""Shortened answers and stand-ins, from a full budget to an empty one."""

from pathlib import Path

import pytest

from proxy.domain.money import usd
from proxy.ledger.journal import replay
from simulator.server import Simulator
from tests.e2e.degrade.calls import (
    BODY,
    HOLD,
    INPUT,
    MINI_HOLD,
    TOKEN,
    UNCHANGED,
    assert_billed,
    budget,
    limit_of,
    policy,
    sent,
    told,
)
from tests.e2e.stack import running
from tests.e2e.wire import answered


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_shortened_to_what_its_share_of_the_budget_pays(
    tmp_path: Path, simulator: Simulator, stream: bool
) -> None:
    allocated = 60 * TOKEN + INPUT
    async with running(
        tmp_path, simulator, budgets=[budget(allocated)], degrade={"min_output_tokens": 20}
    ) as stack:
        answer = await answered(stack.base_url, BODY | {"stream": stream})

        limit = (allocated // 2 - INPUT) // TOKEN
        assert limit_of(sent(simulator)) == limit == 29
        assert told(answer) == {
            "decision": "ALLOW_WITH_CAPS",
            "max-tokens": "29",
            "caps": "max_tokens",
        }
        assert answer.headers["x-budget-remaining-usd"] == usd(allocated - allocated // 2)
        assert simulator.bills[0].output.text_tokens == limit
        await assert_billed(stack)


async def test_an_answer_is_never_shorter_than_it_is_of_use(
    tmp_path: Path, simulator: Simulator
) -> None:
    """256 tokens by default: less than that is a refusal."""
    asked = BODY | {"max_tokens": 300}
    least = INPUT + 256 * TOKEN
    async with running(tmp_path, simulator, budgets=[budget(least)]) as stack:
        shortened = await answered(stack.base_url, asked)
    simulator.reset()
    (tmp_path / "poorer").mkdir()
    async with running(tmp_path / "poorer", simulator, budgets=[budget(least - 1)]) as stack:
        refused = await answered(stack.base_url, asked)

    assert told(shortened)["max-tokens"] == "256"
    assert refused.error()["budget"]["reason"] == "budget_exceeded"
    assert refused.error()["budget"]["affordable_max_tokens"] == 255
    assert simulator.requests_seen == []


async def test_what_a_refusal_says_is_affordable_is(tmp_path: Path, simulator: Simulator) -> None:
    async with running(
        tmp_path, simulator, budgets=[budget(77 * TOKEN + INPUT + 999)], degrade={"shorten": False}
    ) as stack:
        refused = await answered(stack.base_url, BODY)
        affordable = refused.error()["budget"]["affordable_max_tokens"]
        one_more = await answered(stack.base_url, BODY | {"max_tokens": affordable + 1})
        allowed = await answered(stack.base_url, BODY | {"max_tokens": affordable})

        assert affordable == 77
        assert one_more.status == 429
        assert (allowed.status, told(allowed)) == (200, UNCHANGED)
        await assert_billed(stack)


CHAIN = {"min_output_tokens": 80, "fallback_models": {"gpt-4o": ["gpt-4.1-mini", "gpt-4o-mini"]}}


@pytest.mark.parametrize(
    ("allocated", "model", "caps"),
    [
        (HOLD, "gpt-4o", None),
        (HOLD - 1, "gpt-4o", "max_tokens"),
        (INPUT + 80 * TOKEN - 1, "gpt-4.1-mini", "model"),
        (8 * 40 + 100 * 160 - 1, "gpt-4.1-mini", "model,max_tokens"),
        (8 * 40 + 80 * 160 - 1, "gpt-4o-mini", "model"),
        (MINI_HOLD - 1, "gpt-4o-mini", "model,max_tokens"),
        (8 * 15 + 80 * 60 - 1, None, None),
    ],
)
async def test_the_ladder_goes_from_dear_to_cheap(
    tmp_path: Path, simulator: Simulator, allocated: int, model: str | None, caps: str | None
) -> None:
    """Field-report 54: a stand-in is charged by its own price."""
    async with running(tmp_path, simulator, budgets=[budget(allocated)], degrade=CHAIN) as stack:
        answer = await answered(stack.base_url, BODY)

        if model is None:
            assert told(answer) == {"decision": "DENY"}
            return
        assert sent(simulator)["model"] == model
        assert told(answer).get("caps") == caps
        if model != "gpt-4o":
            assert told(answer)["model"] == f"{model}; requested=gpt-4o"
        assert simulator.bills[0].model.startswith(model)
        assert simulator.total_microcents <= allocated
        await assert_billed(stack)


async def test_a_stand_in_must_understand_the_call(tmp_path: Path, simulator: Simulator) -> None:
    """gpt-4 sees no images: it is passed over."""
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    body = BODY | {"messages": [{"role": "user", "content": [image]}]}
    degrade = {"fallback_models": {"gpt-4o": ["gpt-4", "gpt-4.1-nano"]}, "min_output_tokens": 90}
    async with running(tmp_path, simulator, budgets=[budget(80 * TOKEN)], degrade=degrade) as stack:
        answer = await answered(stack.base_url, body)

        assert answer.status == 200
        assert sent(simulator)["model"] == "gpt-4.1-nano"
        await assert_billed(stack)


async def test_from_a_full_budget_to_an_empty_one(tmp_path: Path, simulator: Simulator) -> None:
    """ALLOW, then ALLOW_WITH_CAPS, then DENY; the bill never passes the budget on the way."""
    allocated = 8 * HOLD
    async with running(
        tmp_path,
        simulator,
        budgets=[budget(allocated)],
        policies=[policy(bands=[{"used_pct": 60, "caps": {"max_tokens": 40}}])],
        degrade={"min_output_tokens": 5, "fallback_models": {"gpt-4o": "gpt-4o-mini"}},
    ) as stack:
        decisions = []
        for number in range(60):
            answer = await answered(stack.base_url, BODY | {"stream": number % 2 == 0})
            decisions.append(answer.headers["x-budget-decision"])
            assert simulator.total_microcents <= allocated

        assert list(dict.fromkeys(decisions)) == ["ALLOW", "ALLOW_WITH_CAPS", "DENY"]
        assert decisions == sorted(decisions)
        await assert_billed(stack)
        for _, windows in replay(await stack.journal()):
            assert all(amounts.remaining >= 0 for amounts in windows.values())
