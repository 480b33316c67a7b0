"""Leases that are over, and what a crash left behind."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from proxy.domain.reservation import OnExpiry, State
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.protocol import Swept
from proxy.ledger.sqlite import holds
from proxy.ledger.sqlite.holds import Hold
from proxy.ledger.sqlite.operations.hold import move_lease
from proxy.ledger.sqlite.operations.settle import Word, charge, give_back
from proxy.ledger.sqlite.transaction import Transaction

SETTLER: Final = "settle.uncertain"
"""Who commits a hold that stayed uncertain for too long, as the journal names it."""

CLOCK: Final = "clock"
"""Who extends leases when the clock leaps, as the journal names it."""

_MARK: Final = (
    "UPDATE reservations SET state = 'UNCERTAIN', uncertain_since_ms = ? WHERE number = ?"
)
_ALL_ACTIVE: Final = "SELECT number FROM reservations WHERE state = 'ACTIVE' ORDER BY lapses_at_ms"
_LAPSED: Final = (
    "SELECT number FROM reservations WHERE state = 'ACTIVE' AND lapses_at_ms < ?"
    " ORDER BY lapses_at_ms LIMIT ?"
)
_LONG_UNCERTAIN: Final = (
    "SELECT number FROM reservations WHERE state = 'UNCERTAIN' AND uncertain_since_ms <= ?"
    " ORDER BY uncertain_since_ms LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class UncertainRule:
    """What becomes of a hold that stays uncertain for `after_ms`."""

    settle: Literal["commit", "hold"]
    after_ms: int


def mark_uncertain(transaction: Transaction, reservation_id: str) -> None:
    """Nobody knows what became of this call."""
    _mark(transaction, holds.find(transaction, reservation_id))


def recover(transaction: Transaction) -> Swept:
    """End what the last process left: its own holds, not those made over the protocol."""
    left = _find(transaction, _ALL_ACTIVE)
    own = [hold for hold in left if hold.on_expiry is OnExpiry.UNCERTAIN]
    return _end_leases(transaction, own)


def expire(transaction: Transaction, rule: UncertainRule, *, limit: int) -> Swept:
    """End leases that are over, and holds that nobody has cleared up in time."""
    swept = _end_leases(transaction, _find(transaction, _LAPSED, transaction.now_ms, limit))
    ended = len(swept.expired) + len(swept.released) + len(swept.uncertain)
    if rule.settle == "hold":
        return swept
    since_ms = transaction.now_ms - rule.after_ms
    overdue = _find(transaction, _LONG_UNCERTAIN, since_ms, limit - ended)
    for hold in overdue:
        charge(transaction, hold, hold.amount, Word(None, estimated=True), actor=SETTLER)
    return Swept(
        expired=swept.expired,
        released=swept.released,
        uncertain=swept.uncertain,
        committed=tuple(hold.reservation_id for hold in overdue),
    )


def renew_leases(transaction: Transaction) -> None:
    """Give every open hold one more lease from now: the clock has leaped, not its holder."""
    for hold in _find(transaction, _ALL_ACTIVE):
        by_ms = transaction.now_ms + hold.ttl_ms - hold.expires_at_ms
        if by_ms > 0:
            move_lease(transaction, hold, by_ms=by_ms, extensions=0, actor=CLOCK)


def _find(transaction: Transaction, statement: str, *values: int) -> list[Hold]:
    numbers = [number for (number,) in transaction.read(statement, values)]
    return list(holds.find_numbers(transaction, numbers))


def _end_leases(transaction: Transaction, lapsed: Iterable[Hold]) -> Swept:
    ended: dict[Kind, list[str]] = {Kind.EXPIRE: [], Kind.RELEASE: [], Kind.MARK_UNCERTAIN: []}
    for hold in lapsed:
        kind = rules.at_lease_end(hold.on_expiry, dispatched=hold.dispatched)
        if kind is Kind.MARK_UNCERTAIN:
            _mark(transaction, hold)
        else:
            give_back(transaction, hold, kind)
        ended[kind].append(hold.reservation_id)
    return Swept(
        expired=tuple(ended[Kind.EXPIRE]),
        released=tuple(ended[Kind.RELEASE]),
        uncertain=tuple(ended[Kind.MARK_UNCERTAIN]),
    )


def _mark(transaction: Transaction, hold: Hold) -> None:
    rules.move(hold.state, Kind.MARK_UNCERTAIN)
    if hold.state is State.UNCERTAIN:
        return
    transaction.execute(_MARK, (transaction.now_ms, hold.number))
    change = rules.doubt(hold.amount)
    transaction.post(
        Kind.MARK_UNCERTAIN,
        [(account, change) for account in transaction.accounts.of_windows(hold.window_ids)],
        tenant=hold.tenant,
        reservation_id=hold.reservation_id,
    )
