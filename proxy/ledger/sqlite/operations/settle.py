"""How a hold ends: charged or given back, once."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from proxy.domain.errors import (
    ActorRequired,
    IdempotencyMismatch,
    ReservationExpired,
    ReservationFinalized,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.reservation import OnExpiry, State
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.records import Settlement
from proxy.ledger.sqlite import answers, holds
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.holds import Hold
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.operations.cycles import tenants
from proxy.ledger.sqlite.transaction import Transaction

_END: Final = (
    "UPDATE reservations SET state = ?, finalized_at_ms = ?, settled_key = ?, settled_hash = ?,"
    " settled = ?, settled_metadata = ?, charged = ?, uncovered = ?, estimated = ?"
    " WHERE number = ?"
)
_CHARGE_LATE: Final = (
    "UPDATE reservations SET charged = ?, uncovered = ?, estimated = ? WHERE number = ?"
)


class Ended(NamedTuple):
    """A settlement, and how long its hold had been open; None for a replay."""

    settlement: Settlement
    open_ms: int | None


class Word(NamedTuple):
    """What the row keeps of whoever ended the hold. `key` None: nobody asked for it."""

    key: str | None
    payload_hash: str = ""
    estimated: bool = False
    metadata: Mapping[str, str] | None = None


def commit(
    transaction: Transaction, reservation_id: str, actual: Mapping[Unit, int], word: Word
) -> Ended:
    """Charge what the call cost and give the rest back."""
    for amount in actual.values():
        rules.check_amount(amount)
    hold = holds.find(transaction, reservation_id)
    replay = _replay(transaction, hold, Kind.COMMIT, word)
    if replay is not None:
        return Ended(replay, None)
    tenants.check_lasting(transaction, hold)
    _check_open(transaction, hold, Kind.COMMIT)
    settlement = charge(transaction, hold, actual, word)
    return Ended(settlement, transaction.now_ms - hold.created_at_ms)


def charge(
    transaction: Transaction,
    hold: Hold,
    actual: Mapping[Unit, int],
    word: Word,
    *,
    actor: str = "",
) -> Settlement:
    """Commit an open hold.

    Raises:
        UnitMismatch: other units than those of the hold.
        CommitRejected: for a hold over the protocol, by its overage rule.
    """
    held = hold.amounts
    _check_units(hold, held, actual)
    accounts = transaction.accounts.standing(hold.window_ids)
    arrears.settle(transaction, accounts)
    taken = rules.charge(
        [account.balance for account in accounts],
        held=held,
        actual=actual,
        overage=hold.overage,
        refusable=hold.on_expiry is OnExpiry.RELEASE,
        uncertain=hold.is_uncertain,
    )
    balances = transaction.post(
        Kind.COMMIT, zip(accounts, taken.changes, strict=True), about=hold.about, actor=actor
    )
    released = {unit: max(0, amount - actual[unit]) for unit, amount in held.items()}
    settlement = Settlement(State.COMMITTED, taken.charged, released, taken.uncovered, balances)
    _end(transaction, hold, settlement, accounts, word)
    if any(taken.uncovered.values()):
        arrears.owe(transaction, hold.number, accounts, taken.uncovered)
    arrears.repay(transaction, accounts)
    return settlement


def release(transaction: Transaction, reservation_id: str, *, key: str, actor: str) -> Ended:
    """Give the whole hold back."""
    hold = holds.find(transaction, reservation_id)
    replay = _replay(transaction, hold, Kind.RELEASE, Word(key))
    if replay is not None:
        return Ended(replay, None)
    tenants.check_lasting(transaction, hold)
    _check_open(transaction, hold, Kind.RELEASE)
    if hold.is_uncertain and not actor:
        raise ActorRequired(f"{reservation_id} is uncertain: only a person gives it up")
    settlement = give_back(transaction, hold, Kind.RELEASE, key=key, actor=actor)
    return Ended(settlement, transaction.now_ms - hold.created_at_ms)


def give_back(
    transaction: Transaction, hold: Hold, kind: Kind, *, key: str | None = None, actor: str = ""
) -> Settlement:
    """End an open hold for nothing: released, or expired."""
    state = rules.move(hold.state, kind)
    held = hold.amounts
    accounts = transaction.accounts.standing(hold.window_ids)
    arrears.settle(transaction, accounts)
    changes = {
        unit: rules.give_back(amount, uncertain=hold.is_uncertain) for unit, amount in held.items()
    }
    balances = transaction.post(
        kind,
        [(account, changes[account.balance.unit]) for account in accounts],
        about=hold.about,
        actor=actor,
    )
    nothing = dict.fromkeys(held, 0)
    settlement = Settlement(state, nothing, held, nothing, balances)
    _end(transaction, hold, settlement, accounts, Word(key))
    arrears.repay(transaction, accounts)
    return settlement


def charge_late(
    transaction: Transaction,
    reservation_id: str,
    *,
    actual: Mapping[Unit, int],
    key: str,
    payload_hash: str,
    estimated: bool,
) -> Settlement:
    """Bring what an ended hold has paid up to what its call cost."""
    for amount in actual.values():
        rules.check_amount(amount)
    hold = holds.find(transaction, reservation_id)
    found = holds.find_reply(transaction, hold, Kind.CHARGE_LATE, key)
    if found is not None:
        if found[0] != payload_hash:
            raise IdempotencyMismatch(f"a key of {reservation_id} came with another payload")
        return read_settlement(transaction, found[1])
    if hold.state is State.ACTIVE and transaction.now_ms > hold.lapses_at_ms:
        give_back(transaction, hold, Kind.EXPIRE)
        hold = holds.find(transaction, reservation_id)
    rules.move(hold.state, Kind.CHARGE_LATE)
    if hold.state is State.COMMITTED and not holds.bill(transaction, hold).estimated:
        raise ReservationFinalized(hold.state)
    _check_units(hold, hold.amounts, actual)
    accounts = transaction.accounts.standing(hold.window_ids)
    arrears.settle(transaction, accounts)
    settlement, uncovered = _charge_missing(
        transaction, hold, accounts, actual, estimated=estimated
    )
    answer = written_settlement(settlement, accounts)
    holds.keep_reply(transaction, hold, Kind.CHARGE_LATE, key, payload=payload_hash, answer=answer)
    arrears.owe(transaction, hold.number, accounts, uncovered)
    arrears.repay(transaction, accounts)
    return settlement


def _charge_missing(
    transaction: Transaction,
    hold: Hold,
    accounts: Sequence[Account],
    actual: Mapping[Unit, int],
    *,
    estimated: bool,
) -> tuple[Settlement, Mapping[Unit, int]]:
    """Charge what was not paid yet; all that was paid, and what of the new part was not covered."""
    bill = holds.bill(transaction, hold)
    paid = {unit: bill.charged[unit] + bill.uncovered[unit] for unit in actual}
    taken = rules.charge(
        [account.balance for account in accounts],
        held=dict.fromkeys(actual, 0),
        actual={unit: max(0, amount - paid[unit]) for unit, amount in actual.items()},
        overage=hold.overage,
        refusable=False,
    )
    balances = transaction.post(
        Kind.CHARGE_LATE, zip(accounts, taken.changes, strict=True), about=hold.about
    )
    charged = {unit: bill.charged[unit] + amount for unit, amount in taken.charged.items()}
    uncovered = {unit: bill.uncovered[unit] + amount for unit, amount in taken.uncovered.items()}
    is_estimate = estimated or any(paid[unit] > amount for unit, amount in actual.items())
    transaction.execute(
        _CHARGE_LATE,
        (
            holds.written(charged),
            holds.written_if_any(uncovered),
            int(is_estimate),
            hold.number,
        ),
    )
    nothing = dict.fromkeys(actual, 0)
    return Settlement(hold.state, charged, nothing, uncovered, balances), taken.uncovered


def _check_units(hold: Hold, held: Mapping[Unit, int], actual: Mapping[Unit, int]) -> None:
    if actual.keys() != held.keys():
        raise UnitMismatch(f"{hold.reservation_id} is in {' and '.join(held)}")


def _check_open(transaction: Transaction, hold: Hold, kind: Kind) -> None:
    """The hold has not ended; a lease over the protocol has an end of its own."""
    if hold.state is State.EXPIRED:
        raise ReservationExpired(f"{hold.reservation_id} has expired")
    rules.move(hold.state, kind)
    is_over = transaction.now_ms > hold.lapses_at_ms
    if is_over and hold.on_expiry is OnExpiry.RELEASE and not hold.is_uncertain:
        raise ReservationExpired(f"the lease of {hold.reservation_id} is over")


def _replay(transaction: Transaction, hold: Hold, kind: Kind, word: Word) -> Settlement | None:
    """The first settlement, if it was this operation with this key."""
    if hold.settled_key != word.key or hold.state is not rules.MOVES[State.ACTIVE][kind]:
        return None
    payload_hash, answer = holds.settled(transaction, hold.number)
    if payload_hash != word.payload_hash:
        raise IdempotencyMismatch(f"the key of {hold.reservation_id} came with another payload")
    return read_settlement(transaction, answer)


def _end(
    transaction: Transaction,
    hold: Hold,
    settlement: Settlement,
    accounts: Sequence[Account],
    word: Word,
) -> None:
    transaction.execute_last(
        _END,
        (
            str(settlement.state),
            transaction.now_ms,
            word.key,
            word.payload_hash,
            written_settlement(settlement, accounts),
            holds.written(dict(word.metadata)) if word.metadata else None,
            holds.written(settlement.charged),
            holds.written_if_any(settlement.uncovered),
            int(word.estimated),
            hold.number,
        ),
    )


def written_settlement(settlement: Settlement, accounts: Sequence[Account]) -> str:
    """A first answer, as it is kept."""
    facts = (settlement.state, settlement.charged, settlement.released, settlement.uncovered)
    return answers.encode(facts, accounts, settlement.balances)


def read_settlement(transaction: Transaction, answer: str) -> Settlement:
    """The settlement of `written_settlement`."""
    (state, *amounts), balances = answers.decode(answer, transaction.accounts)
    charged, released, uncovered = map(answers.by_unit, amounts)
    return Settlement(State(state), charged, released, uncovered, balances)
