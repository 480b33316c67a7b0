"""What was held against what calls came to."""

from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.report.card import RATIO_PERMILLE_MAX, Grades, Kind, grade
from proxy.domain.money import Unit
from proxy.domain.reservation import OnExpiry, State
from proxy.domain.scope import Scope
from proxy.domain.subject import Subject
from proxy.ledger.records import Reservation

USD = Unit.USD_MICROCENTS
ROW = Reservation(
    reservation_id="rsv_1",
    key="1",
    tenant="dev",
    state=State.COMMITTED,
    subject=Subject(tenant="dev"),
    scope_path=Scope("tenant:dev"),
    affected_scopes=(Scope("tenant:dev"),),
    action_kind="llm.completion",
    action_name="gpt-4o",
    amounts={USD: 1_000},
    charged={USD: 250},
    uncovered={},
    estimated=False,
    dispatched=True,
    on_expiry=OnExpiry.UNCERTAIN,
    created_at_ms=1,
    expires_at_ms=2,
    finalized_at_ms=2,
    trace_id="ab",
    price_version="a list of prices",
    metadata={"api": "chat", "model": "gpt-4o", "bound": "exact"},
    settled_metadata={},
)
KIND = Kind("gpt-4o", "chat", "exact", "worst_case")


def row(**changes: object) -> Reservation:
    return msgspec.structs.replace(ROW, **changes)


def graded(*rows: Reservation) -> dict[Kind, Grades]:
    card: dict[Kind, Grades] = {}
    grade(rows, card)
    return card


def test_a_call_within_its_hold_kept_the_bound() -> None:
    grades = graded(ROW)[KIND]

    assert (grades.calls, grades.broken, grades.held, grades.actual) == (1, 0, 1_000, 250)
    assert grades.ratio_permille(50) == grades.ratio_permille(100) == 250
    assert grades.covered_permille == 1_000
    assert grades.held_per_actual_permille == 4_000


def test_a_call_that_came_to_exactly_its_hold_kept_the_bound() -> None:
    grades = graded(row(charged={USD: 1_000}))[KIND]

    assert (grades.broken, grades.ratio_permille(100)) == (0, 1_000)


def test_one_microcent_more_breaks_it() -> None:
    grades = graded(row(charged={USD: 1_001}), *[ROW] * 999)[KIND]

    assert (grades.broken, grades.covered_permille) == (1, 999)
    assert grades.ratio_permille(99) == 250
    assert grades.ratio_permille(100) == 1_001, "what breaks a bound is not rounded away"


def test_calls_of_tools_say_nothing_of_the_bound() -> None:
    """More were made than were held for, and the model cost what it might."""
    tools = row(
        charged={USD: 1_700},
        metadata={**ROW.metadata, "fees": "100"},
        settled_metadata={"fees": "800"},
    )
    grades = graded(tools)[KIND]

    assert (grades.held, grades.actual, grades.broken) == (900, 900, 0)
    assert graded(row(metadata={**ROW.metadata, "fees": "x"}))[KIND].held == 1_000


def test_what_no_budget_could_fund_counts() -> None:
    grades = graded(row(charged={USD: 900}, uncovered={USD: 200}))[KIND]

    assert (grades.broken, grades.actual) == (1, 1_100)


def test_a_free_answer_counts_and_divides_by_nothing() -> None:
    grades = graded(row(charged={USD: 0}))[KIND]

    assert (grades.calls, grades.held_per_actual_permille) == (1, None)


def test_a_count_of_our_own_says_nothing_of_the_bound() -> None:
    grades = graded(row(estimated=True, charged={USD: 5_000}))[KIND]

    assert (grades.calls, grades.estimated, grades.broken) == (0, 1, 0)
    assert grades.ratio_permille(50) == 0
    assert grades.covered_permille == 1_000


@pytest.mark.parametrize(
    "other",
    [
        row(state=State.RELEASED, charged=None),
        row(state=State.UNCERTAIN, charged=None),
        row(state=State.ACTIVE, charged=None),
        row(is_event=True),
        row(metadata={}),
        row(metadata={"model": "gpt-4o"}),
    ],
    ids=["released", "uncertain", "active", "event", "of a client", "of something else"],
)
def test_what_is_no_charged_call_of_the_proxy_is_left_out(other: Reservation) -> None:
    assert graded(other) == {}


def test_what_was_held_for_nothing_has_no_ratio() -> None:
    grades = graded(row(amounts={USD: 0}, charged={USD: 0}), row(amounts={}))[KIND]

    assert grades.calls == 0


def test_kinds_are_kept_apart() -> None:
    learned = {**ROW.metadata, "hold": "learned"}
    older = {"api": "chat", "model": "gpt-4o"}

    card = graded(ROW, row(metadata=learned), row(metadata=older), row(metadata=older))

    assert {kind: grades.calls for kind, grades in card.items()} == {
        KIND: 1,
        KIND._replace(hold="learned"): 1,
        KIND._replace(bound="unknown"): 2,
    }


def test_calls_are_counted_for_who_waits() -> None:
    assert grade([ROW, row(estimated=True), row(state=State.RELEASED)], {}) == 2


def test_a_ratio_beyond_measure_is_kept_small() -> None:
    assert graded(row(charged={USD: 10**15}))[KIND].ratio_permille(100) == RATIO_PERMILLE_MAX


@given(
    st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**12)), min_size=1, max_size=50),
    st.integers(1, 100),
)
def test_quantiles_are_those_of_the_sorted_ratios(calls: list[tuple[int, int]], pct: int) -> None:
    grades = Grades()
    for held, actual in calls:
        grades.add(held=held, actual=actual)

    place = -(-pct * len(calls) // 100) - 1
    exact = sorted(Fraction(actual, held) for held, actual in calls)[place]
    expected = min(-(-exact.numerator * 1_000 // exact.denominator), RATIO_PERMILLE_MAX)
    assert grades.ratio_permille(pct) == expected
    assert grades.broken == sum(actual > held for held, actual in calls)
    assert sum(grades.permille.values()) == len(calls)
