"""A part of the parent's budgets is held, and a purse is filled with it.

Each step is done once however often it is asked for: the hold by the client's key, the purse's
budgets by the hold's id. Whoever asks again after a crash gets the same sub-budget.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from proxy.authority.sub_budgets.credential import ChildKey, hash_of, secret_of
from proxy.authority.sub_budgets.terms import (
    ACTION_KIND,
    SubBudgetLedger,
    Terms,
    kept,
    purse_filled_by,
    terms_of,
)
from proxy.domain.errors import BudgetRefused, IdempotencyMismatch
from proxy.domain.money import WIRE_UNITS, Unit
from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage, State
from proxy.domain.scope import budget_scopes
from proxy.domain.sub_budget import CARVE_PREFIX
from proxy.domain.subject import Subject
from proxy.ledger.records import BudgetName, FundOperation, Reservation, ReserveRequest, Span

DEPTH_MAX: Final = 3
"""How many sub-budgets may stand inside each other."""

GRACE_MS: Final = 3_600_000
"""How long after its end the parent still holds for calls that have not ended. Longer than any
call of the proxy stays uncertain by default; what takes longer is charged late."""

ACTOR: Final = "sub-budget"
"""Who fills and closes purses, as the journal names it."""

_FILL_KEY: Final = "carve"


class Carve(msgspec.Struct, frozen=True):
    """What a parent asks for. `subject` is as the ledger knows it, its own purse included.

    `terms` lack the hash of the child's secret, which follows from `parent_secret` and `salt`.
    """

    key: str
    payload_hash: str
    subject: Subject
    amounts: Mapping[Unit, int]
    ttl_ms: int
    terms: Terms
    parent_secret: str
    salt: str
    trace_id: str = ""


class Carved(msgspec.Struct, frozen=True):
    """A sub-budget: the hold that fills it, and the key of the child."""

    row: Reservation
    key: ChildKey


async def missing_units(
    ledger: SubBudgetLedger, subject: Subject, amounts: Mapping[Unit, int]
) -> tuple[Unit, ...]:
    """The units that the parent's budgets count and the amounts do not name.

    In those the child's calls would be held by nobody.
    """
    counted = {b.unit for b in await ledger.balances(budget_scopes(subject), *WIRE_UNITS)}
    return tuple(unit for unit in WIRE_UNITS if unit in counted and unit not in amounts)


async def carve(ledger: SubBudgetLedger, asked: Carve) -> Carved:
    """Hold the amounts in every budget of the parent, then fill the purse.

    Raises:
        BudgetRefused, Refused, UnitMismatch, AmountOutOfRange: as `reserve` says.
        IdempotencyMismatch: the key came before with other contents, or from another parent.
        LedgerUnavailable: ask again with the same key.
    """
    grant = await ledger.reserve(_hold(asked))
    # A replay: the salt of the first time, which is all that the key depends on.
    secret = secret_of(asked.parent_secret, grant.annotation)
    row = await ledger.reservation(grant.reservation_id)
    if terms_of(row).secret_sha256 != hash_of(secret):
        raise IdempotencyMismatch("the sub-budget of this key belongs to another parent key")
    if row.state is State.ACTIVE:
        await _fill(ledger, row)
    return Carved(row, ChildKey(row.reservation_id, secret))


def _hold(asked: Carve) -> ReserveRequest:
    """The parent's hold: nothing but its closing ends it before the grace is over."""
    secret = secret_of(asked.parent_secret, asked.salt)
    terms = msgspec.structs.replace(asked.terms, secret_sha256=hash_of(secret))
    return ReserveRequest(
        key=CARVE_PREFIX + asked.key,
        payload_hash=asked.payload_hash,
        subject=asked.subject,
        plan=({unit: Span(amount, amount) for unit, amount in asked.amounts.items()},),
        ttl_ms=asked.ttl_ms,
        grace_ms=GRACE_MS,
        overage=Overage.ALLOW_IF_AVAILABLE,
        # Calls of the proxy become uncertain when it restarts; a carve belongs to no process.
        on_expiry=OnExpiry.RELEASE,
        max_extensions=0,
        action_kind=ACTION_KIND,
        trace_id=asked.trace_id,
        metadata=kept(terms),
        annotation=asked.salt,
    )


async def _fill(ledger: SubBudgetLedger, row: Reservation) -> None:
    purse = purse_filled_by(row)
    # Refused when a purse that was filled before is closed already.
    with suppress(BudgetRefused):
        for unit, amount in row.amounts.items():
            name = BudgetName(purse, unit, Period.LIFETIME)
            await ledger.fund(name, FundOperation.CREDIT, amount, actor=ACTOR, key=_FILL_KEY)
