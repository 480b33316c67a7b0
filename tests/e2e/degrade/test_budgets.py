"""Whose budget it is: templates, levels, runs; frozen budgets; models that are free."""

from pathlib import Path

import pytest

from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.records import BudgetStatus
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.degrade.calls import (
    BODY,
    HOLD,
    UNCHANGED,
    assert_billed,
    budget,
    sent,
    told,
)
from tests.e2e.stack import TENANT, running
from tests.e2e.wire import answered, connected, encode, read_answer, request_bytes

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


async def test_a_free_model_works_when_a_budget_is_over_its_limit(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(output_tokens=5_000, ignore_limit=True))
    async with running(tmp_path, simulator, budgets=[budget(HOLD)], pricing=FREE) as stack:
        await answered(stack.base_url, BODY)
        refused = await answered(stack.base_url, BODY)
        free = await answered(stack.base_url, BODY | {"model": "local/llama"})

        assert (await stack.balance()).is_over_limit
        assert refused.error()["budget"]["reason"] == "overdraft_limit_exceeded"
        assert free.status == 200


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
        await stack.books.set_status(TENANT, None, BudgetStatus.FROZEN, actor="operator")
        refused = await answered(stack.base_url, BODY)
        simulator.open_gate("go")
        finished = read_answer(await connection.read_all())
        await stack.books.set_status(TENANT, None, BudgetStatus.ACTIVE, actor="operator")
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
