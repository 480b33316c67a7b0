"""No life of the proxy breaks the promise (semantics 1), whatever befalls it."""

import json
from collections import Counter
from typing import Final

import pytest

from tests.simulation.__main__ import reports
from tests.simulation.draw import draw_plan
from tests.simulation.judge.calls import BUDGET_REFUSED, Verdict, expected
from tests.simulation.plan import Kill, Plan, StatementTrouble
from tests.simulation.rig.disk import Trouble
from tests.simulation.rig.provider import UNITS
from tests.simulation.trial import NO_BOOKS, Trial, first_broken, report, shrink, try_plan
from tests.simulation.world import CallRun

RUNS: Final = 2_000
BLOCK: Final = 100
SOAK_RUNS: Final = 100_000


@pytest.mark.parametrize("first", range(0, RUNS, BLOCK))
def test_no_life_breaks_the_promise(first: int) -> None:
    broken = first_broken(range(first, first + BLOCK))
    assert broken is None, report(broken)


@pytest.mark.soak
@pytest.mark.parametrize("first", range(RUNS, RUNS + SOAK_RUNS, SOAK_RUNS // 100))
def test_no_life_of_very_many_breaks_the_promise(first: int) -> None:
    found = list(reports(range(first, first + SOAK_RUNS // 100)))
    assert found == [], found[0]


def test_these_lives_meet_all_there_is_to_meet() -> None:
    """A simulation that stopped hurting would pass for ever."""
    missing = set(EVERYTHING)
    for seed in range(300):
        met = met_in(try_plan(draw_plan(seed)))
        missing = {name for name in missing if not met[name]}
        if not missing:
            break
    assert missing == set()


EVERYTHING: Final = {
    *(f"ends as {verdict}" for verdict in Verdict),
    *(f"is {state}" for state in ("RELEASED", "COMMITTED", "UNCERTAIN")),
    *(f"answers {status}" for status in (0, 200, 400, 408, 429, 502, 503, 504)),
    *(f"journal has {kind}" for kind in ("charge_late", "extend", "mark_uncertain")),
    *(f"journal has {kind}" for kind in ("open", "roll", "retire", "repay", "grow")),
    "a stream is ended",
    *("is orphaned", "is uncovered", "is shortened", "left a gone caller", "is estimated"),
    *("hostile", "honest", "killed", "a reply is lost"),
    *("is sent again", "is charged at last", "is uncertain and sent again"),
    *(f"refused for {unit}" for unit in UNITS),
    *("holds in a run", "holds in a rolling window", "holds in another time zone"),
}


def met_in(trial: Trial) -> Counter[str]:
    """What happened in a life, by name."""
    acts = [each.act for each in trial.plan.happenings]
    troubles = {act.trouble for act in acts if isinstance(act, StatementTrouble)}
    met = Counter({"hostile" if trial.plan.hostile else "honest": 1})
    met["killed"] += any(isinstance(act, Kill) for act in acts)
    met["a reply is lost"] += Trouble.LOSES_ITS_REPLY in troubles
    for run in trial.runs:
        met[f"ends as {expected(run.sighting, counts=True)}"] += 1
        met["is orphaned"] += run.is_orphan
        met["left a gone caller"] += run.sighting.end == "left"
        tried = [each for each in run.sightings if each.sent]
        met["is sent again"] += len(tried) > 1
        met["is charged at last"] += len(tried) > 1 and run.sighting.is_complete
        met["is uncertain and sent again"] += any(each.status is None for each in tried[:-1])
        if run.door is not None:
            met[f"answers {run.door.status}"] += 1
            met["a stream is ended"] += ends_early(run)
            met["is shortened"] += "X-Budget-Max-Tokens" in run.door.answer_headers
            met[f"refused for {unit_short(run)}"] += 1
    for row in trial.books.rows:
        met[f"is {row.state}"] += 1
        met["is uncovered"] += any(row.uncovered.values())
        met["is estimated"] += row.estimated
        for window in (trial.books.windows[number] for number in row.windows):
            met["holds in a run"] += "/run:" in window.scope
            met["holds in a rolling window"] += window.period.startswith("rolling:")
            met["holds in another time zone"] += "@" in window.period
    met.update({f"journal has {entry.kind}" for entry in trial.books.entries})
    return met


def ends_early(run: CallRun) -> bool:
    """Whether the proxy ended a stream as one that reached its limit."""
    heard = b"".join(run.door.heard) if run.door is not None else b""
    return run.sighting.end == "left" and b'"finish_reason":"length"' in heard


def unit_short(run: CallRun) -> str | None:
    """In which unit a budget was short of what the call needed."""
    if run.door is None or run.door.status != BUDGET_REFUSED or run.sighting.sent:
        return None
    unit: str | None = json.loads(b"".join(run.door.heard))["error"]["budget"].get("unit")
    return unit


def test_a_seed_always_lives_the_same_life() -> None:
    for seed in range(20):
        first, again = (try_plan(draw_plan(seed)) for _ in range(2))
        assert first.plan == again.plan
        assert first.books == again.books


def test_a_broken_life_is_cut_down_to_what_it_takes() -> None:
    """Here a rule is broken as soon as call 2 is made, whatever else happens."""
    plan = next(plan for plan in map(draw_plan, range(100)) if len(plan.calls) == 3)

    def live(plan: Plan) -> Trial:
        broken = ("a rule",) if any(call.number == 2 for call in plan.calls) else ()
        return Trial(plan, broken, NO_BOOKS, (), 0)

    least = shrink(live(plan), live).plan
    assert ([call.number for call in least.calls], least.happenings) == ([2], ())
    assert f"python -m tests.simulation {plan.seed}\na rule\n" in report(live(plan), live)
