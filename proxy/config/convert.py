"""The sections as the words of the domain, for those who never see a configuration."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from pricing.override import Override
from proxy.config.model import Config
from proxy.config.sections.conditions import WhenConfig
from proxy.config.sections.ledger import is_elsewhere, is_store, sqlite_file
from proxy.config.sections.policies import CapsConfig, EffectConfig, PolicyConfig
from proxy.config.sections.values import DAY_MS
from proxy.domain.decision import Caps
from proxy.domain.money import Unit
from proxy.domain.period import Period, Step
from proxy.domain.policy import ALWAYS, Band, Condition, Hours, Policy, Remainder, ToolRule
from proxy.domain.scope import ScopePattern, steps_patterns
from proxy.ledger.cycles.address import base_url
from proxy.ledger.records import BudgetLine, BudgetStatus
from proxy.ledger.redis.wire.address import parse


def ledger_file(config: Config) -> Path:
    """The file of the SQLite ledger; relative paths are the working directory's."""
    return sqlite_file(config.ledger.url)


def ledger_place(config: Config) -> str:
    """Where the ledger is, without a password: the same for all who serve from it."""
    if is_elsewhere(config.ledger.url):
        # Not the key, which is replaced now and then; whose it is, is not.
        return f"{base_url(config.ledger.url)} {config.identity.default.tenant or ''}"
    if is_store(config.ledger.url):
        address = parse(config.ledger.url)
        return " ".join([str(address), address.master_name or "", str(address.database)])
    return str(ledger_file(config).resolve())


def budget_lines(config: Config) -> tuple[BudgetLine, ...]:
    """The declared budgets, as they stand in the file, and the counts of calls of policies."""
    return (*_declared(config), *_counts(policies(config)))


def counts_calls(config: Config) -> bool:
    """Whether calls are counted: whether a budget or a policy limits how many there are."""
    return any(line.unit is Unit.CALLS for line in budget_lines(config))


def _declared(config: Config) -> tuple[BudgetLine, ...]:
    return tuple(
        BudgetLine(
            pattern=budget.pattern,
            unit=Unit(budget.unit),
            period=budget.window,
            allocated=budget.allocated,
            overdraft_limit=budget.overdraft_limit,
            status=BudgetStatus(budget.status.upper()),
            rollover_max=budget.rollover,
            idle_ttl_ms=budget.idle_ttl,
        )
        for budget in config.budgets
    )


def price_overrides(config: Config) -> tuple[Override, ...]:
    """Prices and limits of our own; the first that matches a model holds."""
    return tuple(override.stated for override in config.pricing.overrides)


def tool_rules(config: Config) -> tuple[ToolRule, ...]:
    """The list of tools, as it stands in the file: the first that matches a tool holds."""
    return tuple(
        ToolRule(
            pattern=tool.name,
            fee_microcents=tool.fee or 0,
            risk_points=tool.risk_points,
            max_calls_per_run=tool.max_calls_per_run,
        )
        for tool in config.tools
    )


def policies(config: Config) -> tuple[Policy, ...]:
    """The policies, as they stand in the file."""
    return tuple(
        Policy(
            name=policy.name,
            pattern=policy.scope,
            priority=policy.priority,
            bands=_bands(policy),
        )
        for policy in config.policies
    )


_IDLE_MS: Final = DAY_MS
"""How long a run may pause before its calls are counted anew."""


def _counts(of: Iterable[Policy]) -> Iterator[BudgetLine]:
    """The budgets, made for each run or scope, that count the calls which policies pace."""
    for band in (band for policy in of for band in policy.bands):
        if band.steps is None:
            continue
        per_run, per_day = steps_patterns(band.steps)
        if (steps := band.caps.max_steps_remaining) is not None:
            yield _count(per_run, Period.LIFETIME, steps)
            yield _count(per_day, Period.DAY, steps)
        if band.caps.cooldown_ms is not None:
            rolling = Period(Step.ROLLING, rolling_ms=band.caps.cooldown_ms)
            yield _count(per_run, rolling, 1)
            yield _count(per_day, rolling, 1)


def _count(pattern: ScopePattern, period: Period, calls: int) -> BudgetLine:
    return BudgetLine(pattern, Unit.CALLS, period, allocated=calls, idle_ttl_ms=_IDLE_MS)


def _bands(policy: PolicyConfig) -> tuple[Band, ...]:
    """A policy without bands is one band, from nothing on."""
    if policy.bands is None:
        return (_band(policy, 0, policy.when, policy.name),)
    return tuple(
        _band(band, band.used_pct, band.when, f"{policy.name}-{band.used_pct}")
        for band in policy.bands
    )


def _band(effect: EffectConfig, used_pct: int, when: WhenConfig | None, name: str) -> Band:
    caps, deny = _caps(effect.caps), effect.deny
    return Band(
        used_pct=used_pct,
        caps=caps,
        models=effect.models or {},
        reasoning_effort=effect.reasoning_effort or {},
        service_tier=effect.service_tier or {},
        n=effect.n,
        deny=deny if isinstance(deny, str) else "" if deny else None,
        when=ALWAYS if when is None else _condition(when),
        steps=name if caps.paces else None,
    )


def _caps(caps: CapsConfig | None) -> Caps:
    if caps is None:
        return Caps()
    return Caps(
        max_tokens=caps.max_tokens,
        tool_allowlist=caps.tool_allowlist or (),
        tool_denylist=caps.tool_denylist or (),
        max_steps_remaining=caps.max_steps_remaining,
        cooldown_ms=caps.cooldown_ms,
    )


def _condition(when: WhenConfig) -> Condition:
    remaining, burns, hours = when.remaining, when.burn_rate, when.hours
    elapsed = when.window_elapsed_pct
    return Condition(
        used_pct=None if when.used_pct is None else when.used_pct.bounds,
        reserved_pct=None if when.reserved_pct is None else when.reserved_pct.bounds,
        remaining=None if remaining is None else Remainder(Unit(remaining.unit), remaining.bounds),
        exhausted_within_ms=None if burns is None else burns.exhausted_within,
        window_elapsed_pct=None if elapsed is None else elapsed.bounds,
        hours=None if hours is None else Hours(hours.after, hours.before, hours.timezone),
    )
