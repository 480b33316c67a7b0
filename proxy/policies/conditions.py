"""Whether a policy holds now, by the state of the budgets it looks at and by time.

What a condition does not name, it does not ask. Of the budgets that count, each question is
asked of the worst: the most used, the most held, the one with the least left, the one that is
empty first. Where no budget counts, nothing is used, nothing is held and there is no end.
Rules: docs/semantics.md, "Policy, plan, caps".
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from proxy.domain.money import INT64_MAX
from proxy.domain.period import Step
from proxy.domain.policy import Bounds, Condition, Hours
from proxy.ledger.records import Balance

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Unmet(StrEnum):
    """What keeps a policy from holding: a name of the configuration."""

    USED_PCT = "used_pct"
    RESERVED_PCT = "reserved_pct"
    REMAINING = "remaining"
    BURN_RATE = "burn_rate"
    WINDOW_ELAPSED_PCT = "window_elapsed_pct"
    HOURS = "hours"


def unmet(when: Condition, balances: Sequence[Balance], at_ms: int) -> Unmet | None:
    """The first part of a condition that does not hold; None where it holds.

    `balances` are those that the policy looks at, `at_ms` is wall time.
    """
    if when.hours is not None and not is_within(when.hours, at_ms):
        return Unmet.HOURS
    if when.window_elapsed_pct is not None:
        balances = _by_elapsed(when.window_elapsed_pct, balances, at_ms)
        if not balances:
            return Unmet.WINDOW_ELAPSED_PCT
    checks: tuple[tuple[Unmet, Callable[[], bool]], ...] = (
        (Unmet.USED_PCT, lambda: _holds(when.used_pct, used_pct(balances))),
        (Unmet.RESERVED_PCT, lambda: _holds(when.reserved_pct, reserved_pct(balances))),
        (Unmet.REMAINING, lambda: _leaves(when, balances)),
        (Unmet.BURN_RATE, lambda: _burns(when, balances, at_ms)),
    )
    return next((name for name, holds in checks if not holds()), None)


def used_pct(balances: Sequence[Balance]) -> int:
    """How much is used up, of the most used one."""
    return max((balance.used_pct for balance in balances), default=0)


def reserved_pct(balances: Sequence[Balance]) -> int:
    """How much calls in flight hold, of the one that they hold most of; rounded down."""
    return max((_share(b.reserved, b.allocated) for b in balances), default=0)


def time_left_ms(balance: Balance, at_ms: int) -> int | None:
    """How long the budget lasts at the rate of its window so far; None without an end.

    The rate is what was used since the window began, of a rolling one within its length. A
    lifetime began with no known moment, so it has no rate.
    """
    used = balance.spent + balance.debt
    elapsed_ms = _elapsed_ms(balance, at_ms)
    if elapsed_ms is None or used <= 0:
        return None
    return max(balance.remaining, 0) * elapsed_ms // used


def is_within(hours: Hours, at_ms: int) -> bool:
    """Whether it is that time of the day there."""
    there = (_EPOCH + timedelta(milliseconds=at_ms)).astimezone(ZoneInfo(hours.timezone))
    minute = there.hour * 60 + there.minute
    if hours.from_minute <= hours.to_minute:
        return hours.from_minute <= minute < hours.to_minute
    return minute >= hours.from_minute or minute < hours.to_minute


def _holds(bounds: Bounds | None, amount: int) -> bool:
    return bounds is None or bounds.hold(amount)


def _leaves(when: Condition, balances: Sequence[Balance]) -> bool:
    if when.remaining is None:
        return True
    left = [balance.remaining for balance in balances if balance.unit is when.remaining.unit]
    return when.remaining.bounds.hold(min(left)) if left else when.remaining.bounds.are_open


def _burns(when: Condition, balances: Sequence[Balance], at_ms: int) -> bool:
    """Whether some budget is empty within that time.

    The rate counts over no less than that time: the first call of a window, which would use
    it up in a minute if others followed at once, says nothing yet.
    """
    within_ms = when.exhausted_within_ms
    if within_ms is None:
        return True
    return any(_is_empty_within(within_ms, balance, at_ms) for balance in balances)


def _is_empty_within(within_ms: int, balance: Balance, at_ms: int) -> bool:
    used = balance.spent + balance.debt
    elapsed_ms = _elapsed_ms(balance, at_ms)
    if elapsed_ms is None or used <= 0:
        return False
    return max(balance.remaining, 0) * max(elapsed_ms, within_ms) <= within_ms * used


def _by_elapsed(bounds: Bounds, balances: Sequence[Balance], at_ms: int) -> Sequence[Balance]:
    """Those whose window has gone that far. A window without an end goes nowhere."""
    return [
        balance
        for balance in balances
        if balance.window_end_ms is not None
        and bounds.hold(
            _share(
                min(max(at_ms, balance.window_start_ms), balance.window_end_ms)
                - balance.window_start_ms,
                balance.window_end_ms - balance.window_start_ms,
            )
        )
    ]


def _elapsed_ms(balance: Balance, at_ms: int) -> int | None:
    """Over what time the budget was used; at least a millisecond. None where nobody knows."""
    if balance.period.rolling_ms:
        return balance.period.rolling_ms
    if balance.period.step is Step.LIFETIME:
        return None
    return max(at_ms - balance.window_start_ms, 1)


def _share(part: int, whole: int) -> int:
    """In percent, rounded down; of nothing, anything is all."""
    if whole <= 0:
        return 100 if part > 0 else 0
    return min(100 * part // whole, INT64_MAX)
