"""What becomes of tools while the ledger is away."""

from pathlib import Path
from typing import Any

import pytest

from simulator.behaviour import Behaviour
from simulator.server import Simulator
from tests.e2e.degrade.calls import sent
from tests.e2e.stack import paid, running
from tests.e2e.test_outage import Away, ledger_of
from tests.e2e.tools.calls import CENT, CHAT, LISTED, POINTS, body, budgets, names_in
from tests.e2e.wire import answered

RUN = "X-Cycles-Run: 7"
COUNTED = [{"name": "mail", "max_calls_per_run": 1}]


@pytest.fixture
def simulator(recording: Simulator) -> Simulator:
    recording.behave(Behaviour(tool_calls=2))
    return recording


def says(folder: Path, mode: str, **more: object) -> dict[str, Any]:
    return {"ledger": ledger_of(folder, mode), "budgets": budgets(7), **more}


async def test_a_call_that_left_without_a_hold_is_charged_for_its_tools(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = says(tmp_path, "allow", tools=LISTED)
    async with running(tmp_path, simulator, **rules) as stack:
        away = Away(monkeypatch, "reserve", "apply")
        answer = await answered(stack.base_url, body(CHAT, "delete_user", "search"))
        away.is_on = False
        await stack.log.until("ledger_back")
        row = await stack.row()

        assert answer.headers["x-budget-held"] == "false"
        assert (paid(row, POINTS), row.metadata["fees"]) == (5, str(3 * CENT))
        assert paid(row) == simulator.total_microcents + 3 * CENT


@pytest.mark.parametrize(("mode", "status"), [("deny", 503), ("allow", 200)])
async def test_a_count_that_nobody_can_read_is_a_ledger_that_is_away(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, mode: str, status: int
) -> None:
    rules = says(tmp_path, mode, tools=COUNTED)
    async with running(tmp_path, simulator, **rules) as stack:
        Away(monkeypatch, "recall")
        answer = await answered(stack.base_url, body(CHAT, "mail"), RUN)
        unlisted = await answered(stack.base_url, body(CHAT, "read"), RUN)

        assert (answer.status, unlisted.status) == (status, 200)


async def test_a_call_of_a_tool_that_cannot_be_counted_is_told_and_forgotten(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, simulator, **says(tmp_path, "deny", tools=COUNTED)) as stack:
        away = Away(monkeypatch, "remember")
        first = await answered(stack.base_url, body(CHAT, "mail"), RUN)
        away.is_on = False
        await answered(stack.base_url, body(CHAT, "mail"), RUN)
        assert names_in(sent(simulator)) == ["mail"]
        await answered(stack.base_url, body(CHAT, "mail", "read"), RUN)

        assert first.status == 200
        (line,) = stack.log.events("tool_calls_uncounted")
        assert (line["tenant"], line["run"], line["calls"]) == ("dev", "7", 2)
        assert names_in(sent(simulator)) == ["read"]
