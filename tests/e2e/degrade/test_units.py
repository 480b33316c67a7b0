"""Budgets in tokens beside those in dollars, of runs, rolling and in other time zones."""

from pathlib import Path

import pytest

from proxy.domain.scope import Scope
from simulator.behaviour import Behaviour, Report
from simulator.server import Simulator
from tests.e2e.degrade.calls import BODY, HOLD, UNCHANGED, budget, limit_of, sent, told
from tests.e2e.stack import TOKENS, USD, Stack, charged, held, paid, running
from tests.e2e.wire import answered

# "hi" is 8 tokens; the upstream says as much as it may.
PROMPT = 8
ANSWER = 100


def tokens(allocated: int, scope: str = "tenant:dev", **more: object) -> dict[str, object]:
    return {"scope": scope, "unit": "TOKENS", "allocated": allocated, **more}


async def spent_tokens(stack: Stack) -> int:
    return sum(b.spent for b in await stack.books.all_balances() if b.unit is TOKENS)


@pytest.mark.parametrize("stream", [False, True], ids=["json", "stream"])
async def test_a_call_is_charged_in_dollars_and_in_tokens(
    tmp_path: Path, simulator: Simulator, stream: bool
) -> None:
    simulator.behave(Behaviour(output_tokens=20))
    budgets = [budget(10 * HOLD), tokens(1_000)]
    async with running(tmp_path, simulator, budgets=budgets) as stack:
        answer = await answered(stack.base_url, BODY | {"stream": stream})

        row = await stack.row()
        (bill,) = simulator.bills
        assert (held(row), held(row, TOKENS)) == (HOLD, PROMPT + ANSWER)
        assert charged(row) == bill.amount_microcents
        assert charged(row, TOKENS) == PROMPT + 20
        assert charged(row, TOKENS) == bill.input.prompt_tokens + bill.output.completion_tokens
        assert answer.headers["x-budget-scope"] == "tenant:dev"
        assert answer.headers["x-budget-remaining-usd"] == "0.00918"
        assert await spent_tokens(stack) == PROMPT + 20


async def test_an_answer_is_as_long_as_the_shorter_of_money_and_tokens(
    tmp_path: Path, simulator: Simulator
) -> None:
    degrade = {"min_output_tokens": 10, "max_share_pct": 100}
    budgets = [budget(10 * HOLD), tokens(60)]
    async with running(tmp_path, simulator, budgets=budgets, degrade=degrade) as stack:
        answer = await answered(stack.base_url, BODY)

        assert told(answer) == (
            {"decision": "ALLOW_WITH_CAPS", "max-tokens": "52", "caps": "max_tokens"}
        )
        assert limit_of(sent(simulator)) == 60 - PROMPT
        assert paid(await stack.row(), TOKENS) == 60
        refused = (await answered(stack.base_url, BODY)).error()["budget"]
        assert (refused["unit"], refused["remaining"]) == ("TOKENS", 0)


async def test_a_refusal_names_the_unit_and_what_it_would_pay_for(
    tmp_path: Path, simulator: Simulator
) -> None:
    budgets = [budget(10 * HOLD), tokens(50, period="day", timezone="Asia/Kathmandu")]
    async with running(tmp_path, simulator, budgets=budgets) as stack:
        answer = await answered(stack.base_url, BODY | {"n": 2})

        refused = answer.error()["budget"]
        assert answer.headers["x-budget-scope"] == "tenant:dev"
        assert "x-budget-remaining-usd" not in answer.headers
        assert refused["unit"] == "TOKENS"
        assert (refused["required"], refused["remaining"]) == (PROMPT + 2 * ANSWER, 50)
        assert refused["affordable_max_tokens"] == (50 - PROMPT) // 2
        assert refused["resets_at"].endswith("T18:15:00Z"), "midnight in Kathmandu"
        assert "this call needs 208 TOKENS, 50 TOKENS remain" in answer.error()["message"]


async def test_a_budget_in_tokens_alone_is_enough(tmp_path: Path, simulator: Simulator) -> None:
    """Money is not limited then, and its headers have nothing to say."""
    degrade = {"shorten": False}
    budgets = [tokens(2 * (PROMPT + ANSWER))]
    async with running(tmp_path, simulator, budgets=budgets, degrade=degrade) as stack:
        answers = [await answered(stack.base_url, BODY) for _ in range(3)]

        assert [answer.status for answer in answers] == [200, 200, 429]
        assert "x-budget-remaining-usd" not in answers[0].headers
        assert answers[0].headers["x-budget-cost-usd"] == "0.00102"
        assert charged((await stack.rows())[0]) == HOLD


async def test_a_free_model_is_free_in_money_alone(tmp_path: Path, simulator: Simulator) -> None:
    body = BODY | {"model": "local/llama"}
    free = {"model": "local/*", "free": True, "tokenizer": "o200k_base"}
    pricing = {"overrides": [free]}
    budgets = [budget(0), tokens(PROMPT + ANSWER)]
    degrade = {"shorten": False}
    async with running(
        tmp_path, simulator, budgets=budgets, pricing=pricing, degrade=degrade
    ) as stack:
        first = await answered(stack.base_url, body)
        second = await answered(stack.base_url, body)

        assert (first.status, told(first)) == (200, UNCHANGED)
        assert second.error()["budget"]["unit"] == "TOKENS"
        row = await stack.row()
        assert (paid(row), paid(row, TOKENS)) == (0, PROMPT + ANSWER)


async def test_budgets_in_other_units_alone_limit_nothing_and_cover_nothing(
    tmp_path: Path, simulator: Simulator
) -> None:
    budgets = [{"scope": "tenant:dev", "unit": "CREDITS", "allocated": 5}]
    async with running(tmp_path, simulator, budgets=budgets) as stack:
        refused = (await answered(stack.base_url, BODY)).error()

        assert refused["budget"]["reason"] == "budget_not_found"
        assert "count neither US dollars nor tokens" in refused["message"]


@pytest.mark.parametrize("place", ["as_asked", "nowhere"])
async def test_tokens_beyond_the_hold_are_uncovered_and_shown(
    tmp_path: Path, simulator: Simulator, place: str
) -> None:
    report = Report(place="nowhere") if place == "nowhere" else Report()
    simulator.behave(Behaviour(output_tokens=500, ignore_limit=True, report=report))
    degrade = {"shorten": False}
    budgets = [budget(100 * HOLD), tokens(PROMPT + ANSWER)]
    async with running(tmp_path, simulator, budgets=budgets, degrade=degrade) as stack:
        await answered(stack.base_url, BODY)

        row = await stack.row()
        (bill,) = simulator.bills
        assert row.uncovered[USD] == 0
        assert paid(row, TOKENS) >= bill.input.prompt_tokens + bill.output.completion_tokens
        assert charged(row, TOKENS) == PROMPT + ANSWER
        (line,) = stack.log.events("uncovered")
        assert line["uncovered_tokens"] == paid(row, TOKENS) - (PROMPT + ANSWER)
        assert line["uncovered_microcents"] == 0
        refused = (await answered(stack.base_url, BODY)).error()["budget"]
        assert (refused["reason"], refused["unit"]) == ("overdraft_limit_exceeded", "TOKENS")


async def test_each_run_has_a_budget_of_its_own(tmp_path: Path, simulator: Simulator) -> None:
    budgets = [budget(100 * HOLD), budget(HOLD, per="run", idle_ttl="24h")]
    degrade = {"shorten": False}
    async with running(tmp_path, simulator, budgets=budgets, degrade=degrade) as stack:
        runs = ["X-Cycles-Run: 7", "X-Cycles-Run: 7", "X-Cycles-Run: 8"]
        answers = [await answered(stack.base_url, BODY, run) for run in runs]
        without = await answered(stack.base_url, BODY)

        assert [answer.status for answer in answers] == [200, 429, 200]
        assert answers[1].error()["budget"]["scope"] == "tenant:dev/run:7"
        assert without.status == 200
        assert (await stack.balance(Scope("tenant:dev/run:8"))).spent == HOLD
        assert (await stack.rows())[0].affected_scopes == ("tenant:dev",)


async def test_a_policy_looks_at_tokens_and_runs_too(tmp_path: Path, simulator: Simulator) -> None:
    budgets = [budget(100 * HOLD), tokens(2 * (PROMPT + ANSWER), per="run", idle_ttl="24h")]
    thrift = {
        "name": "thrift",
        "scope": "tenant:dev/*",
        "bands": [{"used_pct": 50, "models": {"gpt-4o": "gpt-4o-mini"}}],
    }
    async with running(tmp_path, simulator, budgets=budgets, policies=[thrift]) as stack:
        runs = ["X-Cycles-Run: 7", "X-Cycles-Run: 7", "X-Cycles-Run: 8"]
        answers = [await answered(stack.base_url, BODY, run) for run in runs]

        assert [answer.headers.get("x-budget-model") for answer in answers] == (
            [None, "gpt-4o-mini; requested=gpt-4o", None]
        )


async def test_a_rolling_budget_has_no_end_to_wait_for(
    tmp_path: Path, simulator: Simulator
) -> None:
    budgets = [{"scope": "tenant:dev", "allocated": "$0.00", "rolling": "24h"}]
    async with running(tmp_path, simulator, budgets=budgets) as stack:
        refused = (await answered(stack.base_url, BODY)).error()

        assert refused["budget"]["resets_at"] is None
        assert "resets" not in refused["message"]
