"""A run: small and fast, over real connections."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from random import Random

import pytest
from rich.console import Console

from proxy.cli.demo.course import Scene, play
from proxy.cli.demo.inspect import Report
from proxy.cli.demo.stage import Noon, Stage
from proxy.domain.clock import Clock, SystemClock
from simulator import Behaviour, Refusal
from simulator.endpoint import ChooseBehaviour
from simulator.request import ChatRequest
from tests.cli.commands import run

FAST = ("--agents", "4", "--pace-ms", "0", "--seed", "3")


@dataclass(frozen=True, slots=True)
class OwnStage(Stage):
    """A stage on which the upstream behaves as a test wants it to."""

    behaves: Behaviour

    def behaviour(self) -> ChooseBehaviour:
        def choose(request: ChatRequest) -> Behaviour:
            return self.behaves

        return choose


async def run_with(behaves: Behaviour) -> Report:
    stage = OwnStage(agents=3, pace_ms=0, seed=1, behaves=behaves)
    return await play(stage, SystemClock(), lambda scene: None)


def broken(report: Report) -> list[str]:
    return [promise.what for promise in report.promises if not promise.kept]


def test_every_promise_is_kept_and_the_figures_say_so() -> None:
    result = run("demo", *FAST, "--json")

    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["ok"] is True
    assert (report["agents"], report["seed"]) == (4, 3)
    assert all(promise["kept"] for promise in report["promises"])
    assert len(report["promises"]) == 6
    assert report["decisions"]["DENY"] == 4, "each agent is told no once, and stops"
    assert min(report["decisions"].values()) > 0
    assert report["charged_usd"] == report["billed_usd"]
    assert report["uncovered_usd"] == "0.00"


def test_a_call_counts_in_each_of_its_scopes_and_no_budget_is_passed() -> None:
    report = json.loads(run("demo", *FAST, "--json").stdout)

    tenant, app, *agents = report["budgets"]
    assert tenant["scope"] == "tenant:demo"
    assert app["scope"] == "tenant:demo/app:helpdesk"
    assert len(agents) == 4
    assert tenant["decisions"] == app["decisions"] == report["decisions"]
    for decision, count in report["decisions"].items():
        assert sum(agent["decisions"][decision] for agent in agents) == count
    for budget in report["budgets"]:
        assert Decimal(budget["remaining_usd"]) >= 0
    assert sum(Decimal(agent["spent_usd"]) for agent in agents) == Decimal(app["spent_usd"])


def test_elsewhere_than_on_a_terminal_it_is_told_in_lines() -> None:
    result = run("demo", *FAST)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].startswith("4 agents ask gpt-4.1 through the proxy")
    scenes = [line for line in lines if " s  spent $" in line]
    assert scenes[0].startswith("  0.0 s  spent $0.0000, held $0.0000 of"), "before the first call"
    assert sum(line.startswith("✓ ") for line in lines) == 6
    assert lines[-1] == "Every promise was kept."


def test_on_a_terminal_it_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(force_terminal=True, width=80, height=24, record=True)
    monkeypatch.setattr("proxy.cli.demo.command.open_console", lambda: console)

    result = run("demo", *FAST)

    assert result.exit_code == 0
    shown = console.export_text()
    for word in ("starting …", "tenant:demo", "app:helpdesk", "agent:ada", "DENY", "Every promise"):
        assert word in shown


async def test_an_upstream_that_bills_more_than_the_bound_breaks_a_promise() -> None:
    """What no budget can fund is uncovered: seen, counted, and still nothing is lost."""
    report = await run_with(Behaviour(output_tokens=200, extra_prompt_tokens=50_000))

    assert "charged + uncovered is the upstream's own bill, and nothing is uncovered" in (
        broken(report)
    )
    assert report.audit.uncovered > 0
    assert report.audit.charged + report.audit.uncovered == report.billed


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_broken_promise_is_the_answer_no(
    monkeypatch: pytest.MonkeyPatch, form: tuple[str, ...]
) -> None:
    def fails(stage: Stage) -> ChooseBehaviour:
        return lambda request: Behaviour(refusal=Refusal(status=500))

    monkeypatch.setattr(Stage, "behaviour", fails)

    result = run("demo", *FAST, *form)

    assert result.exit_code == 1
    assert ('"ok": false' if form else "A promise was broken.") in result.stdout


async def test_an_upstream_that_fails_is_told() -> None:
    """An agent that gets something else than an answer or a refusal gives up."""
    report = await run_with(Behaviour(refusal=Refusal(status=500)))

    assert "every call was answered" in broken(report)
    assert not report.all_kept


async def test_scenes_are_shown_from_the_first_moment_to_the_last() -> None:
    answers: list[int] = []
    stage = Stage(agents=2, pace_ms=0, seed=1)

    def look(scene: Scene) -> None:
        answers.append(len(scene.tally.told))
        assert all(balance.remaining >= 0 for balance in scene.balances)

    report = await play(stage, SystemClock(), look)

    assert answers[0] == 0
    assert answers[-1] == len(report.tally.told) > 0


@dataclass
class At(Clock):
    """A clock with hands."""

    wall_ms: int
    elapsed_ns: Iterator[int]

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_ns(self) -> int:
        return next(self.elapsed_ns)


@pytest.mark.parametrize("of_day_ms", [0, 1, 43_200_000, 86_399_999])
def test_no_day_ends_while_it_runs(of_day_ms: int) -> None:
    day_ms = 20_000 * 86_400_000
    noon = Noon(At(day_ms + of_day_ms, iter([5_000_000, 7_000_000])))

    assert noon.now_ms() == day_ms + 43_200_002


def test_the_same_seed_makes_the_same_answers() -> None:
    def lengths(seed: int) -> list[int | None]:
        choose = Stage(agents=1, pace_ms=0, seed=seed).behaviour()
        request = _request()
        return [choose(request).output_tokens for _ in range(5)]

    assert lengths(1) == lengths(1)
    assert lengths(1) != lengths(2)


def _request() -> ChatRequest:
    from simulator.models import MODELS
    from simulator.request import read_request

    body = json.dumps({"model": "gpt-4.1", "messages": [{"role": "user", "content": "?"}]})
    return read_request(body.encode(), MODELS)


def test_every_agent_has_a_name_of_its_own() -> None:
    names = list(Stage(agents=30, pace_ms=0, seed=0).names())

    assert len(set(names)) == 30
    assert names[0] == "ada"
    assert names[-1] == "agent-30"
    assert Random(0).choice(names) in names
