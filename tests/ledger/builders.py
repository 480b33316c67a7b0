"""Budgets and requests as tests write them. A plain number is microcents, all or nothing."""

from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage
from proxy.domain.scope import Scope, ScopePattern, parse_pattern
from proxy.domain.subject import RUN, STEPS, Subject
from proxy.ledger.records import (
    Balance,
    BudgetLine,
    BudgetName,
    BudgetStatus,
    Event,
    FundOperation,
    Grant,
    ReserveRequest,
    Rung,
    Settlement,
    Span,
)
from tests.ledger.harness import MINUTE_MS, NOON_MS, Home

USD = Unit.USD_MICROCENTS
TOKENS = Unit.TOKENS
POINTS = Unit.RISK_POINTS
CALLS = Unit.CALLS

DEV = Scope("tenant:dev")
BOT = Scope("tenant:dev/agent:bot")
CLI = Scope("tenant:dev/agent:cli")

TEMPLATES_MAX = 10

Amount = int | Mapping[Unit, int]

_keys = count(1)


def usd(amount: int) -> dict[Unit, int]:
    """An amount of microcents by its unit."""
    return {USD: amount}


def by_unit(amount: Amount) -> Mapping[Unit, int]:
    """The amount by unit."""
    return usd(amount) if isinstance(amount, int) else amount


def rung(minimum: int, want: int, unit: Unit = USD) -> Rung:
    """A rung in one unit."""
    return {unit: Span(minimum, want)}


def in_full(amount: Amount) -> Rung:
    """All or nothing."""
    return {unit: Span(number, number) for unit, number in by_unit(amount).items()}


def run_of(scope: Scope, run: str) -> Scope:
    """Where the budget of a run stands."""
    return Scope(f"{scope}/{RUN}:{run}")


def pattern_of(text: str) -> ScopePattern:
    """A budget's pattern, perhaps of runs or of counts, as configuration makes it."""
    if f"/{STEPS}:" in text:
        return ScopePattern(text)
    levels, _, run = text.partition(f"/{RUN}:")
    pattern = parse_pattern(levels, subtree=False)
    return ScopePattern(f"{pattern.text}/{RUN}:{run}") if run else pattern


def line(
    pattern: str,
    allocated: int,
    *,
    period: Period = Period.LIFETIME,
    overdraft_limit: int = 0,
    status: BudgetStatus = BudgetStatus.ACTIVE,
    unit: Unit = USD,
    rollover_max: int = 0,
    idle_ttl_ms: int | None = None,
) -> BudgetLine:
    """One declared budget."""
    return BudgetLine(
        pattern=pattern_of(pattern),
        unit=unit,
        period=period,
        allocated=allocated,
        overdraft_limit=overdraft_limit,
        status=status,
        rollover_max=rollover_max,
        idle_ttl_ms=idle_ttl_ms,
    )


def after_noon_ms(moment: str) -> int:
    """From where every clock of a test begins to `2027-03-28T01:00:00Z`."""
    at = datetime.fromisoformat(moment) - datetime(1970, 1, 1, tzinfo=UTC)
    return at // timedelta(milliseconds=1) - NOON_MS


def subject_of(agent: str | None = "bot", run: str | None = None) -> Subject:
    """An agent of the one tenant, perhaps in a run."""
    return Subject(tenant="dev", agent=agent, dimensions={RUN: run} if run is not None else {})


ELSEWHERE = line("tenant:dev/workspace:elsewhere", 1)
"""A line that still names the tenant: whom no line names, a shared ledger leaves alone."""


def ask(
    amount: Amount = 0,
    *,
    plan: Sequence[Rung] | None = None,
    key: str | None = None,
    payload_hash: str = "body",
    agent: str | None = "bot",
    run: str | None = None,
    subject: Subject | None = None,
    ttl_ms: int = MINUTE_MS,
    grace_ms: int = 0,
    max_share_pct: int = 100,
    overage: Overage = Overage.ALLOW_IF_AVAILABLE,
    on_expiry: OnExpiry = OnExpiry.UNCERTAIN,
    free: Container[Unit] = (),
    max_extensions: int | None = None,
    trace_id: str = "",
    price_version: str = "",
    metadata: Mapping[str, str] | None = None,
    annotation: str = "",
) -> ReserveRequest:
    """A request for `amount`, all or nothing, unless a plan says more. A key of its own."""
    return ReserveRequest(
        key=key or f"call-{next(_keys)}",
        payload_hash=payload_hash,
        subject=subject or subject_of(agent, run),
        plan=tuple(plan) if plan is not None else (in_full(amount),),
        ttl_ms=ttl_ms,
        grace_ms=grace_ms,
        max_share_pct=max_share_pct,
        overage=overage,
        on_expiry=on_expiry,
        free=frozenset(unit for unit in Unit if unit in free),
        max_extensions=max_extensions,
        trace_id=trace_id,
        price_version=price_version,
        metadata=metadata or {},
        annotation=annotation,
    )


def event(
    actual: Amount,
    *,
    key: str | None = None,
    payload_hash: str = "body",
    agent: str | None = "bot",
    run: str | None = None,
    subject: Subject | None = None,
    overage: Overage = Overage.ALLOW_IF_AVAILABLE,
    is_spent: bool = False,
    estimated: bool = False,
    trace_id: str = "",
    price_version: str = "",
) -> Event:
    """Something that was spent without a hold. A key of its own."""
    return Event(
        key=key or f"event-{next(_keys)}",
        payload_hash=payload_hash,
        subject=subject or subject_of(agent, run),
        actual=by_unit(actual),
        overage=overage,
        is_spent=is_spent,
        estimated=estimated,
        trace_id=trace_id,
        price_version=price_version,
    )


async def declare(
    ledger: Home, *lines: BudgetLine, templates_max: int = TEMPLATES_MAX, version: int = 1
) -> None:
    """Make these the whole configuration."""
    await ledger.declare(lines, templates_max=templates_max, version=version)


async def balance_of(
    ledger: Home, scope: Scope, period: Period | None = None, unit: Unit | None = None
) -> Balance:
    """The one budget of a scope, or the one of this period and unit."""
    (balance,) = (
        balance
        for balance in await ledger.all_balances()
        if balance.scope == scope
        and period in (None, balance.period)
        and unit in (None, balance.unit)
    )
    return balance


async def hold(
    ledger: Home,
    amount: Amount,
    *,
    dispatched: bool = True,
    agent: str | None = "bot",
    run: str | None = None,
) -> str:
    """A hold of the proxy's own, whose request has left; its id."""
    grant = await ledger.reserve(ask(amount, agent=agent, run=run))
    if dispatched:
        await ledger.dispatch(grant.reservation_id)
    return grant.reservation_id


async def over_protocol(ledger: Home, amount: Amount, *, ttl_ms: int = MINUTE_MS) -> str:
    """A hold that was made over the protocol; its id."""
    request = ask(amount, ttl_ms=ttl_ms, on_expiry=OnExpiry.RELEASE)
    return (await ledger.reserve(request)).reservation_id


async def commit(
    ledger: Home, reservation_id: str, actual: Amount, *, key: str = "settle"
) -> Settlement:
    """Charge a hold."""
    return await ledger.commit(reservation_id, actual=by_unit(actual), key=key, payload_hash="bill")


async def charge_late(
    ledger: Home, reservation_id: str, actual: Amount, *, key: str = "late"
) -> Settlement:
    """Charge a hold that has ended."""
    return await ledger.charge_late(
        reservation_id, actual=by_unit(actual), key=key, payload_hash="bill"
    )


async def grow(ledger: Home, reservation_id: str, by: Amount, *, key: str = "more") -> Grant:
    """Raise a hold."""
    return await ledger.grow(reservation_id, by=by_unit(by), key=key)


async def spend(
    ledger: Home,
    amount: Amount,
    *,
    held: Amount | None = None,
    agent: str | None = "bot",
    run: str | None = None,
) -> None:
    """A whole call that costs `amount`."""
    reservation_id = await hold(ledger, amount if held is None else held, agent=agent, run=run)
    await commit(ledger, reservation_id, amount)


async def fund(
    ledger: Home,
    scope: Scope,
    amount: int,
    operation: FundOperation = FundOperation.CREDIT,
    *,
    period: Period = Period.LIFETIME,
    unit: Unit = USD,
    spent: int = 0,
    key: str | None = None,
) -> Balance:
    """An operator gives, unless another operation is named."""
    name = BudgetName(scope, unit, period)
    return await ledger.fund(name, operation, amount, actor="ops", spent=spent, key=key)
