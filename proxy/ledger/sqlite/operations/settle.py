"""How a hold ends: charged or given back, once."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from proxy.domain.errors import (
    ActorRequired,
    IdempotencyMismatch,
    ReservationExpired,
    ReservationFinalized,
)
from proxy.domain.reservation import OnExpiry, State
from proxy.ledger import rules
from proxy.ledger.journal import Kind
from proxy.ledger.protocol import Settlement
from proxy.ledger.sqlite import answers, holds
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.holds import Hold
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.transaction import Transaction

_END: Final = (
    "UPDATE reservations SET state = ?, finalized_at_ms = ?, settled_key = ?, settled_hash = ?,"
    " settled = ?, settled_metadata = ?, charged = ?, uncovered = ?, estimated = ?"
    " WHERE number = ?"
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


def commit(transaction: Transaction, reservation_id: str, actual: int, word: Word) -> Ended:
    """Charge what the call cost and give the rest back."""
    rules.check_amount(actual)
    hold = holds.find(transaction, reservation_id)
    replay = _replay(transaction, hold, Kind.COMMIT, word)
    if replay is not None:
        return Ended(replay, None)
    _check_open(transaction, hold, Kind.COMMIT)
    settlement = charge(transaction, hold, actual, word)
    return Ended(settlement, transaction.now_ms - hold.created_at_ms)


def charge(
    transaction: Transaction, hold: Hold, actual: int, word: Word, *, actor: str = ""
) -> Settlement:
    """Commit an open hold.

    Raises:
        CommitRejected: for a hold over the protocol, by its overage rule.
    """
    accounts = transaction.accounts.of_windows(hold.window_ids)
    taken = rules.charge(
        [account.balance for account in accounts],
        held=hold.amount,
        actual=actual,
        overage=hold.overage,
        refusable=hold.on_expiry is OnExpiry.RELEASE,
        uncertain=hold.is_uncertain,
    )
    balances = transaction.post(
        Kind.COMMIT,
        zip(accounts, taken.changes, strict=True),
        tenant=hold.tenant,
        reservation_id=hold.reservation_id,
        actor=actor,
    )
    settlement = Settlement(
        state=State.COMMITTED,
        charged=taken.charged,
        released=max(0, hold.amount - actual),
        uncovered=taken.uncovered,
        balances=balances,
    )
    _end(transaction, hold, settlement, accounts, word)
    arrears.owe(transaction, hold, taken.uncovered)
    arrears.repay(transaction, accounts)
    return settlement


def release(transaction: Transaction, reservation_id: str, *, key: str, actor: str) -> Ended:
    """Give the whole hold back."""
    hold = holds.find(transaction, reservation_id)
    replay = _replay(transaction, hold, Kind.RELEASE, Word(key))
    if replay is not None:
        return Ended(replay, None)
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
    accounts = transaction.accounts.of_windows(hold.window_ids)
    change = rules.give_back(hold.amount, uncertain=hold.is_uncertain)
    balances = transaction.post(
        kind,
        [(account, change) for account in accounts],
        tenant=hold.tenant,
        reservation_id=hold.reservation_id,
        actor=actor,
    )
    settlement = Settlement(state, 0, hold.amount, 0, balances)
    _end(transaction, hold, settlement, accounts, Word(key))
    arrears.repay(transaction, accounts)
    return settlement


def charge_late(
    transaction: Transaction,
    reservation_id: str,
    *,
    actual: int,
    key: str,
    payload_hash: str,
    estimated: bool,
) -> Settlement:
    """Bring what an ended hold has paid up to what its call cost."""
    rules.check_amount(actual)
    hold = holds.find(transaction, reservation_id)
    found = holds.find_reply(transaction, hold, Kind.CHARGE_LATE, key)
    if found is not None:
        if found[0] != payload_hash:
            raise IdempotencyMismatch(f"a key of {reservation_id} came with another payload")
        return _settlement(transaction, found[1])
    if hold.state is State.ACTIVE and transaction.now_ms > hold.lapses_at_ms:
        give_back(transaction, hold, Kind.EXPIRE)
        hold = holds.find(transaction, reservation_id)
    rules.move(hold.state, Kind.CHARGE_LATE)
    if hold.state is State.COMMITTED and not hold.estimated:
        raise ReservationFinalized(hold.state)
    paid = (hold.charged or 0) + hold.uncovered
    accounts = transaction.accounts.of_windows(hold.window_ids)
    taken = rules.charge(
        [account.balance for account in accounts],
        held=0,
        actual=max(0, actual - paid),
        overage=hold.overage,
        refusable=False,
    )
    balances = transaction.post(
        Kind.CHARGE_LATE,
        zip(accounts, taken.changes, strict=True),
        tenant=hold.tenant,
        reservation_id=reservation_id,
    )
    settlement = Settlement(
        state=hold.state,
        charged=(hold.charged or 0) + taken.charged,
        released=0,
        uncovered=hold.uncovered + taken.uncovered,
        balances=balances,
    )
    transaction.execute(
        "UPDATE reservations SET charged = ?, uncovered = ?, estimated = ? WHERE number = ?",
        (settlement.charged, settlement.uncovered, int(estimated or paid > actual), hold.number),
    )
    answer = _answer(settlement, accounts)
    holds.keep_reply(transaction, hold, Kind.CHARGE_LATE, key, payload=payload_hash, answer=answer)
    arrears.owe(transaction, hold, taken.uncovered)
    arrears.repay(transaction, accounts)
    return settlement


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
    if hold.settled is None or hold.settled_key != word.key:
        return None
    if hold.state is not rules.MOVES[State.ACTIVE][kind]:
        return None
    if hold.settled_hash != word.payload_hash:
        raise IdempotencyMismatch(f"the key of {hold.reservation_id} came with another payload")
    return _settlement(transaction, hold.settled)


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
            settlement.state.value,
            transaction.now_ms,
            word.key,
            word.payload_hash,
            _answer(settlement, accounts),
            holds.written_metadata(word.metadata) if word.metadata else None,
            settlement.charged,
            settlement.uncovered,
            int(word.estimated),
            hold.number,
        ),
    )


def _answer(settlement: Settlement, accounts: Sequence[Account]) -> str:
    facts = (settlement.state, settlement.charged, settlement.released, settlement.uncovered)
    return answers.encode(facts, accounts, settlement.balances)


def _settlement(transaction: Transaction, answer: str) -> Settlement:
    (state, charged, released, uncovered), balances = answers.decode(answer, transaction.accounts)
    return Settlement(State(state), charged, released, uncovered, balances)
