"""What is asked of a ledger: a reserve and its commit over six budgets, as a call makes them."""

from collections.abc import Sequence
from typing import Final

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import derive, parse_pattern
from proxy.domain.subject import Subject
from proxy.ledger.protocol import Housekeeping, Ledger
from proxy.ledger.records import BudgetLine, Grant, ReserveRequest, Span

OPERATIONS: Final = 2
"""In a pair."""

_SUBJECT: Final = Subject(
    tenant="bench",
    workspace="bench",
    app="bench",
    workflow="bench",
    agent="bench",
    toolset="bench",
)
_UNIT: Final = Unit.USD_MICROCENTS
_ALLOCATED_MICROCENTS: Final = 10**15
_HELD_MICROCENTS: Final = 61_500
_ACTUAL_MICROCENTS: Final = 41_300
_TTL_MS: Final = 60_000
_HASH: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_SETTLE_KEY: Final = "settle"


def budget_lines() -> Sequence[BudgetLine]:
    """One budget for each scope of the subject, far from used up."""
    return [
        BudgetLine(parse_pattern(scope, subtree=False), _UNIT, Period.MONTH, _ALLOCATED_MICROCENTS)
        for scope in derive(_SUBJECT)
    ]


async def declare(home: Housekeeping) -> None:
    """Give an empty ledger its budgets."""
    await home.declare(budget_lines(), templates_max=0)


def key_of(number: int) -> str:
    """The key of the pair of this number; all keys are of one length."""
    return f"pair-{number:012d}"


async def reserve(ledger: Ledger, number: int) -> Grant:
    """The first half of a pair."""
    return await ledger.reserve(
        ReserveRequest(
            key=key_of(number),
            payload_hash=_HASH,
            subject=_SUBJECT,
            plan=({_UNIT: Span(_HELD_MICROCENTS, _HELD_MICROCENTS)},),
            ttl_ms=_TTL_MS,
            trace_id=_HASH[:32],
            price_version="bench",
            metadata={"model": "bench-model", "api": "openai"},
        )
    )


async def commit(ledger: Ledger, reservation_id: str) -> None:
    """The second half."""
    await ledger.commit(
        reservation_id,
        actual={_UNIT: _ACTUAL_MICROCENTS},
        key=_SETTLE_KEY,
        payload_hash=_HASH,
    )
