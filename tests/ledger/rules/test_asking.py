"""What makes no sense is a mistake of whoever asks, before anything is looked up."""

import pytest

from proxy.domain.errors import AmountOutOfRange
from proxy.domain.money import INT64_MAX
from proxy.domain.period import Period
from proxy.domain.scope import ScopePattern
from proxy.domain.subject import LEVELS
from proxy.ledger.records import (
    BudgetLine,
    BudgetName,
    ReservationQuery,
    ReserveRequest,
    Rung,
    Span,
)
from proxy.ledger.rules import check_extension, check_query, check_request, lines_by_name
from tests.ledger.builders import BOT, DEV, POINTS, TOKENS, USD, ask, in_full, line, rung
from tests.ledger.harness import DAY_MS


def test_a_request_that_makes_sense_names_its_units() -> None:
    plan = [in_full({USD: 5, TOKENS: 0}), {TOKENS: Span(1, INT64_MAX), USD: Span(0, 0)}]
    assert check_request(ask(plan=plan)) == (USD, TOKENS)
    assert check_request(ask({USD: 0, TOKENS: 7}, free=[USD])) == (USD, TOKENS)
    assert check_request(ask(1, ttl_ms=DAY_MS, grace_ms=DAY_MS)) == (USD,)


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        (ask(plan=[]), "rung"),
        (ask(plan=[{}]), "unit"),
        (ask(plan=[rung(1, 1), rung(1, 1, TOKENS)]), "same units"),
        (ask(plan=[rung(1, 1), in_full({USD: 1, TOKENS: 1})]), "same units"),
        (ask(plan=[rung(6, 5)]), "minimum"),
        (ask(1, free=[USD]), "free"),
        (ask(plan=[rung(0, 1)], free=[USD]), "free"),
        (ask(0, free=[POINTS]), "free"),
        (ask(1, max_share_pct=0), "max_share_pct"),
        (ask(1, max_share_pct=101), "max_share_pct"),
        (ask(1, ttl_ms=0), "lease"),
        (ask(1, ttl_ms=DAY_MS + 1), "lease"),
        (ask(1, grace_ms=-1), "lease"),
        (ask(1, grace_ms=DAY_MS + 1), "lease"),
    ],
)
def test_a_request_that_makes_no_sense_is_a_mistake(request_: ReserveRequest, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        check_request(request_)


@pytest.mark.parametrize("plan", [[rung(-1, 5)], [rung(0, INT64_MAX + 1)]])
def test_an_estimate_is_an_amount(plan: list[Rung]) -> None:
    with pytest.raises(AmountOutOfRange):
        check_request(ask(plan=plan))


@pytest.mark.parametrize("by_ms", [1, DAY_MS])
def test_an_extension_is_a_millisecond_to_a_day(by_ms: int) -> None:
    check_extension(by_ms)


@pytest.mark.parametrize("by_ms", [0, -1, DAY_MS + 1])
def test_no_extension_is_nothing_or_longer_than_a_day(by_ms: int) -> None:
    with pytest.raises(ValueError, match="extension"):
        check_extension(by_ms)


def test_each_line_stands_by_the_budget_it_is_for() -> None:
    lines = [
        line(DEV, 1),
        line(DEV, 2, unit=TOKENS),
        line(DEV, 3, period=Period.DAY),
        line("tenant:dev/agent:*", 4),
    ]
    assert list(lines_by_name(lines).items()) == [
        (BudgetName(DEV, USD, Period.LIFETIME), lines[0]),
        (BudgetName(DEV, TOKENS, Period.LIFETIME), lines[1]),
        (BudgetName(DEV, USD, Period.DAY), lines[2]),
        (("tenant:dev/agent:*", USD, Period.LIFETIME), lines[3]),
    ]


def test_two_lines_for_one_budget_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="twice"):
        lines_by_name([line(BOT, 1), line(BOT, 2)])


def test_a_budget_of_a_whole_subtree_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="policies"):
        lines_by_name([BudgetLine(ScopePattern("tenant:dev/*"), USD, Period.LIFETIME, 1)])


@pytest.mark.parametrize(
    "wrong",
    [
        line(DEV, -1),
        line(DEV, 2**63),
        line(DEV, 1, overdraft_limit=-1),
        line(DEV, 1, rollover_max=2**63),
    ],
)
def test_a_declared_amount_is_an_amount(wrong: BudgetLine) -> None:
    with pytest.raises(AmountOutOfRange):
        lines_by_name([wrong])


@pytest.mark.parametrize("level", ["run", "", "Agent", "agent'", "dimensions"])
def test_rows_are_found_by_the_levels_of_the_protocol_only(level: str) -> None:
    with pytest.raises(ValueError, match="found by the levels tenant, workspace"):
        check_query(ReservationQuery(tenant="dev", limit=1, levels={"agent": "bot", level: "x"}))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_page_has_a_row(limit: int) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        check_query(ReservationQuery(tenant="dev", limit=limit))


def test_every_level_can_be_asked_for() -> None:
    levels = dict.fromkeys(LEVELS, "x")
    assert check_query(ReservationQuery(tenant="dev", limit=1, levels=levels)) is None  # type: ignore[func-returns-value]
