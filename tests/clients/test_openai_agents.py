"""runcycles-openai-agents: the programs of its README and its scripts, as they are printed."""

from pathlib import Path

import pytest

from proxy.domain.money import Unit
from simulator.behaviour import Behaviour
from tests.clients.example import Example
from tests.clients.printed import readme, scripts
from tests.clients.stand import ACME, ACME_CORP, RISK_POINTS, USD, Ran, standing

pytestmark = pytest.mark.clients

PAGE = "runcycles-openai-agents"
LLM_ESTIMATE = 500_000
"""Microcents; README, "All options". What is committed is what was reserved, in this unit."""

IMPORTS = """
from agents import Agent, Runner, function_tool
from runcycles import CommitOveragePolicy, Unit
from runcycles_openai_agents import CyclesRunHooks
"""
AGENT = IMPORTS + 'agent = Agent(name="case-resolver", instructions="Resolve cases.")\n'
RUN = 'print((await hooks.run(agent, input="...")).final_output)\n'
TOOLS = """
@function_tool
def send_email(to: str) -> str:
    "Send an email."
    return "sent"
@function_tool
def update_crm(notes: str) -> str:
    "Update the notes."
    return "updated"
@function_tool
def search_knowledge(query: str) -> str:
    "Search."
    return "found"
@function_tool
def call_back(at: str) -> str:
    "Ask for a call."
    return "asked"
agent = Agent(name="case-resolver", tools=[send_email, update_crm, search_knowledge, call_back])
"""
AFTER_QUICK_START = ("Quick Start",)
"""Its agent calls a model once, after its guardrail has asked for a decision."""


def llm(calls: int, *, tenant: str = ACME_CORP) -> dict[tuple[str, Unit], int]:
    return {(tenant, USD): calls * LLM_ESTIMATE}


EXAMPLES = {
    "Why": Example(
        why="the agent and the import are not printed",
        before=AGENT,
        model_calls=1,
        spent=llm(1, tenant=ACME),
    ),
    "Quick Start": Example(model_calls=1, spent=llm(1)),
    "Error handling": Example(
        why="the agent is of the quick start", above=AFTER_QUICK_START, model_calls=2, spent=llm(2)
    ),
    "Error handling 2": Example(
        why="the agent and hooks are of the quick start; `handle` is the reader's",
        above=AFTER_QUICK_START,
        before="def handle(event):\n    print(event.type)\n",
        model_calls=2,
        spent=llm(2),
        prints=("raw_response_event", "run_item_stream_event"),
    ),
    "Error handling 3": Example(
        why="the agent and hooks are of the quick start",
        above=AFTER_QUICK_START,
        model_calls=2,
        spent=llm(2),
    ),
    "Guardrail (pre-run check)": Example(
        why="Agent and Unit are not imported; nobody runs the agent",
        before=IMPORTS,
        after='print((await Runner.run(agent, input="...")).final_output)\n',
        model_calls=1,
    ),
    "Tool estimate mapping": Example(
        why="CyclesRunHooks and Unit are not imported; the tools are not printed",
        before=IMPORTS,
        after=TOOLS + RUN,
        model_calls=2,
        spent={**llm(2), (ACME_CORP, RISK_POINTS): 50 + 10 + 1},
    ),
    "Explicit client": Example(
        why="nothing is run with the hooks",
        after=AGENT + RUN,
        model_calls=1,
        spent=llm(1),
    ),
    "Fail-open / fail-closed": Example(
        why="the import is not printed; nothing is run with the hooks",
        before=AGENT,
        after=RUN,
        model_calls=1,
        spent=llm(1, tenant=ACME),
    ),
    "All options": Example(
        why="the imports are not printed, and the hooks that it makes have no name",
        before=IMPORTS,
        model_calls=0,
    ),
}
OF_ACME = {"Why", "Fail-open / fail-closed"}
"""Programs that name this tenant, where the others name `acme-corp`."""

EVERY_TOOL = Behaviour(tool_calls=4)


def test_every_program_of_the_page_has_a_row() -> None:
    assert set(readme(PAGE)) == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_program_runs_as_it_is_printed(name: str, tmp_path: Path) -> None:
    tenant = ACME if name in OF_ACME else ACME_CORP
    async with standing(tmp_path) as stand:
        if EXAMPLES[name].after.startswith(TOOLS):
            stand.simulator.script(EVERY_TOOL)
        ran = await EXAMPLES[name].run(readme(PAGE), name, stand, tenant=tenant)
    EXAMPLES[name].assert_as_told(ran)


async def test_a_denial_stops_the_agent_before_its_model(tmp_path: Path) -> None:
    """README, "Error handling": the hooks raise BudgetExceededError."""
    hooks = 'hooks = CyclesRunHooks(tenant="acme-corp", app="support-platform")\n'
    async with standing(tmp_path, {(ACME_CORP, USD): LLM_ESTIMATE - 1}) as stand:
        ran = await stand.run(AGENT + hooks, readme(PAGE)["Error handling 3"], tenant=ACME_CORP)
    ran.assert_sound()
    assert ran.output.startswith("Budget denied: ")
    assert "tenant:acme-corp" in ran.output
    assert ran.asked == ()
    assert ran.spent == {}


async def test_a_guardrail_trips_where_the_budget_is_too_small(tmp_path: Path) -> None:
    """README, "Guardrail": it trips on DENY. The SDK runs it beside the first model call, which
    it does not always come before: what the page says of no tokens is the SDK's to keep."""
    run = """
from agents import InputGuardrailTripwireTriggered
try:
    await Runner.run(agent, input="...")
except InputGuardrailTripwireTriggered as tripped:
    print(tripped.guardrail_result.output.output_info)
"""
    async with standing(tmp_path, {(ACME_CORP, USD): 4_999_999}) as stand:
        ran = await stand.run(
            IMPORTS, readme(PAGE)["Guardrail (pre-run check)"], run, tenant=ACME_CORP
        )
    assert ran.code == 0, ran.errors
    assert ran.output == "{'decision': 'DENY', 'reason': 'BUDGET_EXCEEDED'}\n"
    assert ran.spent_by_clients == {}


async def _run_script(name: str, folder: Path, *behaviours: Behaviour) -> Ran:
    async with standing(folder) as stand:
        stand.simulator.script(*behaviours)
        ran = await stand.run_script(name, scripts(PAGE)[name], tenant=ACME_CORP)
    ran.assert_sound()
    assert ran.output.strip()
    return ran


def test_every_script_has_a_test() -> None:
    assert set(scripts(PAGE)) == {"basic_budget.py", "multi_agent.py", "tool_governance.py"}


async def test_every_model_call_is_reserved_and_committed(tmp_path: Path) -> None:
    ran = await _run_script("basic_budget.py", tmp_path)
    assert ran.spent_by_clients == llm(1)


async def test_a_handoff_is_an_event_of_no_cost(tmp_path: Path) -> None:
    ran = await _run_script("multi_agent.py", tmp_path)
    assert ran.spent_by_clients == llm(2)
    (event,) = (row for row in ran.rows if row.is_event)
    assert (event.action_kind, event.charged) == ("agent.handoff", {RISK_POINTS: 0})


async def test_tools_cost_the_points_of_their_estimates(tmp_path: Path) -> None:
    ran = await _run_script("tool_governance.py", tmp_path, Behaviour(tool_calls=3))
    assert ran.spent_by_clients == {**llm(2), (ACME_CORP, RISK_POINTS): 50 + 10}
    kinds = {row.action_kind for row in ran.rows if RISK_POINTS in row.amounts}
    assert kinds == {"tool.invoke", "tool.crm.update"}


async def test_a_tool_beyond_the_points_is_not_called(tmp_path: Path) -> None:
    """examples/tool_governance.py: BudgetExceededError is raised. It ends the run."""
    async with standing(tmp_path, {(ACME_CORP, RISK_POINTS): 49}) as stand:
        text = scripts(PAGE)["tool_governance.py"]
        ran = await stand.run_script("tool_governance.py", text, tenant=ACME_CORP)
    assert ran.code == 1
    assert "BudgetExceededError" in ran.errors
    assert len(ran.asked) == 1
    assert ran.spent_by_clients == llm(1)


NO_POINTS = {(ACME_CORP, RISK_POINTS): None}


async def test_without_a_budget_of_points_no_tool_is_called(tmp_path: Path) -> None:
    """docs/protocol.md, "Clients that exist"."""
    async with standing(tmp_path, NO_POINTS) as stand:
        text = scripts(PAGE)["tool_governance.py"]
        ran = await stand.run_script("tool_governance.py", text, tenant=ACME_CORP)
    assert ran.code == 1
    assert "BudgetExceededError" in ran.errors
    assert "No budget of tenant:acme-corp is in RISK_POINTS" in ran.errors
    assert ran.spent_by_clients == llm(1)


async def test_without_a_budget_of_points_a_handoff_is_not_recorded(tmp_path: Path) -> None:
    """docs/protocol.md, "Clients that exist"."""
    async with standing(tmp_path, NO_POINTS) as stand:
        text = scripts(PAGE)["multi_agent.py"]
        ran = await stand.run_script("multi_agent.py", text, tenant=ACME_CORP)
    ran.assert_sound()
    assert "handoff event failed" in ran.errors
    assert ran.spent_by_clients == llm(2)
    assert not any(row.is_event for row in ran.rows)
