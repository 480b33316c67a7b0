"""langchain-runcycles: the programs of its README and its scripts, as they are printed."""

from pathlib import Path

import pytest

from simulator.behaviour import Behaviour
from tests.clients.example import Example
from tests.clients.printed import readme, scripts
from tests.clients.stand import ACME, USD, Ran, standing

pytestmark = pytest.mark.clients

PAGE = "langchain-runcycles"
DEFAULT_ESTIMATE = 10_000
"""Microcents; its API reference, where a gate is not told another."""

UNITS = "from runcycles import Amount, Unit\n"
INVOKE = """
agent = create_agent(model="claude-sonnet-4-6", tools=[send_email], middleware=[gate])
state = {"messages": [{"role": "user", "content": "Email alice."}], **globals().get("more", {})}
for message in agent.invoke(state)["messages"]:
    print(type(message).__name__, message.content)
"""
MADE_ONLY = "its `...` stand for what a reader has: it is made, and does nothing yet"
AFTER_QUICK_START = ("Quick Start",)
"""Its agent calls a model twice: one call of the tool, and an answer."""

EXAMPLES = {
    "Quick Start": Example(model_calls=2),
    "CyclesModelGate (v0.1.5+)": Example(
        why="the client is of the quick start, Amount and Unit are not imported, no agent has it",
        above=AFTER_QUICK_START,
        before=UNITS,
        after="gate = model_gate" + INVOKE,
        model_calls=4,
        spent={(ACME, USD): 2 * 2_000_000},
        prints=("ToolMessage Sent to",),
    ),
    "CyclesToolGate": Example(
        why="the client is of the quick start, no agent has the gate",
        above=AFTER_QUICK_START,
        after=INVOKE,
        model_calls=4,
        spent={(ACME, USD): DEFAULT_ESTIMATE},
        prints=("ToolMessage Sent to",),
    ),
    "CyclesFanOutGate": Example(
        why="the client is of the quick start, no agent has the gate",
        above=AFTER_QUICK_START,
        after="gate = fanout" + INVOKE,
        model_calls=4,
        prints=("ToolMessage Sent to",),
    ),
    "Subject": Example(
        why="the names are of the quick start; its extractor reads a state with a tenant",
        above=AFTER_QUICK_START,
        after="""
from langchain.agents import AgentState
class Configured(AgentState):
    config: dict
for each in (subject, per_tenant):
    gate = CyclesToolGate(
        client, subject=each, action=Action(kind="tool.call", name="any"), mode="reserve"
    )
    agent = create_agent(
        model="claude-sonnet-4-6", tools=[send_email], middleware=[gate], state_schema=Configured
    )
    asked = [{"role": "user", "content": "Email alice."}]
    print(agent.invoke({"messages": asked, "config": {"tenant": "acme"}})["messages"][2].content)
""",
        model_calls=6,
        spent={(ACME, USD): 2 * DEFAULT_ESTIMATE},
        prints=("Sent to",),
    ),
    "Action": Example(
        why="the names are of the quick start",
        above=AFTER_QUICK_START,
        after="""
static = Action(kind="tool.call", name="any")
for each in (static, action, derive):
    gate = CyclesToolGate(
        client, subject=Subject(tenant="acme"), action=each, mode="reserve"
    )
    agent = create_agent(model="claude-sonnet-4-6", tools=[send_email], middleware=[gate])
    agent.invoke({"messages": [{"role": "user", "content": "Email alice."}]})
""",
        model_calls=8,
        spent={(ACME, USD): 3 * DEFAULT_ESTIMATE},
    ),
    "Idempotency-key namespacing (v0.1.3+)": Example(
        why="the names are of the quick start; its callable reads a state with a run",
        above=AFTER_QUICK_START,
        after="""
from langchain.agents import AgentState
class Running(AgentState):
    run_id: str
agent = create_agent(
    model="claude-sonnet-4-6", tools=[send_email], middleware=[gate], state_schema=Running
)
asked = [{"role": "user", "content": "Email alice."}]
print(agent.invoke({"messages": asked, "run_id": "run_1"})["messages"][2].content)
""",
        model_calls=4,
        prints=("Sent to",),
    ),
    "Actual-cost extraction on CyclesToolGate (v0.3.0+)": Example(
        why="the client is of the quick start; the two tools that it prices are not printed",
        above=AFTER_QUICK_START,
        after="""
@tool
def send_sms(to: str, body: str) -> str:
    "Send a text."
    return f"Sent to {to}"
@tool
def lookup_customer(email: str) -> dict:
    "Look a customer up."
    return {"charged_microcents": 12_500}
tools = [send_sms, lookup_customer]
agent = create_agent(model="claude-sonnet-4-6", tools=tools, middleware=[gate])
agent.invoke({"messages": [{"role": "user", "content": "Find alice and text her."}]})
""",
        model_calls=4,
        spent={(ACME, USD): 75_000 + 12_500},
    ),
    "Denial messages": Example(why=MADE_ONLY, above=AFTER_QUICK_START, model_calls=2),
    "Settlement (commit) failures": Example(
        why=MADE_ONLY,
        above=AFTER_QUICK_START,
        before="from langchain_runcycles import CyclesModelGate",
        model_calls=2,
    ),
}
COST_OF_A_MODEL = "Actual-cost extraction on CyclesModelGate (v0.2.0+)"
ASYNC = "Async support"

TWO_TOOLS = (Behaviour(), Behaviour(), Behaviour(tool_calls=2))
"""After the two calls of the quick start the model asks for both tools at once."""


def test_every_program_of_the_page_has_a_row() -> None:
    assert set(readme(PAGE)) == {*EXAMPLES, COST_OF_A_MODEL, ASYNC}


@pytest.mark.parametrize("name", EXAMPLES)
async def test_a_program_runs_as_it_is_printed(name: str, tmp_path: Path) -> None:
    async with standing(tmp_path) as stand:
        if name.startswith("Actual-cost"):
            stand.simulator.script(*TWO_TOOLS)
        ran = await EXAMPLES[name].run(readme(PAGE), name, stand, tenant=ACME)
    EXAMPLES[name].assert_as_told(ran)


async def test_a_model_gate_commits_what_the_upstream_bills(tmp_path: Path) -> None:
    """The rates of the page are those of the upstream, and whole microcents a token."""
    page = readme(PAGE)
    async with standing(tmp_path) as stand:
        ran = await stand.run(
            page["Quick Start"].partition("agent = ")[0],
            page[COST_OF_A_MODEL],
            INVOKE,
            tenant=ACME,
        )
    ran.assert_sound()
    assert ran.spent_by_clients == {(ACME, USD): ran.billed}
    assert ran.billed > 0


async def test_a_gate_asks_from_a_loop_too(tmp_path: Path) -> None:
    """What the page prints of it is an outline (`CyclesConfig(...)`): this is it, filled in."""
    page = readme(PAGE)
    outline = page[ASYNC]
    filled = (
        outline.replace("CyclesConfig(...)", "CyclesConfig.from_env()")
        .replace("subject=...", 'subject=Subject(tenant="acme")')
        .replace("action=...", 'action=Action(kind="tool.call", name="send_email")')
        .replace('model="..."', 'model="claude-sonnet-4-6"')
        .replace("tools=[...]", "tools=[send_email]")
        .replace("[...]", '[{"role": "user", "content": "Email alice."}]')
    )
    async with standing(tmp_path) as stand:
        ran = await stand.run(page["Quick Start"], filled, tenant=ACME)
    ran.assert_sound()
    assert "..." not in filled
    assert len(ran.asked) == 4


async def test_a_denied_tool_is_told_to_the_model_and_not_called(tmp_path: Path) -> None:
    """README, "Quick Start" and "Error handling"."""
    async with standing(tmp_path, {(ACME, USD): DEFAULT_ESTIMATE - 1}) as stand:
        ran = await stand.run(readme(PAGE)["Quick Start"], tenant=ACME)
    ran.assert_sound()
    assert "Tool call denied by Cycles policy: BUDGET_EXCEEDED" in ran.asked[1]
    assert "Sent to" not in ran.asked[1]


async def test_a_denied_model_is_not_called_and_the_agent_ends(tmp_path: Path) -> None:
    """README, "Error handling": reservation failures are an AIMessage with the reason."""
    page, name = readme(PAGE), "CyclesModelGate (v0.1.5+)"
    async with standing(tmp_path, {(ACME, USD): 1_999_999}) as stand:
        ran = await EXAMPLES[name].run(page, name, stand, tenant=ACME)
    ran.assert_sound()
    assert len(ran.asked) == 2, "those of the quick start"
    assert "AIMessage Model call denied by Cycles policy" in ran.output
    assert "Budget exhausted for tenant:acme" in ran.output
    assert ran.spent_by_clients == {}


async def _run_script(name: str, folder: Path, *behaviours: Behaviour) -> Ran:
    async with standing(folder) as stand:
        stand.simulator.script(*behaviours)
        ran = await stand.run_script(name, scripts(PAGE)[name], tenant=ACME)
    ran.assert_sound()
    return ran


def test_every_script_has_a_test() -> None:
    expected = {"multi_agent_fanout.py", "tenant_budget_agent.py", "tool_cost_fn.py"}
    assert set(scripts(PAGE)) == expected


async def test_three_gates_beside_each_other(tmp_path: Path) -> None:
    """The tool is `search`: `send_email` waits for a person, which takes more than a script."""
    ran = await _run_script("multi_agent_fanout.py", tmp_path)
    assert "[ToolMessage] Search results for" in ran.output
    assert ran.spent_by_clients == {(ACME, USD): ran.billed + DEFAULT_ESTIMATE}


async def test_a_key_of_one_tenant_is_denied_for_another(tmp_path: Path) -> None:
    """The script asks for two tenants with one key. Here a key is good for one: the other is
    denied as the script tells of one that is over its cap, by another reason."""
    ran = await _run_script("tenant_budget_agent.py", tmp_path)
    first, _, second = ran.output.partition("=== Run for tenant=trial ===")
    assert "[ToolMessage] Sent email to" in first
    assert "[ToolMessage] Cycles denied send_email for tenant" in second
    assert "Sent email" not in second


async def test_tools_are_charged_what_they_say(tmp_path: Path) -> None:
    ran = await _run_script("tool_cost_fn.py", tmp_path, Behaviour(tool_calls=2))
    assert "Sent SMS to" in ran.output
    assert ran.spent_by_clients == {(ACME, USD): 75_000 + 12_500}
