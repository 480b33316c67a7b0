"""What the ledger keeps in a store, and how it is called there.

    spendgate:tenants                  a set: whose books there are
    spendgate:{t:<tenant>}:budgets     a hash: budgets, windows, templates, counters, the clock,
                                       whether the tenant may spend
    spendgate:{t:<tenant>}:scopes      sorted sets: scopes with a budget,
    spendgate:{t:<tenant>}:idle        budgets that a template made, by when to look at them,
    spendgate:{t:<tenant>}:over        windows that are over, by when,
    spendgate:{t:<tenant>}:forgotten   and those that no journal will tell of
    spendgate:{t:<tenant>}:r:<id>      a hash: one row, with its first answers
    spendgate:{t:<tenant>}:k:<key>     which row a key made, or what is remembered under it
    spendgate:{t:<tenant>}:remembered  a sorted set of keys of the latter, by when they may go
    spendgate:{t:<tenant>}:rows        sorted sets of rows: all by age,
    spendgate:{t:<tenant>}:active      the open ones by the end of lease and grace,
    spendgate:{t:<tenant>}:uncertain   or by when they became so,
    spendgate:{t:<tenant>}:arrears     and by the windows that owe for them
    spendgate:{t:<tenant>}:f:<key>     what a funding with this key answered
    spendgate:{t:<tenant>}:funded      a sorted set of those keys, by when
    spendgate:{t:<tenant>}:journal     a stream, whose ids are `<seq>-0`
    spendgate:{t:<tenant>}:seals       a stream, whose ids are `<last_seq>-0`
    spendgate:{t:<tenant>}:checkpoints   a hash: what windows held at two of the seals

All keys of a tenant have one hash tag, and so one slot of a cluster. Scripts are given the
name of the first hash; the other names follow from it. A subject without a tenant has the
tag `{t:}`. Nothing has a TTL: what is old goes by `prune`, what was
remembered for long enough by `expire`.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope, ScopePattern, tenant_of
from proxy.ledger.records import BudgetLine

TENANTS: Final = "spendgate:tenants"

_UNIT_NUMBERS: Final = {unit: number for number, unit in enumerate(Unit)}
_LONGEST_MS: Final = 10**15


def budgets_key(tenant: str) -> str:
    """The hash that a tenant's scripts are given."""
    return f"spendgate:{{t:{tenant}}}:budgets"


def scopes_of(path: Scope) -> tuple[Scope, ...]:
    """The scopes of whoever has this scope path, outermost first."""
    segments = path.split("/")
    return tuple([Scope("/".join(segments[: end + 1])) for end in range(len(segments))])


def order_of(unit: Unit, period: Period) -> str:
    """Sorts the budgets of a scope, byte by byte: by unit, then the longest period first."""
    length_ms, text = period.order
    return f"{_UNIT_NUMBERS[unit]}{max(0, _LONGEST_MS + length_ms):015d}{text}"


def line_record(line: BudgetLine) -> dict[str, Any]:
    """A declared line, as scripts read it: what is zero, or nothing, is left out."""
    record: dict[str, Any] = {
        "pattern": line.pattern.text,
        "unit": line.unit.value,
        "period": str(line.period),
        "order": order_of(line.unit, line.period),
        "status": line.status.value,
    }
    amounts = {
        "allocated": line.allocated,
        "overdraft_limit": line.overdraft_limit,
        "rollover_max": line.rollover_max,
    }
    record.update({name: str(amount) for name, amount in amounts.items() if amount})
    if line.idle_ttl_ms is not None:
        record["idle_ttl_ms"] = line.idle_ttl_ms
    return record


def templates_by_level(lines: Iterable[BudgetLine]) -> dict[str, list[dict[str, Any]]]:
    """Templates by the level that they end with, the most specific first."""
    by_level: dict[str, list[dict[str, Any]]] = {}
    for line in sorted(lines, key=_specificity, reverse=True):
        level = line.pattern.text.rpartition("/")[2].partition(":")[0]
        by_level.setdefault(level, []).append(line_record(line))
    return by_level


def _specificity(line: BudgetLine) -> tuple[int, int, str]:
    return line.pattern.specificity


def tenants_named(patterns: Sequence[ScopePattern]) -> set[str]:
    """The tenants that these patterns name; a pattern of any tenant names none."""
    return {tenant for pattern in patterns if (tenant := tenant_of(pattern.text)) != "*"}


def is_for(pattern: ScopePattern, tenant: str) -> bool:
    """Whether the pattern is about this tenant, or about any."""
    named = tenant_of(pattern.text)
    return named == tenant or (named == "*" and tenant != "")
