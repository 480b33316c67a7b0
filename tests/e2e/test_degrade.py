"""From full to empty: what policies and the ladder change in a call, and what never changes."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.money import Unit, usd
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.journal import replay
from proxy.ledger.protocol import BudgetStatus
from simulator.behaviour import Behaviour
from simulator.models import MODELS
from simulator.rates import PriceList, Rates
from simulator.server import Simulator
from tests.e2e.stack import TENANT, Stack, running
from tests.e2e.wire import RawAnswer, answered, connected, encode, read_answer, request_bytes

# gpt-4o, "hi": 8 tokens in at 250 microcents, each token out 1000. gpt-4o-mini: 15 and 60.
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}
INPUT = 8 * 250
TOKEN = 1_000
HOLD = INPUT + 100 * TOKEN
MINI_HOLD = 8 * 15 + 100 * 60


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"properties": {}}}}


WITH_TOOLS = BODY | {"tools": [tool("search"), tool("read"), tool("write")], "tool_choice": "auto"}


def budget(microcents: int, scope: str = "tenant:dev", **more: object) -> dict[str, object]:
    return {"scope": scope, "allocated": f"${usd(microcents)}", "period": "none", **more}


def policy(**says: object) -> dict[str, object]:
    return {"name": "thrift", "scope": "tenant:dev/*", **says}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    """An upstream that keeps what it was sent, always says as much as it may, and is free where
    the model is."""
    nothing = Rates(input=Decimal(0), output=Decimal(0))
    local = replace(
        MODELS["gpt-4o"],
        name="local/llama",
        snapshot="local/llama",
        prices=PriceList(standard=nothing),
    )
    behaviour = Behaviour(output_tokens=100_000)
    async with Simulator(
        keep_bodies=True, models={**MODELS, "local/llama": local}, behaviour=behaviour
    ) as started:
        yield started


def sent(simulator: Simulator) -> dict[str, Any]:
    """The body that the upstream got last."""
    body = simulator.requests_seen[-1].body
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found


def limit_of(body: dict[str, Any]) -> int:
    """The limit of a body, whichever of its two fields it stands in."""
    limits = [body[name] for name in ("max_tokens", "max_completion_tokens") if name in body]
    (limit,) = limits
    assert isinstance(limit, int)
    return limit


def told(answer: RawAnswer) -> dict[str, str]:
    """What the caller is told of changes."""
    names = ("decision", "model", "max-tokens", "caps")
    headers = {name: answer.headers.get(f"x-budget-{name}") for name in names}
    return {name: value for name, value in headers.items() if value is not None}


async def assert_billed(stack: Stack) -> None:
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)
    assert (await stack.balance()).reserved == 0


UNCHANGED = {"decision": "ALLOW"}


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


FREE = {"overrides": [{"model": "local/*", "free": True}]}


async def test_a_free_model_works_when_the_money_is_gone(
    tmp_path: Path, simulator: Simulator
) -> None:
    """Field-report 53; and 10: it never falls back to one that is not free."""
    body = BODY | {"model": "local/llama"}
    degrade = {"fallback_models": {"local/llama": "gpt-4o-mini"}}
    async with running(
        tmp_path, simulator, budgets=[budget(0)], pricing=FREE, degrade=degrade
    ) as stack:
        paid = await answered(stack.base_url, BODY)
        free = await answered(stack.base_url, body)

        assert paid.error()["budget"]["reason"] == "budget_exceeded"
        assert (free.status, told(free)) == (200, UNCHANGED)
        assert free.headers["x-budget-cost-usd"] == "0.00"
        assert sent(simulator)["model"] == "local/llama"
        await assert_billed(stack)


@pytest.mark.parametrize("status", ["frozen", "closed"])
async def test_a_frozen_budget_refuses_even_what_is_free(
    tmp_path: Path, simulator: Simulator, status: str
) -> None:
    budgets = [budget(HOLD, status=status)]
    async with running(tmp_path, simulator, budgets=budgets, pricing=FREE) as stack:
        for model in ("gpt-4o", "local/llama"):
            answer = await answered(stack.base_url, BODY | {"model": model})
            assert answer.error()["budget"]["reason"] == f"budget_{status}"
        assert simulator.requests_seen == []


async def test_freezing_stops_new_calls_and_settles_the_ones_in_flight(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(gate="go", output_tokens=5))
    async with running(tmp_path, simulator) as stack, connected(stack.base_url) as connection:
        await connection.send(request_bytes(encode(BODY)))
        await simulator.until(lambda: simulator.in_flight == 1)
        await stack.books.set_status(TENANT, Unit.USD_MICROCENTS, BudgetStatus.FROZEN, "operator")
        refused = await answered(stack.base_url, BODY)
        simulator.open_gate("go")
        finished = read_answer(await connection.read_all())
        await stack.books.set_status(TENANT, Unit.USD_MICROCENTS, BudgetStatus.ACTIVE, "operator")
        again = await answered(stack.base_url, BODY | {"max_tokens": 99})

        assert refused.error()["budget"]["reason"] == "budget_frozen"
        assert finished is not None
        assert finished.status == again.status == 200
        await assert_billed(stack)


TEMPLATES = [budget(100 * HOLD), budget(2 * HOLD, "tenant:dev/agent:*")]


async def test_each_agent_has_a_budget_of_its_own(tmp_path: Path, simulator: Simulator) -> None:
    degrade = {"shorten": False}
    async with running(tmp_path, simulator, budgets=TEMPLATES, degrade=degrade) as stack:
        spent = [await answered(stack.base_url, BODY, "X-Cycles-Agent: a") for _ in range(3)]
        other = await answered(stack.base_url, BODY, "X-Cycles-Agent: B")
        by_path = await answered(stack.base_url, BODY, path="/s/agent=b/v1/chat/completions")
        by_baggage = await answered(stack.base_url, BODY, "baggage: cycles.agent=b")

        assert [answer.status for answer in spent] == [200, 200, 429]
        assert spent[2].error()["budget"]["scope"] == "tenant:dev/agent:a"
        assert (other.status, by_path.status, by_baggage.status) == (200, 200, 429)
        assert (await stack.balance(Scope("tenant:dev/agent:b"))).spent == 2 * HOLD
        assert (await stack.balance()).spent == 4 * HOLD
        await assert_billed(stack)


async def test_more_templates_than_agreed_are_refused_and_not_let_through(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with running(tmp_path, simulator, budgets=TEMPLATES, templates_max=2) as stack:
        agents = [f"X-Cycles-Agent: agent-{number}" for number in (1, 2, 3, 1)]
        answers = [await answered(stack.base_url, BODY, agent) for agent in agents]

        assert [answer.status for answer in answers] == [200, 200, 429, 200]
        assert answers[2].error()["budget"]["reason"] == "template_limit"
        assert len(simulator.bills) == 3


async def test_the_tightest_budget_on_the_way_decides(tmp_path: Path, simulator: Simulator) -> None:
    """Seven levels, the least of them poor: it is named, and no other holds anything."""
    path = ["tenant:dev", "workspace:w", "app:a", "workflow:f", "agent:g", "toolset:t"]
    scopes = ["/".join(path[: depth + 1]) for depth in range(len(path))]
    budgets = [budget(50 * HOLD, scope) for scope in scopes[:-1]] + [budget(HOLD // 2, scopes[-1])]
    default = dict(level.split(":") for level in path[:4])
    async with running(
        tmp_path,
        simulator,
        budgets=budgets,
        identity={"default": default},
        degrade={"shorten": False},
    ) as stack:
        headers = ["X-Cycles-Agent: g", "X-Cycles-Toolset: t"]
        refused = await answered(stack.base_url, BODY, *headers)
        allowed = await answered(stack.base_url, BODY | {"max_tokens": 10}, *headers)

        assert refused.error()["budget"]["scope"] == scopes[-1]
        assert allowed.headers["x-budget-scope"] == scopes[-1]
        spent = [(await stack.balance(Scope(scope))).spent for scope in scopes]
        assert spent == [simulator.total_microcents] * len(scopes)


async def test_a_run_is_kept_beside_the_scope(tmp_path: Path, simulator: Simulator) -> None:
    async with running(tmp_path, simulator) as stack:
        await answered(stack.base_url, BODY, "X-Cycles-Run: run 7/ü".encode().decode("latin-1"))
        await answered(stack.base_url, BODY, path="/s/run=8/v1/chat/completions")

        first, second = await stack.rows()
        assert first.subject.dimensions == {"run": "run 7/ü"}
        assert second.subject.dimensions == {"run": "8"}
        assert first.affected_scopes == second.affected_scopes == (TENANT,)
        assert {row.state for row in (first, second)} == {State.COMMITTED}
