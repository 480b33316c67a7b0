"""A budget in risk points takes dangerous tools out of calls, before they leave."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proxy.ledger.journal import replay
from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.degrade.calls import budget, sent, told
from tests.e2e.redis.conftest import ledger_at
from tests.e2e.stack import paid, running
from tests.e2e.tools.calls import (
    CHAT,
    LISTED,
    MESSAGES,
    PATHS,
    POINTS,
    RESPONSES,
    body,
    budgets,
    names_in,
    points,
    upstreams,
)
from tests.e2e.wire import answered
from tests.servers.fixtures import server, valkey

__all__ = ["server", "valkey"]


@pytest.fixture
def simulator(recording: Simulator) -> Simulator:
    return recording


def says(simulator: Simulator, allocated: int, **more: object) -> dict[str, Any]:
    return {
        "upstreams": upstreams(simulator.base_url),
        "tools": LISTED,
        "budgets": budgets(allocated),
        **more,
    }


WITHOUT_USER = ["search", "delete_row", "read"]
WITHOUT_RISK = ["search", "read"]
CAPPED = {"decision": "ALLOW_WITH_CAPS", "caps": "tools"}


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("allocated", "offered"),
    [(8, None), (7, WITHOUT_USER), (3, WITHOUT_USER), (2, WITHOUT_RISK), (0, WITHOUT_RISK)],
)
async def test_the_riskiest_tools_go_first_until_the_points_suffice(
    tmp_path: Path,
    simulator: Simulator,
    path: str,
    stream: bool,
    allocated: int,
    offered: list[str] | None,
) -> None:
    async with running(tmp_path, simulator, **says(simulator, allocated)) as stack:
        asked = body(path, stream=stream)
        answer = await answered(stack.base_url, asked, path=path)
        await stack.log.until("call")

        assert answer.status == 200
        assert names_in(sent(simulator)) == (offered or names_in(asked))
        assert told(answer) == ({"decision": "ALLOW"} if offered is None else CAPPED)
        assert (await stack.row()).amounts.get(POINTS, 0) <= allocated


async def test_what_is_held_by_a_deeper_budget_is_asked_for_once_more(
    tmp_path: Path, simulator: Simulator
) -> None:
    """The tenant has 7 points, its agent 1: what the first refusal leaves is still too much."""
    deeper = {**budget(0, "tenant:dev/agent:*"), "unit": "RISK_POINTS", "allocated": 1}
    rules = says(simulator, 7, budgets=[*budgets(7), deeper])
    async with running(tmp_path, simulator, **rules) as stack:
        answer = await answered(stack.base_url, body(), "X-Cycles-Agent: bot")

        assert (answer.status, names_in(sent(simulator))) == (200, WITHOUT_RISK)


@pytest.mark.parametrize("status", ["frozen", "closed"])
async def test_a_budget_that_takes_nothing_takes_all_risky_tools_away(
    tmp_path: Path, simulator: Simulator, status: str
) -> None:
    stopped = [budgets(100)[0], budgets(100)[1] | {"status": status}]
    async with running(tmp_path, simulator, **says(simulator, 0, budgets=stopped)) as stack:
        answer = await answered(stack.base_url, body())

        assert (answer.status, names_in(sent(simulator))) == (200, WITHOUT_RISK)


@pytest.mark.parametrize(
    ("path", "choice"),
    [
        (CHAT, {"type": "function", "function": {"name": "delete_user"}}),
        (CHAT, "required"),
        (RESPONSES, {"type": "function", "name": "delete_user"}),
        (MESSAGES, {"type": "tool", "name": "delete_user"}),
        (MESSAGES, {"type": "any"}),
    ],
)
async def test_a_call_that_insists_on_a_tool_without_points_is_refused(
    tmp_path: Path, simulator: Simulator, path: str, choice: object
) -> None:
    async with running(tmp_path, simulator, **says(simulator, 4)) as stack:
        asked = body(path, "delete_user", tool_choice=choice)
        refused = await answered(stack.base_url, asked, path=path)

        assert refused.status == 429
        assert b"tool_denied" in refused.body
        assert simulator.requests_seen == []
        assert ((await points(stack)).reserved, await stack.rows()) == (0, ())


async def test_tools_do_not_leave_for_a_lack_of_money(tmp_path: Path, simulator: Simulator) -> None:
    rules = says(simulator, 100, budgets=budgets(100, microcents=1_000))
    async with running(tmp_path, simulator, **rules) as stack:
        refused = await answered(stack.base_url, body())

        assert refused.error()["budget"]["unit"] == "USD_MICROCENTS"
        assert simulator.requests_seen == []


async def test_without_a_budget_in_points_risky_tools_stay(
    tmp_path: Path, simulator: Simulator
) -> None:
    rules = says(simulator, 0, budgets=budgets(0)[:1])
    async with running(tmp_path, simulator, **rules) as stack:
        answer = await answered(stack.base_url, body())

        assert told(answer) == {"decision": "ALLOW"}
        assert "delete_user" in names_in(sent(simulator))


async def test_points_alone_let_no_call_pass(tmp_path: Path, simulator: Simulator) -> None:
    rules = says(simulator, 0, budgets=budgets(100)[1:])
    async with running(tmp_path, simulator, **rules) as stack:
        for offered in (body(), body(CHAT, "read")):
            refused = await answered(stack.base_url, offered)
            assert refused.error()["budget"]["reason"] == "budget_not_found"


async def test_a_sequence_of_calls_loses_its_tools_one_by_one(
    tmp_path: Path, simulator: Simulator
) -> None:
    """14 points: 8, then 3 of the other tool twice, then none; nothing is ever uncovered."""
    simulator.behave(Behaviour(tool_calls=3))
    async with running(tmp_path, simulator, **says(simulator, 14)) as stack:
        offered = []
        for _ in range(5):
            await answered(stack.base_url, body(CHAT, "search", "delete_row", "delete_user"))
            offered.append(len(names_in(sent(simulator))))
            simulator.behave(Behaviour(tool_calls=2))
        balance = await points(stack)

    assert offered == [3, 2, 2, 1, 1]
    assert (balance.spent, balance.uncovered) == (14, 0)


HOMES = ["sqlite", "redis"]


@pytest.mark.parametrize("home", HOMES)
@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
async def test_many_agents_at_once_never_take_more_points_than_there_are(
    tmp_path: Path,
    simulator: Simulator,
    request: pytest.FixtureRequest,
    home: str,
    stream: bool,
) -> None:
    """All are answered, as many as there are points for with their tools."""
    rules = says(simulator, 20)
    if home == "redis":
        rules["ledger"] = ledger_at(request.getfixturevalue("server").url, tmp_path)
    simulator.behave(Behaviour(tool_calls=1))
    async with running(tmp_path, simulator, **rules) as stack:
        asked = body(CHAT, "delete_user", stream=stream)
        answers = await asyncio.gather(
            *(answered(stack.base_url, asked, f"X-Cycles-Agent: a{n}") for n in range(24))
        )
        await stack.log.until("call", 24)
        rows, balance = await stack.rows(), await points(stack)

        assert {answer.status for answer in answers} == {200}
        assert sum(paid(row, POINTS) for row in rows if POINTS in row.amounts) == 20
        assert (balance.spent, balance.reserved, balance.uncovered) == (20, 0, 0)
        for _, windows in replay(await stack.journal()):
            assert all(amounts.remaining >= 0 for amounts in windows.values())
