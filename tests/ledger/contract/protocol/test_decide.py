"""What a reserve would do is told without doing it."""

import pytest
from msgspec.structs import replace

from proxy.domain.errors import (
    AmountOutOfRange,
    BudgetRefused,
    Reason,
    Refused,
    UnitMismatch,
)
from proxy.domain.period import Period, Step
from proxy.domain.reservation import Overage, State
from proxy.domain.scope import Scope
from proxy.domain.subject import Subject
from proxy.ledger.records import (
    Balance,
    BudgetStatus,
    Forecast,
    FundOperation,
    Grant,
    ReserveRequest,
)
from tests.ledger.builders import (
    BOT,
    DEV,
    TOKENS,
    USD,
    ask,
    commit,
    declare,
    event,
    fund,
    hold,
    in_full,
    line,
    run_of,
    rung,
    spend,
    usd,
)
from tests.ledger.harness import DAY_MS, HOUR_MS, MINUTE_MS, Harness, Home


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """A tenant with 1000 and an agent with 500."""
    await declare(harness.ledger, line(DEV, 1_000), line(BOT, 500))


async def everything(ledger: Home) -> object:
    """All that anybody can see of a ledger."""
    return (
        await ledger.all_balances(),
        await ledger.reservations(states=frozenset(State), limit=100),
        await ledger.journal("dev", after_seq=0, limit=1_000),
        await ledger.tenants(),
    )


def without(grant: Grant) -> Forecast:
    """The forecast that should have come before this grant."""
    return Forecast(
        grant.rung,
        grant.amounts,
        grant.affected_scopes,
        tuple(_without(balance, grant) for balance in grant.balances),
    )


def _without(balance: Balance, grant: Grant) -> Balance:
    return replace(balance, reserved=balance.reserved - grant.amounts[balance.unit])


async def test_what_is_foreseen_is_what_is_then_held(ledger: Home) -> None:
    await hold(ledger, 30)
    request = ask(100)
    forecast = await ledger.decide(request)
    assert (forecast.rung, forecast.amounts) == (0, usd(100))
    assert forecast.affected_scopes == (DEV, BOT)
    assert [(b.scope, b.reserved, b.remaining) for b in forecast.balances] == [
        (DEV, 30, 970),
        (BOT, 30, 470),
    ]
    assert forecast == without(await ledger.reserve(request))


async def test_every_level_is_affected_whether_it_has_a_budget_or_not(ledger: Home) -> None:
    """Spec, "SCOPE DERIVATION": affected_scopes are all that are derived, outermost first."""
    subject = Subject(tenant="dev", app="app", toolset="tools")
    scopes = (DEV, Scope("tenant:dev/app:app"), Scope("tenant:dev/app:app/toolset:tools"))
    request = ask(1, subject=subject)
    assert (await ledger.decide(request)).affected_scopes == scopes
    grant = await ledger.reserve(request)
    assert grant.affected_scopes == scopes
    row = await ledger.reservation(grant.reservation_id)
    assert (row.affected_scopes, row.scope_path) == (scopes, scopes[-1])


async def test_a_question_changes_nothing_at_all(harness: Harness) -> None:
    """Spec, /v1/decide: it reserves no budget."""
    ledger = harness.ledger
    await declare(ledger, line(DEV, 1_000), line("tenant:dev/agent:*/run:*", 100))
    before = await everything(ledger)
    for _ in range(3):
        await ledger.decide(ask(90, run="1"))
        with pytest.raises(BudgetRefused):
            await ledger.decide(ask(101, run="1"))
    assert await everything(ledger) == before


async def test_a_question_does_not_set_the_clock(harness: Harness) -> None:
    """A clock that was wrong for a moment leaves no trace when nothing was asked of it."""
    ledger = harness.ledger
    harness.advance_ms(DAY_MS)
    await ledger.decide(ask(10))
    harness.advance_ms(-DAY_MS)
    grant = await ledger.reserve(ask(10))
    row = await ledger.reservation(grant.reservation_id)
    (first, *_) = await ledger.journal("dev", after_seq=0, limit=1)
    assert row.created_at_ms == first.at_ms
    assert harness.leaps_ms == []


async def test_the_key_of_a_question_is_not_read(ledger: Home) -> None:
    request = ask(10, key="call 1")
    await ledger.reserve(request)
    await ledger.remember("dev", "asked 1", "body", "DENY", keep_ms=MINUTE_MS)
    other = ask(20, key="call 1", payload_hash="other")
    assert (await ledger.decide(other)).amounts == usd(20)
    assert (await ledger.decide(ask(20, key="asked 1", payload_hash="other"))).rung == 0
    foreseen = ask(30, key="call 2")
    await ledger.decide(foreseen)
    assert (await ledger.reserve(ask(40, key="call 2", payload_hash="o"))).amounts == usd(40)


async def test_the_rung_that_fits_is_foreseen(ledger: Home) -> None:
    plan = [rung(600, 600), rung(40, 700)]
    request = ask(plan=plan, max_share_pct=50)
    forecast = await ledger.decide(request)
    assert (forecast.rung, forecast.amounts) == (1, usd(250))
    assert forecast == without(await ledger.reserve(request))


async def test_a_refusal_is_foreseen_as_it_will_be(ledger: Home) -> None:
    await hold(ledger, 200)
    for amount, reason in ((301, Reason.BUDGET_BUSY), (501, Reason.BUDGET_EXCEEDED)):
        refusals = []
        for answer in (ledger.decide, ledger.reserve):
            with pytest.raises(BudgetRefused) as refusal:
                await answer(ask(amount))
            refusals.append(refusal.value)
        foreseen, found = refusals
        assert (foreseen.reason, foreseen.shortage) == (reason, found.shortage)
        assert str(foreseen) == str(found)
        assert foreseen.retry_after_ms == found.retry_after_ms
        assert (foreseen.retry_after_ms is not None) == (reason is Reason.BUDGET_BUSY)


@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_a_stopped_budget_is_foreseen(ledger: Home, status: BudgetStatus) -> None:
    await ledger.set_status(BOT, None, status, actor="ops")
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.decide(ask(1))
    assert refusal.value.reason.value == f"budget_{status.value.lower()}"


async def test_debt_is_foreseen(ledger: Home) -> None:
    """Spec, /v1/decide: debt and a limit that is passed are a DENY with their reason."""
    await declare(ledger, line(DEV, 1_000), line(BOT, 500, overdraft_limit=50))
    await ledger.apply(event(520, overage=Overage.ALLOW_WITH_OVERDRAFT))
    await declare(ledger, line(DEV, 1_000), line(BOT, 500))
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.decide(ask(0))
    assert refusal.value.reason in {Reason.DEBT_OUTSTANDING, Reason.OVERDRAFT_LIMIT_EXCEEDED}
    await fund(ledger, BOT, 20, FundOperation.REPAY_DEBT)
    await ledger.apply(event(1))
    with pytest.raises(BudgetRefused) as refusal:
        await ledger.decide(ask(0))
    assert refusal.value.reason is Reason.OVERDRAFT_LIMIT_EXCEEDED


async def test_who_has_no_budget_hears_so(ledger: Home) -> None:
    for subject in (Subject(tenant="stranger"), Subject()):
        with pytest.raises(Refused) as refusal:
            await ledger.decide(ask(1, subject=subject))
        assert refusal.value.reason is Reason.BUDGET_NOT_FOUND


async def test_a_wrong_unit_is_an_error_of_the_question(ledger: Home) -> None:
    """Spec, "ERROR SEMANTICS": unit mismatch, case (d)."""
    with pytest.raises(UnitMismatch):
        await ledger.decide(ask({TOKENS: 1}))


async def test_a_question_that_is_none_is_refused_like_a_reserve(ledger: Home) -> None:
    questions: list[tuple[ReserveRequest, type[Exception]]] = [
        (ask(plan=[]), ValueError),
        (ask(1, ttl_ms=DAY_MS + 1), ValueError),
        (ask(-1), AmountOutOfRange),
        (ask(2**63), AmountOutOfRange),
    ]
    for request, error in questions:
        with pytest.raises(error):
            await ledger.decide(request)


async def test_the_budgets_that_templates_would_make_are_foreseen(ledger: Home) -> None:
    await declare(ledger, line(DEV, 1_000), line("tenant:dev/agent:*/run:*", 100))
    request = ask(90, run="1")
    forecast = await ledger.decide(request)
    assert [(b.scope, b.remaining) for b in forecast.balances] == [
        (DEV, 1_000),
        (BOT, 500),
        (run_of(BOT, "1"), 100),
    ]
    assert forecast == without(await ledger.reserve(request))


async def test_the_limit_of_templates_is_foreseen(ledger: Home) -> None:
    await declare(ledger, line("tenant:dev/agent:*/run:*", 100), templates_max=1)
    for _ in range(3):
        await ledger.decide(ask(1, run="1"))
    await ledger.reserve(ask(1, run="2"))
    with pytest.raises(Refused) as refusal:
        await ledger.decide(ask(1, run="1"))
    assert refusal.value.reason is Reason.TEMPLATE_LIMIT
    assert (await ledger.decide(ask(1, run="2"))).rung == 0


async def test_a_window_that_has_not_begun_is_foreseen(harness: Harness) -> None:
    ledger = harness.ledger
    await declare(ledger, line(DEV, 100, period=Period.DAY, rollover_max=7))
    await spend(ledger, 95)
    with pytest.raises(BudgetRefused):
        await ledger.decide(ask(6))
    harness.advance_ms(DAY_MS)
    request = ask(105)
    forecast = await ledger.decide(request)
    assert [
        b.remaining for b in forecast.balances if b.scope == DEV and b.period == Period.DAY
    ] == [105]
    assert forecast == without(await ledger.reserve(request))


async def test_what_leaves_a_rolling_window_is_foreseen(harness: Harness) -> None:
    ledger = harness.ledger
    rolling = Period(Step.ROLLING, rolling_ms=HOUR_MS)
    await declare(ledger, line(DEV, 1_000), line(BOT, 100, period=rolling))
    await spend(ledger, 95)
    with pytest.raises(BudgetRefused):
        await ledger.decide(ask(90))
    harness.advance_ms(HOUR_MS + MINUTE_MS)
    request = ask(90)
    forecast = await ledger.decide(request)
    assert [b.spent for b in forecast.balances if b.period == rolling] == [0]
    assert forecast == without(await ledger.reserve(request))


async def test_a_free_unit_is_in_no_forecast(ledger: Home) -> None:
    await declare(ledger, line(DEV, 1_000), line(DEV, 50, unit=TOKENS))
    request = ask(plan=[in_full({USD: 0, TOKENS: 20})], free=[USD])
    forecast = await ledger.decide(request)
    assert [b.unit for b in forecast.balances] == [TOKENS]
    assert forecast == without(await ledger.reserve(request))


async def test_what_was_foreseen_may_have_gone_meanwhile(ledger: Home) -> None:
    """Spec, /v1/decide: whoever needs safety under concurrency reserves."""
    request = ask(400)
    assert (await ledger.decide(request)).amounts == usd(400)
    reservation_id = await hold(ledger, 300)
    with pytest.raises(BudgetRefused):
        await ledger.decide(request)
    await commit(ledger, reservation_id, 0)
    assert (await ledger.decide(request)).amounts == usd(400)
