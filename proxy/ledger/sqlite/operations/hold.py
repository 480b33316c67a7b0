"""From the request for a hold to the end of its call."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from proxy.domain.errors import (
    ExtensionsExhausted,
    IdempotencyMismatch,
    Reason,
    Refused,
    ReservationExpired,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope, budget_scopes, derive
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.records import Balance, Forecast, Grant, Lease, ReserveRequest, Span
from proxy.ledger.rules import Granted
from proxy.ledger.sqlite import answers, holds, rows
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.holds import Beginning, Hold
from proxy.ledger.sqlite.operations import arrears
from proxy.ledger.sqlite.operations.cycles import remembered, tenants
from proxy.ledger.sqlite.transaction import About, Transaction

_DISPATCH: Final = "UPDATE reservations SET dispatched = 1 WHERE number = ?"
_GROW: Final = "UPDATE reservations SET amounts = ? WHERE number = ?"


def reserve(transaction: Transaction, request: ReserveRequest, new_id: Callable[[], str]) -> Grant:
    """Hold the first rung that fits in every budgeted scope, or nothing."""
    units = rules.check_request(request)
    tenant = request.subject.tenant or ""
    first = holds.find_by_key(transaction, tenant, request.key)
    if first is not None:
        return _granted_before(transaction, holds.beginning(transaction, first), request)
    remembered.check_key(transaction, tenant, request.key)
    accounts, granted = _admit(transaction, request, units)
    arrears.settle(transaction, accounts)
    return _hold(transaction, request, accounts, new_id(), granted)


def decide(transaction: Transaction, request: ReserveRequest) -> Forecast:
    """What a reserve would hold now. Writes nothing, and its key is not read."""
    accounts, granted = _admit(transaction, request, rules.check_request(request))
    balances = arrears.foreseen(transaction, accounts)
    return Forecast(granted.rung, granted.amounts, derive(request.subject), tuple(balances))


def _admit(
    transaction: Transaction, request: ReserveRequest, units: tuple[Unit, ...]
) -> tuple[Sequence[Account], Granted]:
    """The budgets in which a new hold would be, and what it would be. Changes nothing."""
    tenants.check_new(transaction, request.subject.tenant or "")
    accounts = budgets_of(transaction, budget_scopes(request.subject), units)
    if not request.free and not rules.covers([a.balance.unit for a in accounts], units):
        raise no_budget(transaction, budget_scopes(request.subject), units)
    granted = rules.grant(
        arrears.foreseen(transaction, accounts),
        request.plan,
        max_share_pct=request.max_share_pct,
        free=request.free,
    )
    if request.free:
        accounts = [account for account in accounts if account.balance.unit not in request.free]
    transaction.accounts.check_templates(accounts)
    return accounts, granted


def budgets_of(
    transaction: Transaction, scopes: Sequence[Scope], units: tuple[Unit, ...]
) -> list[Account]:
    """The budgets that stand for a subject in these units, those that templates make as well.

    Raises:
        Refused: the subject has no scope in which one could be.
    """
    if not scopes:
        raise Refused(Reason.BUDGET_NOT_FOUND, "The subject names no tenant and no level below it.")
    return transaction.accounts.current(scopes, units)


def no_budget(
    transaction: Transaction, scopes: Sequence[Scope], units: Sequence[Unit]
) -> Exception:
    """What to say to a subject that has no budget in these units."""
    if transaction.accounts.current(scopes, tuple(Unit)):
        return UnitMismatch(f"no budget of {scopes[-1]} is in {' or '.join(units)}")
    return Refused(
        Reason.BUDGET_NOT_FOUND,
        f"No budget covers {scopes[-1]}. Declare one for it, or for a scope above it.",
    )


def _hold(
    transaction: Transaction,
    request: ReserveRequest,
    accounts: Sequence[Account],
    reservation_id: str,
    granted: Granted,
) -> Grant:
    scopes = derive(request.subject)
    about = About(
        request.subject.tenant or "",
        scopes[-1],
        reservation_id,
        request.trace_id,
        request.price_version,
    )
    changes = {unit: Amounts(reserved=amount) for unit, amount in granted.amounts.items()}
    balances = transaction.post(
        Kind.RESERVE,
        [(account, changes[account.balance.unit]) for account in accounts],
        about=about,
    )
    expires_at_ms = transaction.now_ms + request.ttl_ms
    rows.insert(
        transaction,
        request,
        about=about,
        window_ids=[account.window_id for account in accounts],
        granted=granted,
        answer=_first_answer(request, granted, expires_at_ms, accounts, balances),
    )
    return Grant(
        reservation_id=reservation_id,
        rung=granted.rung,
        amounts=granted.amounts,
        expires_at_ms=expires_at_ms,
        remaining_ttl_ms=request.ttl_ms,
        affected_scopes=scopes,
        balances=balances,
        annotation=request.annotation,
    )


def _first_answer(
    request: ReserveRequest,
    granted: Granted,
    expires_at_ms: int,
    accounts: Sequence[Account],
    balances: Sequence[Balance],
) -> str:
    """As it is kept; an annotation only where there is one."""
    facts: tuple[object, ...] = (granted.amounts, expires_at_ms)
    if request.annotation:
        facts += (request.annotation,)
    return answers.encode(facts, accounts, balances)


def _granted_before(transaction: Transaction, first: Beginning, request: ReserveRequest) -> Grant:
    if first.payload_hash != request.payload_hash or first.granted is None:
        raise IdempotencyMismatch(f"the key of {first.reservation_id} came with another payload")
    return _grant(transaction, first, first.granted)


def _grant(transaction: Transaction, first: Beginning, answer: str) -> Grant:
    """The first answer again; only the time that is left is new."""
    (amounts, expires_at_ms, *rest), balances = answers.decode(answer, transaction.accounts)
    left_ms = expires_at_ms - transaction.now_ms if first.state is State.ACTIVE else 0
    return Grant(
        reservation_id=first.reservation_id,
        rung=first.rung,
        amounts=answers.by_unit(amounts),
        expires_at_ms=expires_at_ms,
        remaining_ttl_ms=max(0, left_ms),
        affected_scopes=derive(first.subject),
        balances=balances,
        annotation=rest[0] if rest else "",
    )


def dispatch(transaction: Transaction, reservation_id: str) -> None:
    """The request is about to leave."""
    hold = holds.find_standing(transaction, reservation_id)
    rules.move(hold.state, Kind.DISPATCH)
    if hold.dispatched:
        return
    transaction.execute_last(_DISPATCH, (hold.number,))
    transaction.post(Kind.DISPATCH, about=hold.about)


def grow(
    transaction: Transaction, reservation_id: str, *, by: Mapping[Unit, int], key: str
) -> Grant:
    """Raise the hold in all its windows, or in none."""
    for amount in by.values():
        rules.check_amount(amount)
    hold = holds.find(transaction, reservation_id)
    payload = holds.written({unit: by[unit] for unit in Unit if unit in by})
    answer = _replayed(transaction, hold, Kind.GROW, key, payload)
    if answer is None:
        tenants.check_new(transaction, hold.about.tenant)
        _check_lease(hold, Kind.GROW, transaction.now_ms, until_ms=hold.lapses_at_ms)
        answer = _grow(transaction, hold, by)
        holds.keep_reply(transaction, hold, Kind.GROW, key, payload=payload, answer=answer)
    return _grant(transaction, holds.beginning(transaction, hold.number), answer)


def _grow(transaction: Transaction, hold: Hold, by: Mapping[Unit, int]) -> str:
    """The answer, as it is kept."""
    held = hold.amounts
    if not by.keys() <= held.keys():
        raise UnitMismatch(f"{hold.reservation_id} is in {' and '.join(held)}")
    accounts = transaction.accounts.standing(hold.window_ids)
    arrears.settle(transaction, accounts)
    rules.grant(
        [account.balance for account in accounts if account.balance.unit in by],
        ({unit: Span(amount, amount) for unit, amount in by.items()},),
        max_share_pct=100,
        own=held,
    )
    amounts = {unit: amount + by.get(unit, 0) for unit, amount in held.items()}
    for amount in amounts.values():
        rules.check_amount(amount)
    raised = transaction.post(
        Kind.GROW,
        [(account, Amounts(reserved=by.get(account.balance.unit, 0))) for account in accounts],
        about=hold.about,
    )
    transaction.execute(_GROW, (holds.written(amounts), hold.number))
    expires_at_ms = holds.lease(transaction, hold).expires_at_ms
    return answers.encode((amounts, expires_at_ms), accounts, raised)


def extend(transaction: Transaction, reservation_id: str, *, by_ms: int, key: str) -> Lease:
    """Move the end of the lease from where it is."""
    rules.check_extension(by_ms)
    hold = holds.find(transaction, reservation_id)
    answer = _replayed(transaction, hold, Kind.EXTEND, key, str(by_ms))
    if answer is not None:
        return _lease(transaction, hold, int(answer))
    tenants.check_lasting(transaction, hold)
    lease = holds.lease(transaction, hold)
    _check_lease(hold, Kind.EXTEND, transaction.now_ms, until_ms=lease.expires_at_ms)
    if lease.max_extensions is not None and lease.extensions >= lease.max_extensions:
        raise ExtensionsExhausted(f"{reservation_id} was extended {lease.extensions} times already")
    move_lease(transaction, hold, by_ms=by_ms, extensions=1, actor="")
    expires_at_ms = lease.expires_at_ms + by_ms
    holds.keep_reply(
        transaction, hold, Kind.EXTEND, key, payload=str(by_ms), answer=str(expires_at_ms)
    )
    return _lease(transaction, hold, expires_at_ms)


def move_lease(
    transaction: Transaction, hold: Hold, *, by_ms: int, extensions: int, actor: str
) -> None:
    """The lease and its grace end so much later; it counts as so many extensions."""
    transaction.execute(
        "UPDATE reservations SET expires_at_ms = expires_at_ms + ?,"
        " lapses_at_ms = lapses_at_ms + ?, extensions = extensions + ? WHERE number = ?",
        (by_ms, by_ms, extensions, hold.number),
    )
    transaction.post(Kind.EXTEND, about=hold.about, actor=actor)


def _lease(transaction: Transaction, hold: Hold, expires_at_ms: int) -> Lease:
    left_ms = expires_at_ms - transaction.now_ms if hold.state is State.ACTIVE else 0
    return Lease(expires_at_ms, max(0, left_ms))


def _replayed(
    transaction: Transaction, hold: Hold, kind: Kind, key: str, payload: str
) -> str | None:
    """The first answer to this key, if it was used before."""
    found = holds.find_reply(transaction, hold, kind, key)
    if found is None:
        return None
    first_payload, answer = found
    if first_payload != payload:
        raise IdempotencyMismatch(f"a key of {hold.reservation_id} came with another payload")
    return answer


def _check_lease(hold: Hold, kind: Kind, now_ms: int, *, until_ms: int) -> None:
    """The hold is open, and its time for this is not over."""
    if hold.state in (State.EXPIRED, State.UNCERTAIN):
        raise ReservationExpired(f"the lease of {hold.reservation_id} is over")
    rules.move(hold.state, kind)
    if now_ms > until_ms:
        raise ReservationExpired(f"the lease of {hold.reservation_id} is over")
