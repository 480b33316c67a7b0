"""A hold that something ends, or doubts, while its call is under way: the cost still lands."""

from dataclasses import replace
from typing import Final

import pytest

from simulator import Behaviour, Refusal
from tests.simulation.plan import Act, Call, ClockStep, EndByHand, Happening, Outage
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


def live(call: Call, act: Act) -> Trial:
    """The call, and this in the middle of it; nobody settles what is uncertain."""
    plan = PLANS["stream, aborted"]
    settle = {**plan.config["settle"], "uncertain": "hold"}
    trial = try_plan(
        replace(
            plan,
            config={**plan.config, "settle": settle},
            calls=(call,),
            happenings=(Happening(MEANWHILE_MS, act),),
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
    trial = live(call, LEASE_RUNS_OUT[why])
    (row,) = trial.books.rows
    kinds = [entry.kind for entry in trial.books.history[row.reservation_id]]
    assert "mark_uncertain" in kinds
    assert (row.state, row.charged, row.estimated) == ("COMMITTED", charged, estimated)


@each_end
def test_a_hold_that_an_operator_gave_back_is_charged_all_the_same(
    call: Call, charged: int, estimated: int
) -> None:
    """An estimate that comes late is still an estimate."""
    (row,) = live(call, EndByHand("ACTIVE", "release")).books.rows
    assert (row.state, row.charged, row.estimated) == ("RELEASED", charged, estimated)
