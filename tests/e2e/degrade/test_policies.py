"""What a policy changes in a call, at once and never silently; and what it leaves alone."""

import json
from itertools import groupby
from pathlib import Path

import pytest

from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.degrade.calls import (
    BODY,
    HOLD,
    UNCHANGED,
    WITH_TOOLS,
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
async def test_a_policy_changes_model_length_and_tools_at_once_and_says_so(
    tmp_path: Path, simulator: Simulator, stream: bool
) -> None:
    says = policy(
        models={"gpt-4o": "gpt-4o-mini"},
        caps={"max_tokens": 50, "tool_denylist": ["search", "write"]},
    )
    async with running(tmp_path, simulator, policies=[says]) as stack:
        answer = await answered(stack.base_url, WITH_TOOLS | {"stream": stream})

        assert told(answer) == {
            "decision": "ALLOW_WITH_CAPS",
            "model": "gpt-4o-mini; requested=gpt-4o",
            "max-tokens": "50",
            "caps": "model,max_tokens,tools",
        }
        body = sent(simulator)
        assert (body["model"], limit_of(body)) == ("gpt-4o-mini", 50)
        assert [each["function"]["name"] for each in body["tools"]] == ["read"]
        assert body["messages"] == BODY["messages"]
        assert simulator.bills[0].model == "gpt-4o-mini-2024-07-18"
        (line,) = stack.log.events("call")
        assert (line["policy"], line["caps"]) == ("thrift", "model,max_tokens,tools")
        await assert_billed(stack)


@pytest.mark.parametrize(
    ("asked", "limit", "caps"), [(20, 20, None), (50, 50, None), (51, 50, "max_tokens")]
)
async def test_a_cap_is_a_ceiling(
    tmp_path: Path, simulator: Simulator, asked: int, limit: int, caps: str | None
) -> None:
    says = policy(caps={"max_tokens": 50})
    async with running(tmp_path, simulator, policies=[says]) as stack:
        answer = await answered(stack.base_url, BODY | {"max_tokens": asked})

    assert limit_of(sent(simulator)) == limit
    assert told(answer).get("caps") == caps


async def test_a_call_without_a_limit_gets_the_one_of_the_policy(
    tmp_path: Path, simulator: Simulator
) -> None:
    body = {name: value for name, value in BODY.items() if name != "max_tokens"}
    says = policy(caps={"max_tokens": 50})
    async with running(tmp_path, simulator, policies=[says]) as stack:
        answer = await answered(stack.base_url, body)

        assert limit_of(sent(simulator)) == 50
        assert told(answer)["max-tokens"] == "50"
        await assert_billed(stack)


@pytest.mark.parametrize(
    ("caps", "left"),
    [
        ({"tool_allowlist": ["read"]}, ["read"]),
        ({"tool_denylist": ["read"]}, ["search", "write"]),
        ({"tool_allowlist": ["nothing"]}, None),
    ],
)
async def test_tools_leave_by_name(
    tmp_path: Path, simulator: Simulator, caps: dict[str, object], left: list[str] | None
) -> None:
    async with running(tmp_path, simulator, policies=[policy(caps=caps)]) as stack:
        answer = await answered(stack.base_url, WITH_TOOLS)

    body = sent(simulator)
    assert answer.status == 200
    assert told(answer) == {"decision": "ALLOW_WITH_CAPS", "caps": "tools"}
    if left is None:
        assert "tools" not in body
        assert "tool_choice" not in body
    else:
        assert [each["function"]["name"] for each in body["tools"]] == left


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "search"}}], ids=str
)
async def test_a_call_that_insists_on_what_is_taken_away_is_refused(
    tmp_path: Path, simulator: Simulator, choice: object
) -> None:
    says = policy(caps={"tool_allowlist": ["nothing"]})
    async with running(tmp_path, simulator, policies=[says]) as stack:
        answer = await answered(stack.base_url, WITH_TOOLS | {"tool_choice": choice})

        if isinstance(choice, dict):
            assert answer.error()["budget"]["reason"] == "tool_denied"
            assert simulator.requests_seen == []
            assert (await stack.balance()).reserved == 0


async def test_without_a_reason_not_a_byte_is_changed(tmp_path: Path, simulator: Simulator) -> None:
    """Policies that do not apply, and a budget that has room."""
    data = b'{ "messages":[{"role":"user","content":"h\\u0069"}],"max_tokens":3,"model":"gpt-4o"\n}'
    policies = [
        policy(bands=[{"used_pct": 1, "caps": {"max_tokens": 1}}]),
        policy(name="others", models={"gpt-4.1": "gpt-4.1-mini"}),
    ]
    async with running(tmp_path, simulator, policies=policies) as stack:
        answer = await answered(stack.base_url, data)

    assert simulator.requests_seen[0].body == data
    assert told(answer) == UNCHANGED


async def test_bands_follow_what_is_used(tmp_path: Path, simulator: Simulator) -> None:
    """Ten full calls would empty the budget; the band of half and of four fifths are reached."""
    bands = [
        {"used_pct": 50, "caps": {"max_tokens": 60}},
        {"used_pct": 80, "caps": {"max_tokens": 10}, "models": {"gpt-4o": "gpt-4o-mini"}},
    ]
    async with running(
        tmp_path, simulator, budgets=[budget(10 * HOLD)], policies=[policy(bands=bands)]
    ) as stack:
        answers = [await answered(stack.base_url, BODY) for _ in range(14)]

        seen = [json.loads(each.body or b"") for each in simulator.requests_seen]
        limits = [(body["model"], limit_of(body)) for body in seen]
        assert [each for each, _ in groupby(limits)] == [
            ("gpt-4o", 100),
            ("gpt-4o", 60),
            ("gpt-4o-mini", 10),
        ]
        assert limits.count(("gpt-4o", 100)) == 5
        assert [told(answer)["decision"] for answer in answers] == (
            ["ALLOW"] * 5 + ["ALLOW_WITH_CAPS"] * 9
        )
        await assert_billed(stack)


async def test_the_policy_of_highest_priority_decides_alone(
    tmp_path: Path, simulator: Simulator
) -> None:
    policies = [
        policy(name="first", caps={"max_tokens": 5}, priority=1),
        policy(name="second", models={"gpt-*": "gpt-4.1-nano"}, priority=2),
    ]
    async with running(tmp_path, simulator, policies=policies) as stack:
        answer = await answered(stack.base_url, BODY)

    assert told(answer)["caps"] == "model"
    assert limit_of(sent(simulator)) == 100


@pytest.mark.parametrize(
    ("model", "stand_in", "asked", "limit", "caps"),
    [
        ("gpt-4o", "gpt-5-nano", 100, 100, "model"),
        ("gpt-5", "gpt-4", 20_000, 8_192 - 8, "model,max_tokens"),
        ("gpt-4o", "gpt-4.1-nano", 16_384, 16_384, "model"),
    ],
)
async def test_the_limit_follows_the_model_that_stands_in(
    tmp_path: Path,
    simulator: Simulator,
    model: str,
    stand_in: str,
    asked: int,
    limit: int,
    caps: str,
) -> None:
    """Models that reason refuse max_tokens, and none takes more than it can do."""
    field = "max_completion_tokens" if model == "gpt-5" else "max_tokens"
    messages = BODY["messages"]
    simulator.behave(Behaviour(output_tokens=5))
    async with running(tmp_path, simulator, policies=[policy(models={model: stand_in})]) as stack:
        answer = await answered(
            stack.base_url, {"model": model, "messages": messages, field: asked}
        )

        assert answer.status == 200
        assert told(answer)["caps"] == caps
        assert limit_of(sent(simulator)) == limit
        await assert_billed(stack)
