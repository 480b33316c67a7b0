"""Leases that are over, and what a crash left behind."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from msgspec.structs import replace

from proxy.domain.reservation import OnExpiry, State
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.records import Swept
from proxy.ledger.sqlite import holds
from proxy.ledger.sqlite.holds import Hold
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.operations.cycles import remembered
from proxy.ledger.sqlite.operations.hold import move_lease
from proxy.ledger.sqlite.operations.retire import retire
from proxy.ledger.sqlite.operations.settle import Word, charge, give_back
from proxy.ledger.sqlite.transaction import Transaction

SETTLER: Final = "settle.uncertain"
"""Who commits a hold that stayed uncertain for too long, as the journal names it."""

CLOCK: Final = "clock"
"""Who extends leases when the clock leaps, as the journal names it."""

_MARK: Final = (
    "UPDATE reservations SET state = 'UNCERTAIN', uncertain_since_ms = ? WHERE number = ?"
)
_ALL_ACTIVE: Final = (
    "SELECT number, dispatched FROM reservations WHERE state = 'ACTIVE' ORDER BY lapses_at_ms"
)
_LAPSED: Final = (
    "SELECT number, dispatched FROM reservations WHERE state = 'ACTIVE' AND lapses_at_ms < ?"
    " ORDER BY lapses_at_ms LIMIT ?"
)
_LONG_UNCERTAIN: Final = (
    "SELECT number, dispatched FROM reservations"
    " WHERE state = 'UNCERTAIN' AND uncertain_since_ms <= ?"
    " ORDER BY uncertain_since_ms LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class UncertainRule:
    """What becomes of a hold that stays uncertain for `after_ms`."""

    settle: Literal["commit", "hold"]
    after_ms: int


@dataclass(frozen=True, slots=True)
class _Left:
    """A hold that nobody settled, and whether its request had left."""

    hold: Hold
    dispatched: bool


def mark_uncertain(transaction: Transaction, reservation_id: str) -> None:
    """Nobody knows what became of this call."""
    _mark(transaction, holds.find(transaction, reservation_id))


def recover(transaction: Transaction) -> Swept:
    """End what the last process left: its own holds, not those made over the protocol."""
    left = _find(transaction, _ALL_ACTIVE)
    own = [one for one in left if one.hold.on_expiry is OnExpiry.UNCERTAIN]
    return _end_leases(transaction, own)


def expire(transaction: Transaction, rule: UncertainRule, *, limit: int) -> Swept:
    """End leases that are over, holds nobody has cleared up, idle budgets, then old answers."""
    lapsed = _find(transaction, _LAPSED, transaction.now_ms, limit)
    swept = _end_leases(transaction, lapsed)
    limit -= len(lapsed)
    overdue = []
    if rule.settle == "commit":
        since_ms = transaction.now_ms - rule.after_ms
        overdue = _find(transaction, _LONG_UNCERTAIN, since_ms, limit)
    for one in overdue:
        estimate = Word(None, estimated=True)
        charge(transaction, one.hold, one.hold.amounts, estimate, actor=SETTLER)
    limit -= len(overdue)
    retired = retire(transaction, limit)
    remembered.let_go(transaction, limit - len(retired))
    committed = tuple(one.hold.reservation_id for one in overdue)
    return replace(swept, committed=committed, retired=retired)


def renew_leases(transaction: Transaction) -> None:
    """Give every open hold one more lease from now: the clock has leaped, not its holder."""
    for one in _find(transaction, _ALL_ACTIVE):
        lease = holds.lease(transaction, one.hold)
        by_ms = transaction.now_ms + lease.ttl_ms - lease.expires_at_ms
        if by_ms > 0:
            move_lease(transaction, one.hold, by_ms=by_ms, extensions=0, actor=CLOCK)


def _find(transaction: Transaction, statement: str, *values: int) -> list[_Left]:
    found = transaction.read(statement, values).fetchall()
    numbers = [number for number, _ in found]
    return [
        _Left(hold, bool(dispatched))
        for hold, (_, dispatched) in zip(
            holds.find_numbers(transaction, numbers), found, strict=True
        )
    ]


def _end_leases(transaction: Transaction, left: Iterable[_Left]) -> Swept:
    ended: dict[Kind, list[str]] = {Kind.EXPIRE: [], Kind.RELEASE: [], Kind.MARK_UNCERTAIN: []}
    for one in left:
        kind = rules.at_lease_end(one.hold.on_expiry, dispatched=one.dispatched)
        if kind is Kind.MARK_UNCERTAIN:
            _mark(transaction, one.hold)
        else:
            give_back(transaction, one.hold, kind)
        ended[kind].append(one.hold.reservation_id)
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
    accounts = transaction.accounts.standing(hold.window_ids)
    arrears.settle(transaction, accounts)
    changes = {unit: rules.doubt(amount) for unit, amount in hold.amounts.items()}
    transaction.post(
        Kind.MARK_UNCERTAIN,
        [(account, changes[account.balance.unit]) for account in accounts],
        about=hold.about,
    )
