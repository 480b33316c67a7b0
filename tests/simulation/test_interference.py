"""One call and one thing that is not as it should be: what it cost lands all the same."""

from dataclasses import replace
from typing import Final, Literal

import pytest
from msgspec import structs

from simulator import Behaviour, Refusal, Report
from tests.simulation.plan import Act, Call, ClockStep, EndByHand, Happening, Outage
from tests.simulation.rig.provider import UNITS, USD
from tests.simulation.test_every_await import PLANS
from tests.simulation.trial import Trial, try_plan

MEANWHILE_MS: Final = 1_000
"""The request has left, and no status has come."""

LEASE_RUNS_OUT: Final[dict[str, Act]] = {
    "the clock steps": ClockStep(120_000),
    "the ledger is away": Outage(3_000),
}

WHOLE: Final = PLANS["stream, aborted"].calls[0]
CUT: Final = replace(WHOLE, route=replace(WHOLE.route, cut_permille=500))
REFUSED: Final = replace(WHOLE, behaviour=Behaviour(refusal=Refusal(status=400)))


# The prompt costs 210; 24 tokens are asked for at 60 each. Of the cut answer 12 came, and each
# of its two choices counts 4 more for its frame.
ENDS: Final = [(WHOLE, 1650, 0), (CUT, 1410, 1), (REFUSED, 0, 0)]
each_end = pytest.mark.parametrize(
    ("call", "charged", "estimated"), ENDS, ids=["whole", "cut", "refused"]
)


def live(name: str, call: Call, *acts: Act, hostile: bool = False, **settle: str) -> Trial:
    """The call, and this in the middle of it."""
    plan = PLANS[name]
    trial = try_plan(
        replace(
            plan,
            hostile=hostile,
            config={**plan.config, "settle": {**plan.config["settle"], **settle}},
            calls=(call,),
            happenings=tuple(Happening(MEANWHILE_MS, act) for act in acts),
        )
    )
    assert trial.broken == ()
    return trial


@pytest.mark.parametrize("why", LEASE_RUNS_OUT)
@each_end
def test_a_lease_that_runs_out_changes_no_charge(
    why: str, call: Call, charged: int, estimated: int
) -> None:
    """What was uncertain for a while is charged what it did cost, be it nothing."""
    trial = live("stream, aborted", call, LEASE_RUNS_OUT[why], uncertain="hold")
    (row,) = trial.books.rows
    kinds = [entry.kind for entry in trial.books.history[row.reservation_id]]
    assert "mark_uncertain" in kinds
    assert (row.state, row.paid[USD], row.estimated) == ("COMMITTED", charged, estimated)


@each_end
def test_a_hold_that_an_operator_gave_back_is_charged_all_the_same(
    call: Call, charged: int, estimated: int
) -> None:
    """An estimate that comes late is still an estimate."""
    (row,) = live("stream, aborted", call, EndByHand("ACTIVE", "release")).books.rows
    assert (row.state, row.paid[USD], row.estimated) == ("RELEASED", charged, estimated)


def test_an_answer_that_stops_silently_is_whole_nowhere() -> None:
    """With no length given, the end of a cut looks like any other, also after a brace."""
    (call,) = PLANS["json"].calls
    for permille in (*range(0, 1_000, 25), *range(980, 1_000)):
        route = replace(call.route, cut_permille=permille, cut_by="end", pace_ms=0)
        trial = live("json", replace(call, route=route), uncertain="hold")
        assert [row.state for row in trial.books.rows] == ["UNCERTAIN"], permille


BEYOND: Final = {
    "another model": Behaviour(model="gpt-4o"),
    "another tier": Behaviour(output_tokens=12, service_tier="priority"),
    "a longer prompt": Behaviour(extra_prompt_tokens=500),
    "longer answers": Behaviour(output_tokens=60, ignore_limit=True),
    "more answers": Behaviour(output_tokens=12, extra_choices=3),
}


@pytest.mark.parametrize("missing_usage", ["counted", "hold"])
@pytest.mark.parametrize("place", ["as_asked", "nowhere"])
@pytest.mark.parametrize("name", BEYOND)
@pytest.mark.parametrize("kind", ["json", "stream, aborted"])
def test_a_bill_beyond_the_hold_is_charged(
    kind: str, name: str, place: Literal["as_asked", "nowhere"], missing_usage: str
) -> None:
    """By usage to the microcent; else what was delivered, at the rates of what served it."""
    behaviour = structs.replace(BEYOND[name], report=Report(place=place))
    call = replace(PLANS[kind].calls[0], behaviour=behaviour)
    trial = live(kind, call, hostile=True, missing_usage=missing_usage)
    (row,), (run,) = trial.books.rows, trial.runs
    if place == "as_asked":
        assert (row.paid, row.estimated) == (run.sighting.bill, 0)
        assert run.sighting.bill[USD] > row.amounts[USD]
    else:
        assert row.charged is not None
        assert all(row.charged[unit] >= run.sighting.floor[unit] for unit in UNITS)
        assert row.estimated


@pytest.mark.parametrize("in_turn", [True, False], ids=["side by side", "one by one"])
def test_half_a_stream_looks_whole_nowhere(*, in_turn: bool) -> None:
    """Not even where the first of two answers has ended and the second not begun."""
    (call,) = PLANS["stream, aborted"].calls
    for permille in range(0, 1_000, 10):
        route = replace(call.route, cut_permille=permille, cut_by="end", in_turn=in_turn, pace_ms=0)
        live("stream, aborted", replace(call, route=route))
