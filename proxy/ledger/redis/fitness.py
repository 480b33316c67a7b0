"""Whether a store may hold a ledger, asked once at start.

A store that evicts keys forgets budgets, and a replica takes no writes: those are refused.

Source: https://redis.io/docs/latest/commands/info/; docs/decisions/redis-wire.md.
"""

from collections.abc import Mapping
from typing import Final

from proxy.ledger.redis.store import RedisStore
from proxy.ledger.redis.wire.faults import StoreRefused

_OLDEST: Final = (6, 2)


async def check_fitness(store: RedisStore) -> tuple[str, ...]:
    """What the operator of the store should know, each finding once; nothing when all is well.

    INFO is all that is asked: managed stores forbid CONFIG.

    Raises:
        StoreRefused: it must not hold a ledger as it is; the text says what to change.
        StoreError: it does not answer.
    """
    findings: dict[str, None] = {}
    for reply in await store.ask_masters("INFO"):
        findings.update(dict.fromkeys(judge(read_info(reply))))
    return tuple(findings)


def read_info(reply: object) -> Mapping[str, str]:
    """The fields of what INFO answers."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else ""
    pairs = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, _, value in pairs if name}


def judge(info: Mapping[str, str]) -> list[str]:
    """The findings on one server, by its INFO.

    Raises:
        StoreRefused: as in `check_fitness`.
    """
    version = info.get("redis_version", "")
    if _numbers(version) < _OLDEST:
        raise StoreRefused(
            f"the store is version {version or 'unknown'}; the ledger needs Redis 6.2 or newer, "
            "or Valkey"
        )
    if info.get("role") == "slave":
        raise StoreRefused(
            "the store is a read-only replica; the address must lead to its master, or name the "
            "sentinels or the cluster that know it"
        )
    findings = []
    policy = info.get("maxmemory_policy")
    if policy is None:
        findings.append(
            "the store does not tell its maxmemory-policy; with any other than noeviction it "
            "may forget budgets"
        )
    elif policy != "noeviction":
        raise StoreRefused(
            f"the store's maxmemory-policy is {policy}, so it may forget budgets and spend; set "
            "it to noeviction (CONFIG SET maxmemory-policy noeviction, and in its configuration)"
        )
    if info.get("aof_enabled") != "1":
        findings.append(
            "the store writes no append-only file: after a crash it forgets what was spent "
            "since its last snapshot; set appendonly yes"
        )
    return findings


def _numbers(version: str) -> tuple[int, ...]:
    steps = version.split(".")[:2]
    return tuple(int(step) for step in steps if step.isascii() and step.isdecimal())
