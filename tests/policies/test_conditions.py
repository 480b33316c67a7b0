"""When a policy holds: by the worst of the budgets that count, and by the clock."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.domain.money import Unit
from proxy.domain.period import Period, Step, window_at
from proxy.domain.policy import ALWAYS, Bounds, Condition, Hours, Remainder
from proxy.domain.scope import Scope
from proxy.ledger.records import Balance, BudgetStatus
from proxy.policies.conditions import is_within, time_left_ms, unmet

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
NOON_MS = int(datetime(2026, 11, 16, 12, tzinfo=UTC).timestamp()) * 1000
ROLLING = Period(Step.ROLLING, rolling_ms=10 * HOUR_MS)
USD = Unit.USD_MICROCENTS


def balance(
    spent: int = 0,
    *,
    reserved: int = 0,
    period: Period = Period.DAY,
    unit: Unit = USD,
    allocated: int = 1_000,
    debt: int = 0,
) -> Balance:
    """A budget of 1,000 in the window that noon is in."""
    window = window_at(period, NOON_MS)
    return Balance(
        scope=Scope("tenant:dev"),
        unit=unit,
        period=period,
        window_start_ms=window.start_ms,
        window_end_ms=window.end_ms,
        allocated=allocated,
        reserved=reserved,
        spent=spent,
        debt=debt,
        uncertain=0,
        uncovered=0,
        overdraft_limit=0,
        is_over_limit=False,
        status=BudgetStatus.ACTIVE,
    )


def holds(when: Condition, *balances: Balance, at_ms: int = NOON_MS) -> bool:
    return unmet(when, balances, at_ms) is None


@pytest.mark.parametrize(
    ("bounds", "within"),
    [
        (Bounds(gte=80), {80, 81, 99}),
        (Bounds(gt=80), {81, 99}),
        (Bounds(lt=80), {0, 79}),
        (Bounds(lte=80), {0, 79, 80}),
        (Bounds(gte=80, lt=99), {80, 81}),
        (Bounds(gt=79, lte=80), {80}),
    ],
)
def test_a_bound_is_what_its_name_says(bounds: Bounds, within: set[int]) -> None:
    when = Condition(used_pct=bounds)
    met = {used for used in (0, 79, 80, 81, 99) if holds(when, balance(spent=used * 10))}

    assert met == within


def test_a_condition_without_parts_always_holds() -> None:
    assert holds(ALWAYS)
    assert holds(ALWAYS, balance(5_000))


def test_of_several_budgets_the_worst_is_asked() -> None:
    low, high = balance(100, reserved=800), balance(700, reserved=10, period=Period.MONTH)

    assert holds(Condition(used_pct=Bounds(gte=70)), low, high)
    assert not holds(Condition(used_pct=Bounds(lt=70)), low, high)
    assert holds(Condition(reserved_pct=Bounds(gte=80)), low, high)
    assert holds(Condition(remaining=Remainder(USD, Bounds(lte=100))), high, low)
    assert not holds(Condition(remaining=Remainder(USD, Bounds(gt=100))), high, low)


def test_what_calls_in_flight_hold_is_a_condition_of_its_own() -> None:
    when = Condition(reserved_pct=Bounds(gte=50))

    assert holds(when, balance(0, reserved=500))
    assert not holds(when, balance(900, reserved=499))
    assert holds(when, balance(reserved=1, allocated=0))


def test_what_remains_is_asked_in_one_unit() -> None:
    when = Condition(remaining=Remainder(Unit.TOKENS, Bounds(lt=500)))

    assert not holds(when, balance(999))
    assert holds(when, balance(999), balance(501, unit=Unit.TOKENS))


def test_a_scope_without_a_budget_has_no_end() -> None:
    assert not holds(Condition(remaining=Remainder(USD, Bounds(lt=500))))
    assert holds(Condition(remaining=Remainder(USD, Bounds(gte=500))))
    assert not holds(Condition(exhausted_within_ms=DAY_MS))
    assert holds(Condition(used_pct=Bounds(lt=1)))
    assert not holds(Condition(reserved_pct=Bounds(gte=1)))


@pytest.mark.parametrize(
    ("spent", "within_ms", "is_met"),
    [
        # 12 hours have passed: at 500 in 12 hours, the other 500 last 12 more.
        (500, 12 * HOUR_MS, True),
        (500, 12 * HOUR_MS - 1, False),
        (800, 3 * HOUR_MS, True),
        (800, 3 * HOUR_MS - 1, False),
        (0, DAY_MS, False),
        (1_000, 1, True),
    ],
)
def test_a_budget_is_empty_when_its_rate_so_far_has_emptied_it(
    spent: int, within_ms: int, is_met: bool
) -> None:
    assert holds(Condition(exhausted_within_ms=within_ms), balance(spent)) is is_met


def test_the_first_calls_of_a_window_say_nothing_yet() -> None:
    """A tenth is gone in a minute; the rate counts over no less than the two hours asked for."""
    when = Condition(exhausted_within_ms=2 * HOUR_MS)
    minute_past = window_at(Period.DAY, NOON_MS).start_ms + 60_000

    assert not holds(when, balance(100), at_ms=minute_past)
    assert not holds(when, balance(499), at_ms=minute_past)
    assert holds(when, balance(500), at_ms=minute_past)


def test_a_rolling_window_is_used_over_its_own_length() -> None:
    within_5h = Condition(exhausted_within_ms=5 * HOUR_MS)
    within_10h = Condition(exhausted_within_ms=10 * HOUR_MS)

    assert not holds(within_5h, balance(500, period=ROLLING))
    assert holds(within_10h, balance(500, period=ROLLING))


def test_a_budget_for_ever_has_no_rate() -> None:
    for_ever = balance(999, period=Period.LIFETIME)

    assert time_left_ms(for_ever, NOON_MS) is None
    assert not holds(Condition(exhausted_within_ms=DAY_MS), for_ever)


def test_debt_was_used_and_what_is_held_does_not_remain() -> None:
    assert time_left_ms(balance(250, debt=250, reserved=250), NOON_MS) == 6 * HOUR_MS


@given(
    spent=st.integers(1, 999), elapsed_ms=st.integers(HOUR_MS, DAY_MS - 1), late=st.integers(-2, 2)
)
def test_a_condition_on_the_rate_agrees_with_the_time_that_is_left(
    spent: int, elapsed_ms: int, late: int
) -> None:
    """Once the window is older than what is asked for."""
    at_ms = window_at(Period.DAY, NOON_MS).start_ms + elapsed_ms
    left_ms = time_left_ms(balance(spent), at_ms)
    assert left_ms is not None
    within_ms = max(1, left_ms + late)
    if within_ms > elapsed_ms:
        return

    met = holds(Condition(exhausted_within_ms=within_ms), balance(spent), at_ms=at_ms)

    is_exact = (1_000 - spent) * elapsed_ms % spent == 0
    assert met is (within_ms > left_ms or (within_ms == left_ms and is_exact))


def test_the_part_of_a_window_says_which_budgets_count() -> None:
    """At noon a day is half over, and the month of the sixteenth a little more."""
    early = Condition(used_pct=Bounds(gte=80), window_elapsed_pct=Bounds(lte=50))

    assert holds(early, balance(800))
    assert not holds(early, balance(799))
    assert not holds(early, balance(100), balance(900, period=Period.MONTH))
    assert holds(early, balance(900), balance(100, period=Period.MONTH))


@pytest.mark.parametrize("period", [Period.LIFETIME, ROLLING])
def test_a_window_without_an_end_has_no_part_that_is_over(period: Period) -> None:
    assert not holds(Condition(window_elapsed_pct=Bounds(gte=0)), balance(period=period))


def test_a_clock_that_is_off_finds_a_window_at_its_ends() -> None:
    whole = Condition(window_elapsed_pct=Bounds(gte=100))

    assert holds(whole, balance(), at_ms=NOON_MS + 5 * DAY_MS)
    assert holds(Condition(window_elapsed_pct=Bounds(lte=0)), balance(), at_ms=0)
    assert time_left_ms(balance(500), 0) == 1


@pytest.mark.parametrize(
    ("hours", "is_met"),
    [
        (Hours(12 * 60, 13 * 60, "UTC"), True),
        (Hours(11 * 60, 12 * 60, "UTC"), False),
        (Hours(13 * 60, 14 * 60, "Europe/Berlin"), True),
        (Hours(22 * 60, 12 * 60 + 1, "UTC"), True),
        (Hours(22 * 60, 12 * 60, "UTC"), False),
    ],
)
def test_the_time_of_the_day_is_read_where_it_says(hours: Hours, is_met: bool) -> None:
    assert is_within(hours, NOON_MS) is is_met
    assert holds(Condition(hours=hours)) is is_met


def test_all_that_is_given_has_to_hold_and_what_does_not_is_named() -> None:
    when = Condition(
        used_pct=Bounds(gte=50),
        reserved_pct=Bounds(gte=10),
        remaining=Remainder(USD, Bounds(lt=300)),
        hours=Hours(12 * 60, 13 * 60, "UTC"),
    )
    met = balance(650, reserved=100)

    assert holds(when, met)
    assert unmet(when, [replace(met, spent=400, allocated=1_000)], NOON_MS) == "used_pct"
    assert unmet(when, [replace(met, reserved=0, spent=900)], NOON_MS) == "reserved_pct"
    assert unmet(when, [replace(met, spent=600)], NOON_MS) == "remaining"
    assert unmet(when, [met], NOON_MS + HOUR_MS) == "hours"
