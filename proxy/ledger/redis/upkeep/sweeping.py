"""Leases that are over, and what goes like them, in runs so short that no call waits for one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from proxy.ledger.records import Swept
from proxy.ledger.redis.answers import budget_name
from proxy.ledger.redis.asking import Asker

_RUN_MAX: Final = 50
"""How many holds one script ends: some milliseconds of the store."""

_LISTS: Final = ("expired", "released", "uncertain", "committed", "retired")


@dataclass(frozen=True, slots=True)
class UncertainRule:
    """What becomes of a hold that stays uncertain for `after_ms`."""

    settle: Literal["commit", "hold"]
    after_ms: int


async def expire(asker: Asker, tenants: Sequence[str], rule: UncertainRule, *, limit: int) -> Swept:
    """End at most `limit` of what is over, tenant by tenant."""
    found: dict[str, list[Any]] = {name: [] for name in _LISTS}
    for tenant in tenants:
        limit -= await _expire_one(asker, tenant, rule, limit, found)
    return Swept(
        expired=tuple(found["expired"]),
        released=tuple(found["released"]),
        uncertain=tuple(found["uncertain"]),
        committed=tuple(found["committed"]),
        retired=tuple(map(budget_name, found["retired"])),
    )


async def _expire_one(
    asker: Asker, tenant: str, rule: UncertainRule, limit: int, found: dict[str, list[Any]]
) -> int:
    """Run after run, until nothing is over or `limit` is reached; how much went."""
    went = 0
    while (left := limit - went) > 0:
        request = {
            "limit": min(left, _RUN_MAX),
            "settles_uncertain": rule.settle == "commit",
            "uncertain_after_ms": rule.after_ms,
        }
        swept = await asker.ask("expire", tenant, request)
        for name in _LISTS:
            found[name] += swept[name]
            went += len(swept[name])
        went += swept["forgotten"]
        if swept["is_done"]:
            break
    return went
