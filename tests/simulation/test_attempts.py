"""Calls that are sent more than once, in virtual time: each attempt has a hold of its own.

Each life is judged by the rules that all lives are judged by: what the provider bills is
charged, attempt by attempt (field-report 54, 68).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from simulator import Behaviour, Refusal, Report
from tests.simulation.judge.books import Row
from tests.simulation.plan import (
    PROMPT,
    Again,
    Call,
    Caller,
    Fate,
    Happening,
    Plan,
    Route,
    SetStatus,
    Terminate,
)
from tests.simulation.rig.provider import USD
from tests.simulation.rig.steps import Stepped, Task
from tests.simulation.trial import Trial, try_plan
from tests.simulation.world import CallRun

OPENAI: Final = {
    "name": "openai",
    "base_url": "https://api.openai.com/v1",
    "api_key": "sk-of-the-upstream",
}
TWICE: Final = {
    "max_attempts": 2,
    "statuses": [429, 500, 502, 503, 504, 529],
    "backoff_ms": 1_000,
    "max_wait_ms": 5_000,
}
HELD: Final = 930
"""Microcents: 14 tokens in at $0.15 a million, and 12 out at $0.60, with 12 as the limit."""

BODY: Final = {
    "model": "gpt-4o-mini",
    "max_tokens": 12,
    "messages": [{"role": "user", "content": PROMPT}],
}
GOOD: Final = Again(route=Route(status_ms=20), behaviour=Behaviour(output_tokens=12))


def failing(status: int, **route: Any) -> Again:
    return Again(
        route=Route(status_ms=20, **route), behaviour=Behaviour(refusal=Refusal(status=status))
    )


UNREACHABLE: Final = Again(route=Route(fate=Fate.UNREACHABLE))
RESET: Final = Again(route=Route(fate=Fate.RESET, status_ms=20))
SILENT: Final = Again(route=Route(fate=Fate.SILENT))
CUT_ERROR: Final = failing(503, cut_permille=500)


def cut(delivered_permille: int) -> Again:
    """An answer that breaks off."""
    how = Route(status_ms=20, pieces=8, pace_ms=10, cut_permille=delivered_permille)
    return Again(route=how, behaviour=Behaviour(output_tokens=12, tokens_per_event=1))


def plan(
    *attempts: Again,
    retries: dict[str, Any] | None = None,
    stand_in: dict[str, Any] | None = None,
    stream: bool = False,
    allocated: str = "$1.00",
    **more: Any,
) -> Plan:
    """One call whose attempts go like this. `stand_in`: what is special about another upstream."""
    first, *later = attempts
    asked: dict[str, Any] = {
        **OPENAI,
        "retries": TWICE if retries is None else {**TWICE, **retries},
    }
    upstreams = [asked]
    if stand_in is not None:
        upstreams = [{**asked, "fallback": ["spare"]}, {**OPENAI, "name": "spare", **stand_in}]
    call = Call(
        number=1,
        at_ms=0,
        body={**BODY, "stream": stream},
        caller=more.pop("caller", Caller()),
        route=first.route,
        behaviour=first.behaviour,
        again=tuple(later),
    )
    return Plan(
        seed=0,
        config={
            "upstreams": upstreams,
            "identity": {"default": {"tenant": "dev"}},
            "budgets": [{"scope": "tenant:dev", "allocated": allocated}],
            "settle": {"uncertain": "hold"},
            **more,
        },
        expiry_pause_ms=1_000,
        hostile=False,
        calls=(call,),
    )


def lived(plan: Plan) -> tuple[Trial, CallRun]:
    trial = try_plan(plan)
    assert trial.broken == ()
    (run,) = trial.runs
    return trial, run


def ends(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """How each hold ended, and for how much."""
    return [(row.state, row.paid[USD]) for row in rows]


def status_of(run: CallRun) -> int:
    assert run.door is not None
    return run.door.status


def test_what_is_paid_here_is_known() -> None:
    trial, run = lived(plan(GOOD))

    assert ends(trial.books.rows) == [("COMMITTED", run.sighting.bill[USD])]
    assert 0 < run.sighting.bill[USD] <= HELD


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "SSE"])
@pytest.mark.parametrize(
    "failure",
    [UNREACHABLE, *map(failing, (429, 500, 502, 503, 504, 529))],
    ids=["unreachable", "429", "500", "502", "503", "504", "529"],
)
def test_a_failure_that_cost_nothing_is_followed_by_an_attempt_with_a_hold_of_its_own(
    failure: Again, stream: bool
) -> None:
    trial, run = lived(plan(failure, GOOD, stream=stream))

    first, second = trial.books.rows
    assert status_of(run) == 200
    assert ends([first, second]) == [("RELEASED", 0), ("COMMITTED", run.sighting.bill[USD])]
    assert first.trace_id == second.trace_id == run.call.trace_id
    assert run.door is not None
    assert run.door.answer_headers["X-Budget-Attempts"] == "2"
    assert run.door.answer_headers["X-Budget-Reservation-Id"] == second.reservation_id


@pytest.mark.parametrize(
    ("failure", "state", "told"),
    [
        (failing(400), "RELEASED", 400),
        (failing(401), "RELEASED", 401),
        (failing(404), "RELEASED", 404),
        (failing(408), "COMMITTED", 408),
        (failing(302), "RELEASED", 302),
        (failing(501), "RELEASED", 501),
        (RESET, "UNCERTAIN", 502),
        (SILENT, "UNCERTAIN", 504),
        (CUT_ERROR, "UNCERTAIN", 503),
        (cut(0), "UNCERTAIN", 200),
        (cut(500), "UNCERTAIN", 200),
    ],
    ids=["400", "401", "404", "408", "302", "501", "reset", "silent", "503 cut", "cut", "half"],
)
def test_what_may_have_cost_something_or_will_not_change_is_sent_once(
    failure: Again, state: str, told: int
) -> None:
    trial, run = lived(plan(failure, GOOD, retries={"max_attempts": 5}, stand_in={}))

    (row,) = trial.books.rows
    assert (row.state, status_of(run)) == (state, told)
    assert run.door is not None
    assert "X-Budget-Attempts" not in run.door.answer_headers


@pytest.mark.parametrize("permille", [1, 300, 900])
def test_nothing_is_sent_again_of_a_stream_that_has_begun(permille: int) -> None:
    trial, run = lived(plan(cut(permille), GOOD, stream=True, stand_in={}))

    assert len(run.sightings) == len(trial.books.rows) == 1
    assert run.door is not None
    assert run.door.is_broken_off


@pytest.mark.parametrize("failure", [RESET, SILENT], ids=["reset", "silent"])
def test_by_choice_what_may_have_been_billed_is_sent_again_and_its_hold_stays(
    failure: Again,
) -> None:
    trial, run = lived(plan(failure, GOOD, retries={"after_no_status": True}))

    assert status_of(run) == 200
    assert ends(trial.books.rows) == [("UNCERTAIN", 0), ("COMMITTED", run.sighting.bill[USD])]


def test_by_default_no_call_is_sent_twice() -> None:
    trial, run = lived(plan(failing(503), GOOD, retries={"max_attempts": 1}))

    assert status_of(run) == 503
    assert ends(trial.books.rows) == [("RELEASED", 0)]


def test_after_the_last_attempt_the_caller_hears_the_last_error() -> None:
    trial, run = lived(plan(failing(503), failing(429), failing(500), retries={"max_attempts": 3}))

    assert status_of(run) == 500
    assert ends(trial.books.rows) == [("RELEASED", 0)] * 3


def test_an_upstream_that_cannot_be_reached_at_last_is_told_by_us() -> None:
    _, run = lived(plan(failing(503), UNREACHABLE))

    assert status_of(run) == 502
    assert run.door is not None
    assert run.door.answer_headers["X-Budget-Attempts"] == "2"


def test_the_pauses_are_those_of_the_rules() -> None:
    _, run = lived(plan(failing(503), failing(503), GOOD, retries={"max_attempts": 3}))

    first, second, third = run.sightings
    pauses_s = (second.sent_at_s - first.ended_at_s, third.sent_at_s - second.ended_at_s)
    assert 0.5 <= pauses_s[0] <= 1.0
    assert 1.0 <= pauses_s[1] <= 2.0


def test_nothing_is_held_while_the_upstream_is_left_alone() -> None:
    """Who freezes the budget in the pause ends the call; it is told what the upstream said."""
    frozen = Happening(400, SetStatus(0, frozen=True))
    trial, run = lived(replace(plan(failing(503), GOOD), happenings=(frozen,)))

    assert (len(run.sightings), status_of(run)) == (1, 503)
    assert ends(trial.books.rows) == [("RELEASED", 0)]


@pytest.mark.parametrize(("spare", "sent", "told"), [(0, 1, 502), (HELD, 2, 200)])
def test_a_budget_that_has_room_for_one_attempt_but_not_for_two(
    spare: int, sent: int, told: int
) -> None:
    """The first one may be billed, so its hold stays; the caller hears what the upstream said."""
    allocated = f"${(HELD + spare) / 10**8:.8f}"
    rules = {"after_no_status": True}
    trial, run = lived(
        plan(RESET, GOOD, retries=rules, allocated=allocated, degrade={"shorten": False})
    )

    first, *later = trial.books.rows
    assert (len(run.sightings), status_of(run)) == (sent, told)
    assert (first.state, first.amounts[USD]) == ("UNCERTAIN", HELD)
    assert len(later) == sent - 1


def test_a_stand_in_is_asked_when_the_first_was_asked_often_enough() -> None:
    trial, run = lived(plan(failing(503), failing(503), GOOD, stand_in={}))

    bill = run.sighting.bill[USD]
    assert ends(trial.books.rows) == [("RELEASED", 0), ("RELEASED", 0), ("COMMITTED", bill)]


def test_a_stand_in_that_has_no_credential_is_left_out() -> None:
    _, run = lived(plan(failing(503), failing(503), GOOD, stand_in={"api_key": ""}))

    assert (len(run.sightings), status_of(run)) == (2, 503)


def test_a_shortened_attempt_is_shortened_anew_by_what_is_left() -> None:
    """The first attempt's hold stays, so there is less for the second."""
    rules = {"after_no_status": True}
    shortens = {"shorten": True, "min_output_tokens": 1, "max_share_pct": 100}
    trial, run = lived(plan(RESET, GOOD, retries=rules, allocated="$0.00001200", degrade=shortens))

    first, second = (row.amounts[USD] for row in trial.books.rows)
    assert first == HELD
    assert 0 < second <= 1200 - HELD
    assert run.door is not None
    assert int(run.door.answer_headers["X-Budget-Max-Tokens"]) < 12


def test_a_caller_who_leaves_in_the_pause_is_sent_nothing_more_for() -> None:
    trial, run = lived(plan(failing(503), GOOD, caller=Caller(leaves_ms=200)))

    assert len(run.sightings) == 1
    assert ends(trial.books.rows) == [("RELEASED", 0)]


def test_a_caller_may_leave_at_every_wait_of_every_attempt() -> None:
    lives = plan(UNREACHABLE, failing(503), GOOD, retries={"max_attempts": 3}, stream=True)

    def hurt_at(wait: int) -> tuple[Trial, Stepped]:
        watched: list[Stepped] = []

        def leave(run: CallRun) -> None:
            assert run.door is not None
            run.door.hang_up()

        def around(run: CallRun, work: Any) -> Any:
            watched.append(Stepped(work, at=wait, do=lambda _: leave(run)))
            return watched[0]

        return try_plan(lives, around=around), watched[0]

    undisturbed, stepped = hurt_at(0)
    assert len(undisturbed.books.rows) == 3
    for wait in range(1, stepped.waits + 1):
        trial, _ = hurt_at(wait)
        assert trial.broken == (), f"at wait {wait}"


def test_the_server_may_cancel_a_call_at_every_wait_of_every_attempt() -> None:
    in_order = plan(failing(503), UNREACHABLE, GOOD, retries={"max_attempts": 3})
    lives = replace(in_order, happenings=(Happening(20_000, Terminate()),))
    wait, was_cancelled = 0, True
    while was_cancelled:
        wait += 1
        watched: list[Stepped] = []

        def cancel(task: Task) -> None:
            task.cancel()

        def around(run: CallRun, work: Any) -> Any:
            watched.append(Stepped(work, at=wait, do=cancel))  # noqa: B023 - used in this turn
            return watched[0]  # noqa: B023

        trial = try_plan(lives, around=around)
        assert trial.broken == (), f"at wait {wait}"
        assert watched[0].task is not None
        was_cancelled = watched[0].task.cancelled()
    assert wait > 10


def test_usage_of_each_attempt_that_was_served_is_charged_once() -> None:
    """An answer without usage, after an attempt of which nobody knows."""
    silent_usage = replace(
        GOOD, behaviour=Behaviour(output_tokens=12, report=Report(place="nowhere"))
    )
    trial, run = lived(plan(RESET, silent_usage, retries={"after_no_status": True}))

    first, second = trial.books.rows
    assert first.state == "UNCERTAIN"
    assert (second.state, second.estimated) == ("COMMITTED", 1)
    assert second.paid[USD] >= run.sighting.floor[USD]
