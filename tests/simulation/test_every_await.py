"""One call, and something that goes wrong at each of its moments: every wait, every statement.

Each life is judged by the rules that all lives are judged by. A caller who hangs up is the
normal end of a stream, and money is lost exactly there (field-report 13, 33-37).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import pytest

from simulator import Behaviour
from tests.simulation.plan import (
    PROMPT,
    Call,
    Caller,
    Happening,
    Plan,
    Route,
    StatementTrouble,
    Terminate,
)
from tests.simulation.rig.disk import Trouble
from tests.simulation.rig.process import Work
from tests.simulation.rig.provider import TOKENS, USD
from tests.simulation.rig.steps import Stepped, Task
from tests.simulation.rig.virtual import Killed
from tests.simulation.trial import Trial, try_plan
from tests.simulation.world import CallRun

LATER: Final = Happening(20_000, Terminate())
"""By then the call is over, however it went; what is left is for the next process."""


def plan(*, streams: bool, on_disconnect: str) -> Plan:
    """A call for two answers, as long as allowed, that outlives its first leases."""
    body = {
        "model": "gpt-4o-mini",
        "n": 2,
        "max_tokens": 12,
        "stream": streams,
        "messages": [{"role": "user", "content": PROMPT}],
    }
    call = Call(
        number=1,
        at_ms=1,
        body=body,
        caller=Caller(levels={"app": "web", "agent": "a"}, body_ms=1, write_ms=1),
        route=Route(connect_ms=1, status_ms=2_500, pieces=3, pace_ms=600, lookahead=2),
        behaviour=Behaviour(output_tokens=12, tokens_per_event=4),
    )
    return Plan(
        seed=0,
        config={
            "upstreams": [
                {
                    "name": "openai",
                    "base_url": "https://api.openai.com/v1",
                    "api_key": "sk-of-the-upstream",
                }
            ],
            "identity": {"default": {"tenant": "dev"}, "accept": ["app", "agent"]},
            "budgets": [
                {"scope": "tenant:dev", "allocated": "$1.00"},
                {"scope": "tenant:dev/app:web", "allocated": "$0.01", "period": "day"},
                {"scope": "tenant:dev/app:web/agent:*", "allocated": "$0.001"},
                {"scope": "tenant:dev", "unit": "TOKENS", "allocated": 500, "rolling": "24h"},
            ],
            "ledger": {"reservation_ttl_ms": 1_500},
            "settle": {"on_disconnect": on_disconnect, "uncertain_after_ms": 3_000},
        },
        expiry_pause_ms=1_000,
        hostile=False,
        calls=(call,),
    )


PLANS: Final = {
    "json": plan(streams=False, on_disconnect="abort"),
    "stream, aborted": plan(streams=True, on_disconnect="abort"),
    "stream, drained": plan(streams=True, on_disconnect="drain"),
}
each_plan = pytest.mark.parametrize("name", PLANS)

Hurt = Callable[[CallRun, Task], None]


def leave(run: CallRun, task: Task) -> None:
    """The caller hangs up."""
    assert run.door is not None
    run.door.hang_up()


def kill(run: CallRun, task: Task) -> None:
    """The process dies."""
    raise Killed


def cancel(run: CallRun, task: Task) -> None:
    """The server gives the call up, as at the end of a drain."""
    task.cancel()


def hurt_at(plan: Plan, wait: int, hurt: Hurt) -> tuple[Trial, Stepped]:
    """Live the plan, and hurt its call when it waits for the n-th time; 0 never does."""
    watched: list[Stepped] = []

    def around(run: CallRun, work: Work) -> Work:
        watched.append(Stepped(work, at=wait, do=lambda task: hurt(run, task)))
        return watched[0]

    return try_plan(plan, around=around), watched[0]


def waits_of(plan: Plan) -> int:
    """How often the call of a plan waits when nothing goes wrong."""
    trial, stepped = hurt_at(plan, 0, leave)
    assert trial.broken == ()
    return stepped.waits


@each_plan
def test_an_undisturbed_call_is_charged_its_bill(name: str) -> None:
    trial = try_plan(PLANS[name])
    assert trial.broken == ()
    (row,) = trial.books.rows
    # 2 x 12 tokens out at $0.60 per million, 14 in at $0.15: charged as much as was held.
    both = {USD: 1650, TOKENS: 14 + 2 * 12}
    assert (row.state, row.amounts, row.charged, row.paid) == ("COMMITTED", both, both, both)
    kinds = [entry.kind for entry in trial.books.history[row.reservation_id]]
    assert set(kinds) == {"reserve", "dispatch", "extend", "commit"}
    assert waits_of(PLANS[name]) >= 8


@each_plan
def test_a_caller_may_leave_at_every_wait(name: str) -> None:
    states = set()
    for wait in range(1, waits_of(PLANS[name]) + 1):
        trial, _ = hurt_at(PLANS[name], wait, leave)
        assert trial.broken == (), f"at wait {wait}"
        states |= {row.state for row in trial.books.rows}
    assert states == {"RELEASED", "COMMITTED"}


@each_plan
def test_the_process_may_die_at_every_wait(name: str) -> None:
    ends = set()
    for wait in range(1, waits_of(PLANS[name]) + 1):
        trial, _ = hurt_at(PLANS[name], wait, kill)
        assert trial.broken == (), f"at wait {wait}"
        ends |= {(row.state, row.dispatched, row.estimated) for row in trial.books.rows}
    assert {("RELEASED", 0, 0), ("COMMITTED", 1, 1)} <= ends


@each_plan
def test_the_server_may_cancel_a_call_at_every_wait(name: str) -> None:
    """Nothing swallows the cancellation, and no hold is lost by it."""
    ended = replace(PLANS[name], happenings=(LATER,))
    for wait in range(1, waits_of(PLANS[name]) + 1):
        trial, stepped = hurt_at(ended, wait, cancel)
        assert trial.broken == (), f"at wait {wait}"
        assert stepped.task is not None
        assert stepped.task.cancelled(), f"at wait {wait}"


@pytest.mark.parametrize("name", ["json", "stream, aborted"])
@pytest.mark.parametrize("trouble", Trouble)
def test_every_statement_of_the_ledger_may_fail(name: str, trouble: Trouble) -> None:
    idle = replace(PLANS[name], calls=())
    statements = try_plan(PLANS[name]).statements - try_plan(idle).statements
    assert statements > 30
    for after in range(statements):
        hit = Happening(0, StatementTrouble(after, trouble))
        trial = try_plan(replace(PLANS[name], happenings=(hit,)))
        assert trial.broken == (), f"at statement {after}"
