"""Budgets and requests as tests write them. Amounts are microcents."""

from collections.abc import Mapping, Sequence
from itertools import count

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage
from proxy.domain.scope import Scope, parse_pattern
from proxy.domain.subject import Subject
from proxy.ledger.protocol import Balance, BudgetLine, BudgetStatus, ReserveRequest, Rung
from tests.ledger.harness import MINUTE_MS, Home

USD = Unit.USD_MICROCENTS
DEV = Scope("tenant:dev")
BOT = Scope("tenant:dev/agent:bot")
CLI = Scope("tenant:dev/agent:cli")

TEMPLATES_MAX = 10

_keys = count(1)


def line(
    pattern: str,
    allocated: int,
    *,
    period: Period = Period.LIFETIME,
    overdraft_limit: int = 0,
    status: BudgetStatus = BudgetStatus.ACTIVE,
    unit: Unit = USD,
) -> BudgetLine:
    """One declared budget."""
    return BudgetLine(
        pattern=parse_pattern(pattern, subtree=False),
        unit=unit,
        period=period,
        allocated=allocated,
        overdraft_limit=overdraft_limit,
        status=status,
    )


def ask(
    amount: int = 0,
    *,
    plan: Sequence[Rung] | None = None,
    key: str | None = None,
    payload_hash: str = "body",
    agent: str | None = "bot",
    unit: Unit = USD,
    ttl_ms: int = MINUTE_MS,
    grace_ms: int = 0,
    max_share_pct: int = 100,
    overage: Overage = Overage.ALLOW_IF_AVAILABLE,
    on_expiry: OnExpiry = OnExpiry.UNCERTAIN,
    free: bool = False,
    max_extensions: int | None = None,
    metadata: Mapping[str, str] | None = None,
) -> ReserveRequest:
    """A request for `amount`, all or nothing, unless a plan says more. A key of its own."""
    return ReserveRequest(
        key=key or f"call-{next(_keys)}",
        payload_hash=payload_hash,
        subject=Subject(tenant="dev", agent=agent),
        unit=unit,
        plan=tuple(plan) if plan is not None else (Rung(amount, amount),),
        ttl_ms=ttl_ms,
        grace_ms=grace_ms,
        max_share_pct=max_share_pct,
        overage=overage,
        on_expiry=on_expiry,
        free=free,
        max_extensions=max_extensions,
        metadata=metadata or {},
    )


async def declare(ledger: Home, *lines: BudgetLine, templates_max: int = TEMPLATES_MAX) -> None:
    """Make these the whole configuration."""
    await ledger.declare(lines, templates_max=templates_max)


async def balance_of(ledger: Home, scope: Scope, period: Period | None = None) -> Balance:
    """The one budget of a scope, or the one of this period."""
    (balance,) = (
        balance
        for balance in await ledger.all_balances()
        if balance.scope == scope and period in (None, balance.period)
    )
    return balance


async def hold(ledger: Home, amount: int, *, dispatched: bool = True, agent: str = "bot") -> str:
    """A hold of the proxy's own, whose request has left; its id."""
    grant = await ledger.reserve(ask(amount, agent=agent))
    if dispatched:
        await ledger.dispatch(grant.reservation_id)
    return grant.reservation_id


async def spend(ledger: Home, amount: int, *, held: int | None = None, agent: str = "bot") -> None:
    """A whole call that costs `amount`."""
    reservation_id = await hold(ledger, amount if held is None else held, agent=agent)
    await ledger.commit(reservation_id, actual=amount, key="settle", payload_hash="bill")
