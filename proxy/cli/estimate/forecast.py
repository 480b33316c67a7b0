"""The way of a call up to its hold, without the hold: nothing is written anywhere."""

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pricing.catalogue import Catalogue
from pricing.tokens import Tokenizers
from proxy.app import estimator_of, listed_tools, new_reservation_id
from proxy.cli.estimate.verdict import Asked, grant, reach_verdict
from proxy.config.convert import budget_lines, ledger_file, policies, price_overrides
from proxy.config.model import Config
from proxy.config.sections.ledger import is_elsewhere, is_store
from proxy.dialects.addresses import meant_by
from proxy.dialects.dialect import Request
from proxy.dialects.routes import METERED
from proxy.domain.clock import SystemClock
from proxy.domain.decision import Decision
from proxy.domain.errors import Refused
from proxy.domain.key import KeyRing
from proxy.domain.money import Unit
from proxy.domain.scope import Scope, all_scopes, budget_scopes, derive
from proxy.domain.subject import LEVELS, RUN, Subject
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.wishes import read_wish
from proxy.gateway.estimate import Plan
from proxy.gateway.hearing.named import read_call
from proxy.gateway.identify import Identifier
from proxy.gateway.shape import Shaped
from proxy.gateway.tools.counting import RunCounts
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import Balance
from proxy.ledger.rules import Granted
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.observe.logs import JsonLog
from proxy.opening import open_beside, open_elsewhere
from proxy.outgoing import routes_of
from proxy.policies import Consideration, Policies, Wish

NAMEABLE: Final = (*LEVELS, RUN)
"""What `--as` may name."""


@dataclass(frozen=True, slots=True)
class ScopeForecast:
    """What one budget alone would say: what it grants, or why it grants nothing."""

    balance: Balance
    granted: Granted | None
    refused: Refused | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What would happen now. `granted` and `shaped` are None for a refusal.

    `from_ledger`: balances are those of the ledger, not just what the configuration declares.
    `considered` are the policies in the order in which they are asked.
    """

    request: Request
    scopes: tuple[Scope, ...]
    from_ledger: bool
    considered: tuple[Consideration, ...]
    wish: Wish
    plan: Plan
    by_scope: tuple[ScopeForecast, ...]
    granted: Granted | None
    shaped: Shaped | None
    refused: Refused | None

    @property
    def decision(self) -> Decision:
        """What the call would be told."""
        if self.shaped is None or self.granted is None:
            return Decision.DENY
        is_capped = bool(self.shaped.caps) or self.granted.rung > 0
        return Decision.ALLOW_WITH_CAPS if is_capped else Decision.ALLOW


async def forecast(
    config: Config, body: bytes, named: Sequence[tuple[str, str]], path: str
) -> Forecast:
    """What would become of a call with this body to a path, by whom `named` says.

    Raises:
        Refused: the call has no plan: it is malformed, unpriced, unbounded or too dear.
        LedgerUnavailable: the ledger is there and cannot be read.
    """
    meant = meant_by(path)
    dialect = METERED[meant.path]
    request = read_call(dialect, body, routes_of(config), deployment=meant.deployment)
    subject = _subject(config, named)
    ours, scopes, now_ms = Policies(policies(config)), all_scopes(subject), SystemClock().now_ms()
    async with _ledger(config, subject) as (ledger, from_ledger):
        wish, watched = await read_wish(ours, ledger, request.model, subject, at_ms=now_ms)
        counts = RunCounts(listed_tools(config), ledger, JsonLog(sys.stderr, SystemClock()))
        wish = wish.without(await counts.used_up(request.tools, subject))
        places = budget_scopes(subject.counted_at(wish.steps))
        every = await ledger.balances(places, *Unit)
    considered = tuple(ours.considered(scopes=scopes, balances=watched, at_ms=now_ms))
    tokenizers = Tokenizers()
    tokenizers.load()
    estimator = estimator_of(config, Catalogue(price_overrides(config)), Counter(tokenizers))
    share_pct, balances = config.degrade.max_share_pct, sorted(every, key=_order(places))
    asked = Asked(dialect, request, subject, balances, share_pct)
    verdict = await reach_verdict(asked, wish, estimator, at_ms=now_ms)
    plan = verdict.plan
    return Forecast(
        request=request,
        scopes=derive(subject),
        from_ledger=from_ledger,
        considered=considered,
        wish=verdict.wish,
        plan=plan,
        by_scope=tuple(_alone(balance, plan, share_pct) for balance in verdict.balances),
        granted=verdict.granted,
        shaped=verdict.shaped,
        refused=verdict.refused,
    )


def _order(scopes: Sequence[Scope]) -> Callable[[Balance], tuple[int, int, tuple[int, str]]]:
    """The order in which a reserve asks budgets."""
    units = list(Unit)
    return lambda balance: (
        scopes.index(balance.scope),
        units.index(balance.unit),
        balance.period.order,
    )


def _subject(config: Config, named: Sequence[tuple[str, str]]) -> Subject:
    """Who calls. What a call may not name itself counts as named by a key."""
    identifier = Identifier(
        default=config.identity.default.given(),
        accept=frozenset(NAMEABLE),
        trust_headers=True,
        require_key=False,
        keys=KeyRing(),
    )
    headers = [(f"X-Cycles-{level}", value) for level, value in named]
    return identifier.identify("/v1/chat/completions", headers).subject


@asynccontextmanager
async def _ledger(config: Config, subject: Subject) -> AsyncIterator[tuple[Ledger, bool]]:
    """The ledger as it stands and true, or one in which every declared budget is new."""
    if is_elsewhere(config.ledger.url):
        authority = open_elsewhere(config, SystemClock())
        try:
            await authority.all_balances()
            yield authority, True
        finally:
            await authority.close()
        return
    if is_store(config.ledger.url) or ledger_file(config).exists():
        existing = await open_beside(config.ledger.url)
        try:
            # A store has no books of a tenant whom no proxy has met.
            if not is_store(config.ledger.url) or subject.tenant in await existing.tenants():
                yield existing, True
                return
        finally:
            await existing.close()
    with TemporaryDirectory(prefix="spendgate-") as folder:
        ledger = SqliteLedger.open(
            Path(folder) / "new.db", clock=SystemClock(), new_id=new_reservation_id
        )
        try:
            await ledger.declare(budget_lines(config), templates_max=config.templates_max)
            yield ledger, False
        finally:
            await ledger.close()


def _alone(balance: Balance, plan: Plan, share_pct: int) -> ScopeForecast:
    try:
        granted = grant([balance], plan, share_pct)
    except Refused as refusal:
        return ScopeForecast(balance, None, refusal)
    return ScopeForecast(balance, granted, None)
