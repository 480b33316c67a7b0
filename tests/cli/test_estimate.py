"""`estimate` says what a call would hold, why, and what it would be told."""

import json
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.decision import Decision
from proxy.domain.subject import Subject
from proxy.ledger.records import Grant, ReserveRequest
from proxy.opening import Home
from tests.cli.books.ledgers import CENT, hold, make_ledger, on_ledger
from tests.cli.commands import answered, run, write_config
from tests.cli.estimates import forecast_of, load_once, loaded, written

__all__ = ["load_once", "loaded"]

SMALL = '[{scope: "tenant:dev", allocated: $0.01, period: month}]'
NOTHING = '[{scope: "tenant:dev", allocated: $0.00, period: month}]'
THRIFT = """
policies:
  - name: thrift
    scope: "tenant:dev"
    models: {"gpt-4o": gpt-4o-mini}
    caps: {max_tokens: 100, tool_denylist: [f]}
"""


def test_a_call_may_be_meant_for_another_path(config_file: Path, tmp_path: Path) -> None:
    body = tmp_path / "body.json"
    body.write_text('{"model": "gpt-4.1", "input": "say this is a test"}')
    found = forecast_of(config_file, body, path="/v1/responses")
    assert found.decision is Decision.ALLOW
    assert found.plan.api == "responses"

    told = answered("estimate", str(body), "-c", str(config_file), "--path", "/v1/responses")
    assert told["estimate_usd"] == "0.262216"  # 36 tokens in, 32,768 out


def test_a_deployment_is_estimated_as_its_model(config_file: Path, tmp_path: Path) -> None:
    azure = "api: azure, api_version: '2024-10-21', deployments: {mine: gpt-4o-mini}, "
    config_file.write_text(config_file.read_text().replace("api_key:", f"{azure}api_key:"))
    body = written(tmp_path, model="anything")
    path = "/openai/deployments/mine/chat/completions"

    by_path = forecast_of(config_file, body, path=path)
    by_name = forecast_of(config_file, written(tmp_path, model="mine"))

    assert by_path.request.model == by_name.request.model == "gpt-4o-mini"
    assert run("estimate", str(body), "-c", str(config_file), "--path", path).exit_code == 0


def test_a_path_that_is_not_metered_is_wrong_usage(config_file: Path, tmp_path: Path) -> None:
    file = str(written(tmp_path))
    wrong = run("estimate", file, "-c", str(config_file), "--path", "/v1/files")
    assert wrong.exit_code == 2
    assert "metered are /v1/chat/completions" in wrong.stderr


def test_a_call_that_fits_leaves_as_it_is(config_file: Path, tmp_path: Path) -> None:
    """gpt-4o costs $2.50 and $10.00 a million: 12 tokens in, 500 out."""
    body = written(tmp_path)

    found = answered("estimate", str(body), "-c", str(config_file), "--as", "agent=Bot")

    assert found["decision"] == "ALLOW"
    assert found["scope"] == "tenant:dev/agent:bot"
    assert found["estimate_usd"] == found["held_usd"] == "0.00503"
    assert found["estimate_tokens"] == found["held_tokens"] == 512
    assert found["bound"] == "exact"
    assert sum(line["tokens"] for line in found["tokens"]) == 12
    assert [(b["scope"], b["rung"]) for b in found["budgets"]] == [
        ("tenant:dev", 1),
        ("tenant:dev/agent:bot", 1),
    ]
    assert found["from_ledger"] is False
    assert found["caps"] == []


IN_TOKENS = """
  - {scope: "tenant:dev", allocated: $10.00, period: month}
  - {scope: "tenant:dev", unit: TOKENS, allocated: 400, rolling: 24h}
  - {scope: "tenant:dev", per: run, unit: TOKENS, allocated: 9_000}
"""


def test_a_budget_of_tokens_says_what_it_leaves_of_the_answer(tmp_path: Path) -> None:
    """Half of what remains in the tightest one is 200 tokens, 12 of them for the prompt."""
    config_file = write_config(tmp_path, budgets=IN_TOKENS)
    config_file.write_text(config_file.read_text().replace("accept: [agent]", "accept: [run]"))
    more = "degrade: {min_output_tokens: 50}"
    config_file.write_text(f"{config_file.read_text()}{more}\n")
    body = written(tmp_path)
    estimate = ("estimate", str(body), "-c", str(config_file), "--as", "run=7")

    found = answered(*estimate)
    shown = run(*estimate).stdout

    assert (found["decision"], found["rung"]) == ("ALLOW_WITH_CAPS", 2)
    assert (found["held_tokens"], found["max_output_tokens"]) == (200, 188)
    assert found["held_usd"] == "0.00503", "money was not short: the rest goes back"
    assert [(b["scope"], b["unit"], b["period"]) for b in found["budgets"]] == [
        ("tenant:dev", "USD_MICROCENTS", "month"),
        ("tenant:dev", "TOKENS", "rolling:24h"),
        ("tenant:dev/run:7", "TOKENS", "none"),
    ]
    assert [(b.get("would_hold_usd"), b.get("would_hold_tokens")) for b in found["budgets"]] == [
        ("0.00503", None),
        (None, 200),
        (None, 512),
    ]
    assert found["budgets"][1]["remaining_tokens"] == 400
    assert "holds $0.00503, 200 TOKENS in every scope; changes max_tokens" in shown


def test_a_caller_whose_budgets_count_something_else_is_a_no(tmp_path: Path) -> None:
    budgets = '[{scope: "tenant:dev", unit: CREDITS, allocated: 5}]'
    config_file = write_config(tmp_path, budgets=budgets)

    result = run("estimate", str(written(tmp_path)), "-c", str(config_file))

    assert result.exit_code == 1
    assert "The budgets of tenant:dev count neither US dollars nor tokens." in result.stdout


def test_people_are_told_in_the_order_of_the_call(config_file: Path, tmp_path: Path) -> None:
    result = run("estimate", str(written(tmp_path)), "-c", str(config_file))

    assert result.exit_code == 0
    said = result.stdout
    parts = ["gpt-4o, called by", "Tokens, at most", "Rates taken", "Plan", "Budgets, ", "ALLOW  "]
    assert [said.index(part) for part in parts] == sorted(said.index(part) for part in parts)
    assert "dearest of input $2.50, cache read $1.25, cache write $2.50" in said
    assert "as declared: there is no ledger yet" in said


def test_the_body_may_come_from_standard_input(config_file: Path, tmp_path: Path) -> None:
    body = written(tmp_path).read_text()

    result = run("estimate", "-", "-c", str(config_file), "--json", stdin=body)

    assert json.loads(result.stdout)["estimate_usd"] == "0.00503"


def test_a_budget_alone_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # away from a ledger that somebody's `make run` has left
    result = run("estimate", str(written(tmp_path)), "--budget", "0.004", "--json")

    assert json.loads(result.stdout)["decision"] == "ALLOW_WITH_CAPS"


def test_what_does_not_fit_is_shortened(tmp_path: Path) -> None:
    config_file = write_config(tmp_path, budgets=SMALL)

    found = answered("estimate", str(written(tmp_path, max_tokens=4000)), "-c", str(config_file))

    assert found["decision"] == "ALLOW_WITH_CAPS"
    assert (found["rung"], found["caps"]) == (2, ["max_tokens"])
    assert found["held_usd"] == "0.005", "half of what remains"
    assert found["max_output_tokens"] == 497


def test_what_cannot_fit_is_denied_with_each_scope_that_says_no(tmp_path: Path) -> None:
    config_file = write_config(tmp_path, budgets=NOTHING)
    body = written(tmp_path)

    result = run("estimate", str(body), "-c", str(config_file), "--json")
    shown = run("estimate", str(body), "-c", str(config_file))

    assert result.exit_code == shown.exit_code == 1
    found = json.loads(result.stdout)
    assert (found["decision"], found["reason"]) == ("DENY", "budget_exceeded")
    assert found["budgets"][0]["reason"] == "budget_exceeded"
    assert "rung" not in found
    assert "no: budget_exceeded" in shown.stdout
    assert "Budget exhausted for tenant:dev: this call needs $0.00259" in shown.stdout


def test_policy_comes_first_and_says_what_it_changes(tmp_path: Path) -> None:
    config_file = write_config(tmp_path, more=THRIFT)
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    body = written(tmp_path, tools=[tool])

    found = answered("estimate", str(body), "-c", str(config_file))
    shown = run("estimate", str(body), "-c", str(config_file)).stdout

    assert found["policy"] == "thrift"
    assert found["decision"] == "ALLOW_WITH_CAPS"
    assert found["caps"] == ["model", "max_tokens", "tools"]
    assert found["plan"][0]["model"] == "gpt-4o-mini"
    assert "policy thrift applies: model gpt-4o-mini, at most 100 tokens, no tools f" in shown


def test_a_tool_that_is_insisted_on_and_denied_is_a_no(tmp_path: Path) -> None:
    config_file = write_config(tmp_path, more=THRIFT)
    tool = {"type": "function", "function": {"name": "f", "parameters": {}}}
    forced = {"type": "function", "function": {"name": "f"}}
    body = written(tmp_path, tools=[tool], tool_choice=forced)

    result = run("estimate", str(body), "-c", str(config_file), "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["reason"] == "tool_denied"


def test_balances_are_the_ledgers_once_there_is_one(tmp_path: Path) -> None:
    config_file = make_ledger(tmp_path)
    hold(config_file, 99 * CENT)
    body = written(tmp_path, max_tokens=4000)

    found = answered("estimate", str(body), "-c", str(config_file), "--as", "agent=bot")

    assert found["from_ledger"] is True
    assert [b["remaining_usd"] for b in found["budgets"]] == ["9.01", "0.01"]
    assert [b["rung"] for b in found["budgets"]] == [1, 2]
    assert found["decision"] == "ALLOW_WITH_CAPS"


def test_an_estimate_holds_nothing(tmp_path: Path) -> None:
    config_file = make_ledger(tmp_path)
    before = answered("budgets", "list", "-c", str(config_file))

    answered("estimate", str(written(tmp_path)), "-c", str(config_file), "--as", "agent=new")

    assert answered("budgets", "list", "-c", str(config_file)) == before
    assert answered("reservations", "list", "--state", "all", "-c", str(config_file)) == []


@pytest.mark.parametrize("held", [0, 95, 99])
def test_the_ledger_grants_what_the_estimate_said(tmp_path: Path, held: int) -> None:
    """The agent's budget is $1.00, and `held` cents of it are held by others."""
    config_file = make_ledger(tmp_path)
    hold(config_file, held * CENT)
    body = written(tmp_path, max_tokens=10_000)
    said = forecast_of(config_file, body, ("agent", "bot"))

    async def reserve(ledger: Home) -> Grant:
        request = ReserveRequest(
            key="real",
            payload_hash="real",
            subject=Subject(tenant="dev", agent="bot"),
            plan=said.plan.rungs,
            ttl_ms=60_000,
            max_share_pct=50,
        )
        return await ledger.reserve(request)

    granted = on_ledger(config_file, reserve)

    assert said.granted == (granted.rung, granted.amounts)
    assert said.decision is (Decision.ALLOW if held == 0 else Decision.ALLOW_WITH_CAPS)


@pytest.mark.parametrize(
    "budgets", [NOTHING, '[{scope: "tenant:other", allocated: $1.00}]'], ids=["empty", "none"]
)
def test_a_free_model_needs_no_room_and_no_budget(tmp_path: Path, budgets: str) -> None:
    free = 'pricing: {overrides: [{model: "local/*", free: true, max_output_tokens: 100}]}'
    config_file = write_config(tmp_path, budgets=budgets, more=free)
    body = written(tmp_path, model="local/llama", max_tokens=50)

    assert answered("estimate", str(body), "-c", str(config_file))["decision"] == "ALLOW"
    shown = run("estimate", str(body), "-c", str(config_file)).stdout
    assert "Rates taken: none, the model is free" in shown


def test_a_free_model_needs_no_room_even_below_zero(tmp_path: Path) -> None:
    config_file = make_ledger(tmp_path)
    free = 'pricing: {overrides: [{model: "local/*", free: true, max_output_tokens: 100}]}'
    config_file.write_text(f"{config_file.read_text()}{free}\n")
    hold(config_file, 50 * CENT)
    fund = ("budgets", "fund", "tenant:dev", "0.10", "--operation", "reset")
    answered(*fund, "-c", str(config_file))
    estimate = ("estimate", str(written(tmp_path, model="local/llama")), "-c", str(config_file))

    assert answered(*estimate)["decision"] == "ALLOW"
    assert answered(*estimate)["budgets"][0]["remaining_usd"] == "-0.40"


def test_a_caller_without_a_budget_is_a_no(tmp_path: Path) -> None:
    config_file = write_config(tmp_path, budgets='[{scope: "tenant:other", allocated: $1.00}]')

    result = run("estimate", str(written(tmp_path)), "-c", str(config_file))

    assert result.exit_code == 1
    assert "DENY  No budget covers tenant:dev." in result.stdout


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"model": "gpt-4p"}, "No price is known for model 'gpt-4p'"),
        ({"max_tokens": "12"}, "max_tokens"),
        ({"messages": []}, "messages"),
    ],
)
def test_a_call_without_a_plan_is_a_no_in_one_line(
    config_file: Path, tmp_path: Path, fields: dict[str, Any], why: str
) -> None:
    result = run("estimate", str(written(tmp_path, **fields)), "-c", str(config_file))

    assert result.exit_code == 1
    assert result.stdout == ""
    assert why in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_the_prompt_is_in_no_error(config_file: Path, tmp_path: Path) -> None:
    file = tmp_path / "body.json"
    file.write_text('{"model": "gpt-4o", "messages": "my secret plan"}')

    result = run("estimate", str(file), "-c", str(config_file))

    assert result.exit_code == 1
    assert "my secret plan" not in result.output


@pytest.mark.parametrize("named", ["bot", "planet=mars", "=x"])
def test_a_level_that_is_none_is_wrong_usage(config_file: Path, tmp_path: Path, named: str) -> None:
    body = str(written(tmp_path))

    assert run("estimate", body, "-c", str(config_file), "--as", named).exit_code == 2


def test_who_is_named_may_not_contradict_the_configuration(
    config_file: Path, tmp_path: Path
) -> None:
    body = str(written(tmp_path))

    result = run("estimate", body, "-c", str(config_file), "--as", "tenant=other")

    assert result.exit_code == 1
    assert "disagree on its tenant" in result.stderr


def test_a_file_that_is_not_there_is_wrong_usage(config_file: Path, tmp_path: Path) -> None:
    assert run("estimate", str(tmp_path / "no"), "-c", str(config_file)).exit_code == 2
