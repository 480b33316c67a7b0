"""Budgets as people have them: units, windows, runs, and what of it does not fit together."""

import pytest

from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period, Step
from tests.config.writing import problems, read


def budget(rest: str, scope: str = "tenant:a") -> str:
    return f"budgets: [{{scope: '{scope}', {rest}}}]"


@pytest.mark.parametrize("unit", ["TOKENS", "CREDITS", "RISK_POINTS"])
@pytest.mark.parametrize(
    ("text", "amount"),
    [("0", 0), ("7", 7), ("20_000_000", 20_000_000), (str(INT64_MAX), INT64_MAX)],
)
def test_what_is_no_money_is_a_whole_number(unit: str, text: str, amount: int) -> None:
    (line,) = read(budget(f"unit: {unit}, allocated: {text}, overdraft_limit: {text}")).budgets

    assert (line.allocated, line.overdraft_limit) == (amount, amount)


def test_the_unit_may_stand_after_the_amount() -> None:
    assert read(budget("allocated: 5, unit: TOKENS")).budgets[0].allocated == 5


def test_a_count_may_come_from_the_environment() -> None:
    text = budget("unit: TOKENS, allocated: '${N}'")

    assert read(text, {"N": "20000000"}).budgets[0].allocated == 20_000_000


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("$5.00", "not a whole number, which an amount of TOKENS is"),
        ("1.5", "not a whole number, which an amount of TOKENS is"),
        ("five", "not a whole number, which an amount of TOKENS is"),
        ("'٣'", "not a whole number, which an amount of TOKENS is"),
        ("~", "not a whole number, which an amount of TOKENS is"),
        ("true", "true and false are not accepted here (text needs quotes)"),
        ("-1", "negative"),
        (str(INT64_MAX + 1), "beyond the largest amount, 9,223,372,036,854,775,807"),
    ],
)
def test_what_is_no_count_is_refused(text: str, problem: str) -> None:
    assert problems(budget(f"unit: TOKENS, allocated: {text}")) == [
        ("budgets[0].allocated", problem)
    ]


def test_an_unknown_unit_is_one_finding() -> None:
    assert problems(budget("unit: EUR, allocated: 5")) == [
        ("budgets[0].unit", "not one of the accepted values")
    ]


@pytest.mark.parametrize("key", ["allocated", "overdraft_limit", "rollover"])
def test_every_amount_of_money_needs_its_sign(key: str) -> None:
    amounts = {"allocated": "$1", key: "5"}
    line = ", ".join(f"{name}: {value}" for name, value in amounts.items())

    assert problems(budget(f"{line}, period: day")) == [
        (f"budgets[0].{key}", 'a bare number below one cent: write "$5.00"')
    ]


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("period: none", Period.LIFETIME),
        ("timezone: UTC", Period.LIFETIME),
        ("period: hour", Period.HOUR),
        ("period: day, timezone: UTC", Period.DAY),
        ("period: week, timezone: Asia/Kathmandu", Period(Step.WEEK, "Asia/Kathmandu")),
        ("period: month, timezone: Europe/Berlin", Period(Step.MONTH, "Europe/Berlin")),
        ("period: year", Period.YEAR),
        ("rolling: 1m", Period(Step.ROLLING, rolling_ms=60_000)),
        ("rolling: 24h", Period(Step.ROLLING, rolling_ms=86_400_000)),
        ("rolling: 366d", Period(Step.ROLLING, rolling_ms=366 * 86_400_000)),
    ],
)
def test_a_window_is_of_the_calendar_or_rolling(text: str, window: Period) -> None:
    assert read(budget(f"allocated: $1, {text}")).budgets[0].window == window


@pytest.mark.parametrize(
    ("rest", "path", "problem"),
    [
        ("timezone: Mars/Phobos, period: day", "timezone", "unknown"),
        (
            "timezone: europe/berlin, period: day",
            "timezone",
            'unknown; did you mean "Europe/Berlin"?',
        ),
        ("timezone: Europe, period: day", "timezone", 'unknown; did you mean "Europe/Rome"?'),
        ("timezone: localtime, period: day", "timezone", "unknown"),
        ("timezone: ../../etc/passwd, period: day", "timezone", "unknown"),
        ("timezone: 1, period: day", "timezone", "not text: put it in quotes"),
        ("period: fortnight", "period", "not one of the accepted values"),
        ("rolling: 24", "rolling", "not a duration"),
        ("rolling: 24 h", "rolling", "not a duration"),
        ("rolling: 1.5h", "rolling", "not a duration"),
        ("rolling: -1h", "rolling", "not a duration"),
        ("rolling: 0h", "rolling", "out of range"),
        ("rolling: 367d", "rolling", "out of range"),
        ("per: agent", "per", "not one of the accepted values"),
        (
            "rolling: 24h, period: day",
            "rolling",
            "beside period: a window is the one or the other",
        ),
        (
            "rolling: 24h, period: none",
            "rolling",
            "beside period: a window is the one or the other",
        ),
        (
            "rolling: 24h, timezone: Europe/Berlin",
            "timezone",
            "without effect: no calendar ends a window of this budget",
        ),
        (
            "timezone: Europe/Berlin",
            "timezone",
            "without effect: no calendar ends a window of this budget",
        ),
        (
            "rollover: $1",
            "rollover",
            "without effect: no calendar ends a window of this budget",
        ),
        ("idle_ttl: 24h", "idle_ttl", "only budgets that a template makes can go"),
        ("idle_ttl: soon, per: run", "idle_ttl", "not a duration"),
    ],
)
def test_what_does_not_fit_together_is_refused(rest: str, path: str, problem: str) -> None:
    """A key that would be ignored is an error."""
    found = problems(budget(f"allocated: $1, {rest}"))

    assert found == [(f"budgets[0].{path}", problem)]


@pytest.mark.parametrize("scope", ["tenant:a/agent:*", "tenant:*/agent:bot", "tenant:a/**/agent:b"])
def test_what_a_template_makes_may_go(scope: str) -> None:
    (line,) = read(budget("allocated: $1, idle_ttl: 24h", scope)).budgets

    assert line.idle_ttl == 86_400_000


def test_windows_of_one_scope_may_stand_side_by_side() -> None:
    config = read("""
budgets:
  - {scope: "tenant:dev", allocated: $100, period: month}
  - {scope: "tenant:dev", allocated: $10, period: day}
  - {scope: "tenant:dev", allocated: $10, period: day, timezone: Europe/Berlin}
  - {scope: "tenant:dev", allocated: $10, rolling: 24h}
  - {scope: "tenant:dev", allocated: $10, rolling: 7d}
  - {scope: "tenant:dev", allocated: $1000}
  - {scope: "tenant:dev", allocated: 1000, unit: TOKENS}
  - {scope: "tenant:dev", allocated: $1, per: run}
""")

    assert len({str(line.window) for line in config.budgets}) == 6


@pytest.mark.parametrize(
    ("one", "other"),
    [("rolling: 24h", "rolling: 1d"), ("period: none", "timezone: UTC"), ("per: run", "per: run")],
)
def test_the_same_window_twice_is_refused(one: str, other: str) -> None:
    text = f"""
budgets:
  - {{scope: "tenant:dev", allocated: $1, {one}}}
  - {{scope: "tenant:dev", allocated: $1, {other}}}
"""
    assert problems(text) == [
        ("budgets[1]", "the same scope, unit and window as entry [0] of this list")
    ]
