"""`estimate` and `explain` show what tools are held for, and which of them would leave."""

import json
from pathlib import Path
from typing import Any

import pytest

from pricing.tokens import Tokenizers
from tests.cli.commands import answered, run, write_config

TOOLS = """
tools:
  - {name: "delete_*", fee: $0.01, risk_points: 5, max_calls_per_run: 3}
  - {name: mail, risk_points: 2}
"""


@pytest.fixture(autouse=True)
def _not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting by bytes is enough here."""
    monkeypatch.setattr(Tokenizers, "load", lambda _: None)


def config_with(tmp_path: Path, points: int) -> Path:
    budgets = (
        '[{scope: "tenant:dev", allocated: $100}, '
        f'{{scope: "tenant:dev", unit: RISK_POINTS, allocated: {points}}}]'
    )
    return write_config(tmp_path, budgets=budgets, more=TOOLS)


def body(tmp_path: Path, **more: Any) -> Path:
    tools = [
        {"type": "function", "function": {"name": name}} for name in ("delete_row", "mail", "read")
    ]
    call = {
        "model": "gpt-4o",
        "max_tokens": 50,
        "n": 2,
        "messages": [{"role": "user", "content": "hi"}],
        "tools": tools,
    }
    file = tmp_path / "body.json"
    file.write_text(json.dumps(call | more))
    return file


def told(tmp_path: Path, points: int, **more: Any) -> dict[str, Any]:
    file = config_with(tmp_path, points)
    found: dict[str, Any] = answered("estimate", str(body(tmp_path, **more)), "-c", str(file))
    return found


def test_what_is_held_for_tools_is_in_the_estimate(tmp_path: Path) -> None:
    found = told(tmp_path, 100)

    assert found["decision"] == "ALLOW"
    assert found["tools"] == [
        {"name": "delete_row", "fee_usd": "0.01", "risk_points": 5, "max_calls_per_run": 3},
        {"name": "mail", "fee_usd": "0.00", "risk_points": 2, "max_calls_per_run": None},
    ]
    assert found["held_risk_points"] == 2 * (5 + 2)
    assert float(found["held_usd"]) > 2 * 0.01


def test_tools_without_points_would_leave_the_call(tmp_path: Path) -> None:
    found = told(tmp_path, 4)

    assert (found["decision"], found["caps"]) == ("ALLOW_WITH_CAPS", ["tools"])
    assert found["left_out"] == ["delete_row"]
    assert found["held_risk_points"] == 4


def test_a_call_that_insists_on_one_would_be_refused(tmp_path: Path) -> None:
    choice = {"type": "function", "function": {"name": "delete_row"}}
    file = config_with(tmp_path, 4)
    asked = str(body(tmp_path, tool_choice=choice))
    result = run("estimate", asked, "-c", str(file), "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == "tool_denied"


@pytest.mark.parametrize("command", ["estimate", "explain"])
def test_people_see_what_each_tool_counts_for(tmp_path: Path, command: str) -> None:
    shown = run(command, str(body(tmp_path)), "-c", str(config_with(tmp_path, 4))).output

    assert "mail" in shown
    assert "Left out, for what their use counts for: delete_row" in shown
    assert "4 RISK_POINTS" in shown
