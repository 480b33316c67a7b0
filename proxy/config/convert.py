"""The sections as the words of the domain, for those who never see a configuration."""

from pathlib import Path

from pricing.override import Override
from proxy.config.model import Config
from proxy.config.sections.ledger import is_elsewhere, is_store, sqlite_file
from proxy.config.sections.policies import BandConfig, CapsConfig, PolicyConfig
from proxy.domain.decision import Caps
from proxy.domain.money import Unit
from proxy.domain.policy import Band, Policy
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
    """The declared budgets, as they stand in the file."""
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


def _bands(policy: PolicyConfig) -> tuple[Band, ...]:
    """A policy without bands is one band, from its condition (or from nothing) on."""
    if policy.bands is not None:
        return tuple(map(_band, policy.bands))
    used_pct = policy.when.used_pct.gte if policy.when is not None else 0
    return (Band(used_pct, _caps(policy.caps), policy.models or {}),)


def _band(band: BandConfig) -> Band:
    return Band(band.used_pct, _caps(band.caps), band.models or {})


def _caps(caps: CapsConfig | None) -> Caps:
    if caps is None:
        return Caps()
    return Caps(caps.max_tokens, caps.tool_allowlist or (), caps.tool_denylist or ())
