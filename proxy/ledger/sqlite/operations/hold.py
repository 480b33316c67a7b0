"""From the request for a hold to the end of its call."""

from collections.abc import Callable
from typing import Final

from proxy.domain.errors import (
    ExtensionsExhausted,
    IdempotencyMismatch,
    Reason,
    Refused,
    ReservationExpired,
    UnitMismatch,
)
from proxy.domain.reservation import State
from proxy.domain.scope import Scope, derive
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.protocol import Grant, Lease, ReserveRequest, Rung
from proxy.ledger.sqlite import answers, holds
from proxy.ledger.sqlite.accounts import Account
from proxy.ledger.sqlite.holds import Hold
from proxy.ledger.sqlite.transaction import Transaction

_DISPATCH: Final = "UPDATE reservations SET dispatched = 1 WHERE number = ?"
_LEASE_MS_MAX: Final = 86_400_000
"""Source: cycles-protocol-v0.yaml, ttl_ms and extend_by_ms."""


def reserve(transaction: Transaction, request: ReserveRequest, new_id: Callable[[], str]) -> Grant:
    """Hold the first rung that fits in every budgeted scope, or nothing."""
    _check(request)
    tenant = request.subject.tenant or ""
    first = holds.find_by_key(transaction, tenant, request.key)
    if first is not None:
        if first.payload_hash != request.payload_hash:
            raise IdempotencyMismatch(
                f"the key of {first.reservation_id} came with another payload"
            )
        return _grant(transaction, first, first.granted)
    scopes = derive(request.subject)
    if not scopes:
        raise Refused(Reason.BUDGET_NOT_FOUND, "The subject names no tenant and no level below it.")
    accounts = transaction.accounts.current(scopes, request.unit)
    if request.free:
        return _hold_nothing(transaction, request, scopes, accounts, new_id())
    if not accounts:
        raise _no_budget(transaction, request, scopes)
    granted = rules.grant(
        [account.balance for account in accounts],
        request.plan,
        max_share_pct=request.max_share_pct,
    )
    _check_templates(transaction, accounts)
    return _hold(transaction, request, scopes, accounts, new_id(), granted)


def _check(request: ReserveRequest) -> None:
    if not request.plan:
        raise ValueError("a plan has at least one rung")
    for rung in request.plan:
        rules.check_amount(rung.minimum)
        rules.check_amount(rung.want)
        if rung.minimum > rung.want:
            raise ValueError("a rung's minimum is at most what it wants")
    if not 1 <= request.max_share_pct <= 100:
        raise ValueError("max_share_pct is 1 to 100")
    if not 1 <= request.ttl_ms <= _LEASE_MS_MAX or not 0 <= request.grace_ms <= _LEASE_MS_MAX:
        raise ValueError("a lease and its grace are at most a day")


def _no_budget(
    transaction: Transaction, request: ReserveRequest, scopes: tuple[Scope, ...]
) -> Exception:
    if transaction.accounts.has_any(scopes):
        return UnitMismatch(f"no budget of {scopes[-1]} is in {request.unit}")
    return Refused(
        Reason.BUDGET_NOT_FOUND,
        f"No budget covers {scopes[-1]}. Declare one for it, or for a scope above it.",
    )


def _check_templates(transaction: Transaction, accounts: list[Account]) -> None:
    """A template makes no budget beyond the limit: what it cannot count it does not let through."""
    new = [
        account for account in accounts if account.template is not None and not account.budget_id
    ]
    if not new:
        return
    templates_max = transaction.read("SELECT templates_max FROM ledger").fetchone()[0]
    if transaction.accounts.templates() + len(new) > templates_max:
        raise Refused(
            Reason.TEMPLATE_LIMIT,
            f"{new[0].balance.scope} would be budget number {templates_max + 1} made by templates, "
            f"and templates_max is {templates_max}. Do not retry.",
        )


def _hold(
    transaction: Transaction,
    request: ReserveRequest,
    scopes: tuple[Scope, ...],
    accounts: list[Account],
    reservation_id: str,
    granted: rules.Granted,
) -> Grant:
    change = Amounts(reserved=granted.amount)
    balances = transaction.post(
        Kind.RESERVE,
        [(account, change) for account in accounts],
        tenant=request.subject.tenant or "",
        reservation_id=reservation_id,
    )
    expires_at_ms = transaction.now_ms + request.ttl_ms
    holds.insert(
        transaction,
        request,
        reservation_id=reservation_id,
        window_ids=[account.window_id for account in accounts],
        rung=granted.rung,
        amount=granted.amount,
        granted=answers.encode((granted.amount, expires_at_ms), accounts, balances),
    )
    return Grant(
        reservation_id=reservation_id,
        rung=granted.rung,
        amount=granted.amount,
        expires_at_ms=expires_at_ms,
        remaining_ttl_ms=request.ttl_ms,
        affected_scopes=scopes,
        balances=balances,
    )


def _hold_nothing(
    transaction: Transaction,
    request: ReserveRequest,
    scopes: tuple[Scope, ...],
    accounts: list[Account],
    reservation_id: str,
) -> Grant:
    """A free call: a row and an entry, in no window."""
    rules.check_free(account.balance for account in accounts)
    return _hold(transaction, request, scopes, [], reservation_id, rules.Granted(0, 0))


def _grant(transaction: Transaction, hold: Hold, answer: str) -> Grant:
    """The first answer again; only the time that is left is new."""
    (amount, expires_at_ms), balances = answers.decode(answer, transaction.accounts)
    left_ms = expires_at_ms - transaction.now_ms if hold.state is State.ACTIVE else 0
    return Grant(
        reservation_id=hold.reservation_id,
        rung=hold.rung,
        amount=amount,
        expires_at_ms=expires_at_ms,
        remaining_ttl_ms=max(0, left_ms),
        affected_scopes=derive(hold.subject),
        balances=balances,
    )


def dispatch(transaction: Transaction, reservation_id: str) -> None:
    """The request is about to leave."""
    hold = holds.find_standing(transaction, reservation_id)
    rules.move(hold.state, Kind.DISPATCH)
    if hold.dispatched:
        return
    transaction.execute_last(_DISPATCH, (hold.number,))
    transaction.post(Kind.DISPATCH, tenant=hold.tenant, reservation_id=reservation_id)


def grow(transaction: Transaction, reservation_id: str, *, by: int, key: str) -> Grant:
    """Raise the hold in all its windows, or in none."""
    rules.check_amount(by)
    hold = holds.find(transaction, reservation_id)
    answer = _replayed(transaction, hold, Kind.GROW, key, str(by))
    if answer is not None:
        return _grant(transaction, hold, answer)
    _check_lease(hold, Kind.GROW, transaction.now_ms, until_ms=hold.lapses_at_ms)
    accounts = transaction.accounts.of_windows(hold.window_ids)
    if accounts:
        balances = [account.balance for account in accounts]
        rules.grant(balances, (Rung(by, by),), max_share_pct=100, own=hold.amount)
    change = Amounts(reserved=by)
    raised = transaction.post(
        Kind.GROW,
        [(account, change) for account in accounts],
        tenant=hold.tenant,
        reservation_id=reservation_id,
    )
    amount = hold.amount + by
    transaction.execute(
        "UPDATE reservations SET amount = ? WHERE number = ?", (amount, hold.number)
    )
    answer = answers.encode((amount, hold.expires_at_ms), accounts, raised)
    holds.keep_reply(transaction, hold, Kind.GROW, key, payload=str(by), answer=answer)
    return _grant(transaction, hold, answer)


def extend(transaction: Transaction, reservation_id: str, *, by_ms: int, key: str) -> Lease:
    """Move the end of the lease from where it is."""
    if not 1 <= by_ms <= _LEASE_MS_MAX:
        raise ValueError("an extension is at least a millisecond and at most a day")
    hold = holds.find(transaction, reservation_id)
    answer = _replayed(transaction, hold, Kind.EXTEND, key, str(by_ms))
    if answer is not None:
        return _lease(transaction, hold, int(answer))
    _check_lease(hold, Kind.EXTEND, transaction.now_ms, until_ms=hold.expires_at_ms)
    if hold.max_extensions is not None and hold.extensions >= hold.max_extensions:
        raise ExtensionsExhausted(f"{reservation_id} was extended {hold.extensions} times already")
    move_lease(transaction, hold, by_ms=by_ms, extensions=1, actor="")
    expires_at_ms = hold.expires_at_ms + by_ms
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
    transaction.post(
        Kind.EXTEND, tenant=hold.tenant, reservation_id=hold.reservation_id, actor=actor
    )


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
