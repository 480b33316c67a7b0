"""Three calls and room for one at a time: what befalls one that waits harms no other.

The second is hurt at each of its moments, in line and after it. The third stands behind it.
"""

from dataclasses import replace
from typing import Final

import pytest

from simulator import Behaviour
from tests.simulation.plan import Act, Call, Happening, Kill, Outage, Plan, Reload, Terminate
from tests.simulation.rig.process import Work
from tests.simulation.rig.provider import USD
from tests.simulation.rig.steps import Stepped
from tests.simulation.test_every_await import LATER, PLANS, Hurt, cancel, kill, leave
from tests.simulation.trial import Trial, try_plan
from tests.simulation.world import CallRun

OK, SENT_AWAY = 200, 429

HOLD, COST = 1650, 690
"""Microcents: 14 tokens in at 15, and 2 x 12 out at 60; of those 2 x 4 come."""

ALLOCATED: Final = 3_100
"""Room for another hold after two that cost what they do, and never for two."""
assert HOLD + 2 * COST <= ALLOCATED < 2 * HOLD

LONGEST_CALL_MS: Final = 5_000


def call(number: int) -> Call:
    (alone,) = PLANS["stream, aborted"].calls
    return replace(
        alone, number=number, at_ms=number, behaviour=Behaviour(output_tokens=4, tokens_per_event=4)
    )


def plan(*happenings: Happening, max_wait_ms: int = 60_000) -> Plan:
    alone = PLANS["stream, aborted"]
    return replace(
        alone,
        config={
            **alone.config,
            "budgets": [{"scope": "tenant:dev", "allocated": f"${ALLOCATED / 10**8:.8f}"}],
            "degrade": {"shorten": False},
            "queue": {"max_wait_ms": max_wait_ms},
        },
        calls=(call(1), call(2), call(3)),
        happenings=happenings,
    )


def live(plan: Plan, wait: int = 0, hurt: Hurt = leave) -> tuple[Trial, list[int], Stepped]:
    """Hurt the second call when it waits for the n-th time; what each call was answered."""
    watched: list[Stepped] = []

    def around(run: CallRun, work: Work) -> Work:
        if run.call.number != 2:
            return work
        watched.append(Stepped(work, at=wait, do=lambda task: hurt(run, task)))
        return watched[0]

    trial = try_plan(plan, around=around)
    assert trial.broken == (), f"at wait {wait}"
    return trial, [run.door.status if run.door else 0 for run in trial.runs], watched[0]


def waits() -> int:
    return live(plan())[2].waits


def test_all_go_one_after_the_other() -> None:
    trial, answers, _ = live(plan())
    assert answers == [OK] * 3
    order = [int(row.trace_id, 16) for row in trial.books.rows]
    assert order == [1, 2, 3]
    assert [row.paid[USD] for row in trial.books.rows] == [COST] * 3


def test_who_has_waited_long_enough_goes() -> None:
    _, answers, _ = live(plan(max_wait_ms=LONGEST_CALL_MS + 1_000))
    assert answers == [OK, OK, SENT_AWAY]


def test_a_caller_may_leave_the_line_at_every_moment() -> None:
    after_it = []
    for wait in range(1, waits() + 1):
        _, (first, _, third), _ = live(plan(), wait, leave)
        assert first == OK
        after_it.append(third)
    # With no status, the second may have cost all it held, and there is no room for a third.
    assert set(after_it) == {OK, SENT_AWAY}
    assert after_it.index(SENT_AWAY) > 3, "it had left the line by then"


def test_the_server_may_cancel_one_in_line_at_every_moment() -> None:
    for wait in range(1, waits() + 1):
        _, answers, stepped = live(plan(LATER), wait, cancel)
        assert answers[0] == OK
        assert stepped.task is not None
        assert stepped.task.cancelled(), f"at wait {wait}"


def test_the_process_may_die_while_calls_wait_at_every_moment() -> None:
    for wait in range(1, waits() + 1):
        live(plan(), wait, kill)


@pytest.mark.parametrize(
    "act", [Kill(0, 400), Terminate(), Outage(3_000), Reload(200), Reload(10)], ids=str
)
@pytest.mark.parametrize("at_ms", [3, 1_000, 4_000, 6_000])
def test_whatever_happens_meanwhile_nobody_is_forgotten(act: Act, at_ms: int) -> None:
    live(plan(Happening(at_ms, act)))
