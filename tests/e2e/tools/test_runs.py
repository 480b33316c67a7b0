"""How often a run may call a tool: by what its answers called, in all proxies of a ledger."""

from pathlib import Path
from typing import Any

import pytest

from simulator.behaviour import Behaviour, Refusal
from simulator.server import Simulator
from tests.e2e.degrade.calls import sent, told
from tests.e2e.redis.conftest import ledger_at
from tests.e2e.stack import running
from tests.e2e.tools.calls import CHAT, PATHS, body, names_in, upstreams
from tests.e2e.wire import answered
from tests.servers.fixtures import server, valkey

__all__ = ["server", "valkey"]

RUN, OTHER_RUN = "X-Cycles-Run: 7", "X-Cycles-Run: 8"
LISTED = [{"name": "delete_*", "max_calls_per_run": 3}, {"name": "mail", "max_calls_per_run": 1}]
CAPPED = {"decision": "ALLOW_WITH_CAPS", "caps": "tools"}


@pytest.fixture
def simulator(recording: Simulator) -> Simulator:
    return recording


def says(simulator: Simulator, **more: object) -> dict[str, Any]:
    return {"upstreams": upstreams(simulator.base_url), "tools": LISTED, **more}


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize("path", PATHS)
async def test_a_tool_leaves_a_run_that_has_called_it_as_often_as_it_may(
    tmp_path: Path, simulator: Simulator, path: str, stream: bool
) -> None:
    """Two calls of it in one answer, one in the next: then it is gone, for this run alone."""
    asked = body(path, "delete_row", "read", stream=stream)
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        offered = []
        for number, calls in enumerate((3, 1, 1, 1), start=1):
            simulator.behave(Behaviour(tool_calls=calls))
            answer = await answered(stack.base_url, asked, RUN, path=path)
            await stack.log.until("call", number)
            offered.append(names_in(sent(simulator)))
        other = await answered(stack.base_url, asked, OTHER_RUN, path=path)

        assert offered == [["delete_row", "read"]] * 2 + [["read"]] * 2
        assert told(answer) == CAPPED
        assert (told(other), len(names_in(sent(simulator)))) == ({"decision": "ALLOW"}, 2)


async def test_each_tool_that_an_entry_matches_is_counted_by_itself(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(tool_calls=3))
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        await answered(stack.base_url, body(CHAT, "delete_row"), RUN)
        await answered(stack.base_url, body(CHAT, "delete_row", "delete_user", "mail"), RUN)
        assert names_in(sent(simulator)) == ["delete_user", "mail"]
        await answered(stack.base_url, body(CHAT, "delete_user", "mail"), RUN)
        assert names_in(sent(simulator)) == ["delete_user"]


async def test_calls_without_a_run_are_not_counted(tmp_path: Path, simulator: Simulator) -> None:
    simulator.behave(Behaviour(tool_calls=2))
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        for _ in range(3):
            answer = await answered(stack.base_url, body(CHAT, "mail"))
            assert told(answer) == {"decision": "ALLOW"}


async def test_a_call_that_insists_on_a_tool_that_is_used_up_is_refused(
    tmp_path: Path, simulator: Simulator
) -> None:
    choice = {"type": "function", "function": {"name": "mail"}}
    asked = body(CHAT, "mail", "read", tool_choice=choice)
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        first = await answered(stack.base_url, asked, RUN)
        second = await answered(stack.base_url, asked, RUN)

        assert first.status == 200
        assert second.error()["budget"]["reason"] == "tool_denied"
        assert len(simulator.requests_seen) == 1
        assert (await stack.balance()).reserved == 0


async def test_what_the_upstream_refused_called_nothing(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with running(tmp_path, simulator, **says(simulator)) as stack:
        simulator.behave(Behaviour(refusal=Refusal(status=500)))
        await answered(stack.base_url, body(CHAT, "mail"), RUN)
        simulator.behave(Behaviour(tool_calls=1))
        answer = await answered(stack.base_url, body(CHAT, "mail"), RUN)

        assert told(answer) == {"decision": "ALLOW"}


async def test_two_proxies_count_the_calls_of_a_run_together(
    tmp_path: Path, simulator: Simulator, request: pytest.FixtureRequest
) -> None:
    rules = says(simulator, ledger=ledger_at(request.getfixturevalue("server").url, tmp_path))
    simulator.behave(Behaviour(tool_calls=1))
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    async with (
        running(one, simulator, **rules) as left,
        running(two, simulator, **rules) as right,
    ):
        offered = []
        for stack in (left, right, left, right, left):
            await answered(stack.base_url, body(CHAT, "delete_row", "read"), RUN)
            offered.append(len(names_in(sent(simulator))))

    assert offered == [2, 2, 2, 1, 1]


async def test_a_run_goes_on_counting_after_a_restart(tmp_path: Path, simulator: Simulator) -> None:
    simulator.behave(Behaviour(tool_calls=1))
    for offered in (["mail", "read"], ["read"]):
        async with running(tmp_path, simulator, **says(simulator)) as stack:
            await answered(stack.base_url, body(CHAT, "mail", "read"), RUN)
            assert names_in(sent(simulator)) == offered
