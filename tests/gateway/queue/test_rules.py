"""The rules of the line, one by one. `test_property.py` has them all at once."""

import asyncio
from collections.abc import Sequence

import pytest

from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.scope import Scope
from proxy.gateway.runtime.door import ClientGone
from proxy.gateway.runtime.queue import SHORTEST_PAUSE_MS, Patience
from proxy.ledger.records import Grant
from tests.gateway.queue.world import RETRY_AFTER_MS, TENANT, TOKENS, USD, Budget, Call, Run, World

A, B = Scope(f"{TENANT}/agent:a"), Scope(f"{TENANT}/agent:b")


def live(world: World, *calls: Call) -> list[Run]:
    runs = world.live(calls)
    assert not world.broken, "\n".join(world.broken)
    return runs


def granted(runs: Sequence[Run]) -> list[int]:
    """The calls that got a hold, by the time they got it."""
    held = [number for number, run in enumerate(runs) if isinstance(run.answer, Grant)]
    return sorted(held, key=lambda number: runs[number].ended_ms or 0)


def reason(run: Run) -> Reason:
    assert isinstance(run.answer, BudgetRefused)
    return run.answer.reason


def test_who_came_first_goes_first() -> None:
    runs = live(World({Budget(TENANT): 2}), *[Call(at_ms=n, holds_ms=20) for n in range(6)])
    assert [run.ended_ms for run in runs] == [0, 1, 20, 21, 40, 41]


def test_a_smaller_call_does_not_overtake() -> None:
    """It would fit all the time; then the large one would never go."""
    runs = live(
        World({Budget(TENANT): 10}),
        Call(amounts={USD: 8}, holds_ms=50),
        Call(at_ms=1, amounts={USD: 9}, holds_ms=50),
        Call(at_ms=2, amounts={USD: 2}),
    )
    assert [run.ended_ms for run in runs] == [0, 50, 100]
    assert runs[2].tries_ms == [50, 100], "when it was first in line, and when it had room"


def test_another_agent_does_not_stand_in_the_line_of_one() -> None:
    runs = live(
        World({Budget(TENANT): 10, Budget(A): 1}),
        Call(agent="a", holds_ms=50),
        Call(at_ms=1, agent="a"),
        Call(at_ms=2, agent="b"),
        Call(at_ms=3),
    )
    assert [run.ended_ms for run in runs] == [0, 50, 2, 3]


def test_a_call_that_is_free_in_dollars_stands_in_no_line_for_dollars() -> None:
    """Field-report 53: what costs nothing works when the budget does not."""
    both = {USD: 1, TOKENS: 1}
    runs = live(
        World({Budget(TENANT): 1, Budget(TENANT, TOKENS): 10}),
        Call(amounts=both, holds_ms=50),
        Call(at_ms=1, amounts=both),
        Call(at_ms=2, amounts=both, free=frozenset({USD})),
    )
    assert [run.ended_ms for run in runs] == [0, 50, 2]


def test_a_call_that_another_budget_stops_stands_there_by_its_arrival() -> None:
    """It waited for its agent's budget. That has room now, and the tenant's no longer."""
    runs = live(
        World({Budget(TENANT): 20, Budget(A): 5}, retry_after_ms=5_000),
        Call(agent="a", holds_ms=20),
        Call(at_ms=1, agent="b", amounts={USD: 14}, holds_ms=100),
        Call(at_ms=2, agent="a", amounts={USD: 5}),
        Call(at_ms=3, agent="b", amounts={USD: 4}, holds_ms=500),
        Call(at_ms=4, agent="b", amounts={USD: 10}),
        Call(at_ms=5, agent="b"),
    )
    assert runs[2].tries_ms == [2, 20, 101]
    assert runs[4].tries_ms == [4, 101], "at 20 one who came earlier was in the way"
    assert runs[5].tries_ms == [101], "behind both"


def test_the_line_is_no_longer_than_it_may_be() -> None:
    runs = live(
        World({Budget(TENANT): 1}, Patience(max_wait_ms=10_000, max_length=1)),
        Call(holds_ms=50),
        Call(at_ms=1),
        Call(at_ms=2),
        Call(at_ms=60),
    )
    assert (runs[2].ended_ms, reason(runs[2])) == (2, Reason.BUDGET_BUSY)
    assert runs[2].tries_ms == []
    assert runs[2].waited_ns == []
    assert granted(runs) == [0, 1, 3]


def test_the_line_is_for_all_budgets_together() -> None:
    runs = live(
        World({Budget(A): 1, Budget(B): 1}, Patience(max_wait_ms=10_000, max_length=1)),
        Call(agent="a", holds_ms=50),
        Call(agent="b", holds_ms=50),
        Call(at_ms=1, agent="a"),
        Call(at_ms=2, agent="b"),
    )
    assert (runs[3].ended_ms, reason(runs[3])) == (2, Reason.BUDGET_BUSY)
    assert runs[3].tries_ms == [2], "nobody stood before it, so it was asked for"


def test_who_has_waited_long_enough_is_told_when_to_come_back() -> None:
    runs = live(
        World({Budget(TENANT): 5}, Patience(max_wait_ms=30, max_length=9)),
        Call(amounts={USD: 4}, holds_ms=500),
        Call(at_ms=1, amounts={USD: 3}),
        Call(at_ms=2, amounts={USD: 2}),
    )
    for run in runs[1:]:
        assert run.ended_ms == run.arrived_ms + 30
        assert run.waited_ns == [30_000_000]
        assert reason(run) is Reason.BUDGET_BUSY
        assert isinstance(run.answer, BudgetRefused)
        assert run.answer.retry_after_ms == RETRY_AFTER_MS
        assert run.answer.shortage.required == run.call.amounts[USD]
        assert run.answer.shortage.remaining == 1
    assert runs[2].tries_ms == [31], "when the one before it had left"


def test_who_will_never_fit_is_told_so_at_once_and_the_next_one_goes() -> None:
    """The call in flight cost all that it held."""
    runs = live(
        World({Budget(TENANT): 5}),
        Call(amounts={USD: 3}, holds_ms=40, charged_pct=100),
        Call(at_ms=1, amounts={USD: 3}),
        Call(at_ms=2, amounts={USD: 2}),
    )
    assert (runs[1].ended_ms, reason(runs[1])) == (40, Reason.BUDGET_EXCEEDED)
    assert runs[2].ended_ms == 40


def test_who_leaves_makes_way() -> None:
    runs = live(
        World({Budget(TENANT): 5}),
        Call(amounts={USD: 4}, holds_ms=500),
        Call(at_ms=1, amounts={USD: 3}, leaves_ms=20),
        Call(at_ms=2, amounts={USD: 2}, is_cancelled_ms=30),
        Call(at_ms=3, amounts={USD: 1}),
    )
    assert isinstance(runs[1].answer, ClientGone)
    assert isinstance(runs[2].answer, asyncio.CancelledError)
    assert [run.ended_ms for run in runs] == [0, 21, 32, 32]


def test_who_has_left_already_does_not_wait() -> None:
    runs = live(
        World({Budget(TENANT): 1}),
        Call(holds_ms=500),
        Call(at_ms=1, hears_ms=5, leaves_ms=2),
    )
    assert isinstance(runs[1].answer, ClientGone)
    assert runs[1].ended_ms == 6


def test_each_hold_that_ends_is_worth_one_try() -> None:
    runs = live(
        World({Budget(TENANT): 5}, retry_after_ms=5_000),
        *[Call(holds_ms=20 * n) for n in range(1, 6)],
        Call(at_ms=1, amounts={USD: 5}),
    )
    assert runs[5].tries_ms == [1, 20, 40, 60, 80, 100]


def test_room_that_is_made_while_the_answer_is_on_its_way_is_not_missed() -> None:
    runs = live(
        World({Budget(TENANT): 1}, retry_after_ms=5_000),
        Call(holds_ms=10),
        Call(at_ms=8, hears_ms=5),
    )
    assert runs[1].tries_ms == [8, 13]


@pytest.mark.parametrize(
    ("retry_after_ms", "pause_ms"), [(400, 400), (1, SHORTEST_PAUSE_MS)], ids=["as told", "at most"]
)
def test_room_that_others_make_is_found_in_time(retry_after_ms: int, pause_ms: int) -> None:
    """Another process settles: nobody here hears of it."""
    runs = live(
        World({Budget(TENANT): 1}, retry_after_ms=retry_after_ms),
        Call(holds_ms=2 * pause_ms + 50, is_elsewhere=True),
        Call(),
        Call(),
    )
    assert runs[1].tries_ms == [0, pause_ms, 2 * pause_ms, 3 * pause_ms]
    assert runs[2].tries_ms[-2:] == [3 * pause_ms, 3 * pause_ms + 10], "then it is first"
