"""The ledger goes away while a call is under way, and the outbox breaks at each of its writes."""

from dataclasses import replace
from typing import Final

import pytest

from tests.simulation.plan import Happening, Kill, Outage, Plan, WriteTrouble
from tests.simulation.test_every_await import PLANS
from tests.simulation.trial import try_plan

LEFT_MS: Final = 1_000
"""By then the call has left and its answer has not come."""
AWAY_MS: Final = 12_000
"""Longer than the call, its lease, and the patience with an uncertain hold."""
DIES_MS: Final = 9_000
"""The call is over, and the ledger still away."""
EXTENT: Final = (0, 1, 500, 999, 1000)

each_plan = pytest.mark.parametrize("name", PLANS)


def away(name: str, *others: Happening) -> Plan:
    return replace(PLANS[name], happenings=(Happening(LEFT_MS, Outage(AWAY_MS)), *others))


@each_plan
@pytest.mark.parametrize(
    "others", [(), (Happening(DIES_MS, Kill(0, 4_000)),)], ids=["lives", "dies"]
)
def test_a_call_is_charged_its_bill_whoever_lands_it(
    name: str, others: tuple[Happening, ...]
) -> None:
    """To the microcent, though its process died with the ledger away."""
    trial = try_plan(away(name, *others))
    assert trial.broken == ()
    (row,) = trial.books.rows
    assert (row.state, row.estimated, row.paid) == ("COMMITTED", 0, trial.runs[0].sighting.bill)
    assert trial.writes >= 2


@each_plan
@pytest.mark.parametrize("kills", [True, False], ids=["dies", "fills"])
def test_the_outbox_may_break_at_every_write(name: str, kills: bool) -> None:
    """And at every part of one: what was kept is landed, of the rest nobody knows the cost.

    An heir whose disk is full knows it too late: the hold was charged in full by then.
    """
    dies_later = Happening(DIES_MS, Kill(0, 4_000))
    ends = set()
    for others in [(), (dies_later,)]:
        for after in range(try_plan(away(name, *others)).writes):
            for permille in EXTENT:
                trouble = Happening(0, WriteTrouble(after, permille, kills))
                trial = try_plan(away(name, trouble, *others))
                assert trial.broken == (), f"at write {after}, after {permille} permille"
                ends |= {(row.state, row.estimated) for row in trial.books.rows}
    assert ends == {("COMMITTED", 0), ("COMMITTED", 1)}
