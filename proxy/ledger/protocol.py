"""What a ledger does. Every home of the ledger is one of these, with one behaviour.

Amounts are int64 in the request's unit (USD_MICROCENTS: 1 USD = 10**8). Times are
milliseconds on the ledger's own clock, never the caller's. Rules: docs/semantics.md;
source: cycles-protocol-v0.yaml, /v1/reservations and below.

Every operation also raises LedgerUnavailable (nobody can tell whether it happened: try
again with the same key), and every one on a hold ReservationNotFound.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage, State
from proxy.domain.scope import Scope, ScopePattern
from proxy.domain.subject import Subject
from proxy.ledger.audit import Audit
from proxy.ledger.journal import Entry


class BudgetStatus(StrEnum):
    """FROZEN and CLOSED stop new holds; settlements always land."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    CLOSED = "CLOSED"


class BudgetLine(msgspec.Struct, frozen=True):
    """One declared budget: for one scope, or a template for each scope it matches."""

    pattern: ScopePattern
    unit: Unit
    period: Period
    allocated: int
    overdraft_limit: int = 0
    status: BudgetStatus = BudgetStatus.ACTIVE


class Rung(msgspec.Struct, frozen=True):
    """One way to run a call: `want` if it fits, else anything down to `minimum`.

    `minimum == want` is all or nothing. A shortened rung (minimum < want) is granted at
    most `max_share_pct` of what remains in the tightest scope, unless `minimum` is more.
    """

    minimum: int
    want: int


class ReserveRequest(msgspec.Struct, frozen=True):
    """Ask for a hold. `key` is unique per tenant; a replay returns the first answer.

    `payload_hash` is what replays are compared by: same key, other hash is refused.
    `free` marks a call that costs nothing: it is stopped only by a frozen or closed
    budget. `metadata` is kept on the row (prices used, models, trace id), never a prompt.
    """

    key: str
    payload_hash: str
    subject: Subject
    unit: Unit
    plan: tuple[Rung, ...]
    ttl_ms: int
    grace_ms: int = 0
    max_share_pct: int = 100
    overage: Overage = Overage.ALLOW_IF_AVAILABLE
    on_expiry: OnExpiry = OnExpiry.UNCERTAIN
    free: bool = False
    max_extensions: int | None = None
    action_kind: str = "llm.completion"
    action_name: str = ""
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


class Balance(msgspec.Struct, frozen=True):
    """What a budget holds in one of its windows.

    remaining = allocated - spent - reserved - debt. `uncertain` is the part of `reserved`
    whose outcome nobody knows; `uncovered` is billed money that no budget could fund.
    """

    scope: Scope
    unit: Unit
    period: Period
    window_start_ms: int
    window_end_ms: int | None
    allocated: int
    reserved: int
    spent: int
    debt: int
    uncertain: int
    uncovered: int
    overdraft_limit: int
    is_over_limit: bool
    status: BudgetStatus
    declared: bool = True

    @property
    def remaining(self) -> int:
        """May be negative, after an operator lowered the budget below its spend."""
        return self.allocated - self.spent - self.reserved - self.debt

    @property
    def used_pct(self) -> int:
        """100 x (spent + debt) / allocated, rounded down; nothing allocated is 100."""
        if self.allocated <= 0:
            return 100
        return 100 * (self.spent + self.debt) // self.allocated


class Grant(msgspec.Struct, frozen=True):
    """A hold that was made: `amount` in every budgeted scope, by rung number `rung`.

    `balances` are those of the budgeted scopes, outermost first, with the hold in them.
    """

    reservation_id: str
    rung: int
    amount: int
    expires_at_ms: int
    remaining_ttl_ms: int
    affected_scopes: tuple[Scope, ...]
    balances: tuple[Balance, ...]


class Lease(msgspec.Struct, frozen=True):
    """Until when a hold is kept without another extension."""

    expires_at_ms: int
    remaining_ttl_ms: int


class Settlement(msgspec.Struct, frozen=True):
    """How a hold ended. charged + uncovered = the actual; `released` went back."""

    state: State
    charged: int
    released: int
    uncovered: int
    balances: tuple[Balance, ...]


class Swept(msgspec.Struct, frozen=True):
    """What one batch of expiry did, by reservation id."""

    expired: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    committed: tuple[str, ...] = ()


class Reservation(msgspec.Struct, frozen=True):
    """A row as operators see it.

    `metadata` came with the reserve, `settled_metadata` with what ended the hold.
    """

    reservation_id: str
    key: str
    tenant: str
    state: State
    subject: Subject
    scope_path: Scope
    affected_scopes: tuple[Scope, ...]
    action_kind: str
    action_name: str
    unit: Unit
    amount: int
    charged: int | None
    uncovered: int
    estimated: bool
    dispatched: bool
    on_expiry: OnExpiry
    created_at_ms: int
    expires_at_ms: int
    finalized_at_ms: int | None
    metadata: Mapping[str, str]
    settled_metadata: Mapping[str, str]


class Ledger(Protocol):
    """What the gateway needs of a ledger, in the order of a hold's life."""

    async def reserve(self, request: ReserveRequest) -> Grant:
        """Hold the first rung that fits in every budgeted scope, or hold nothing.

        Budgets that a template declares are made here. Checks run root to leaf and the
        first failing scope wins, each in this order: FROZEN, CLOSED, over limit, debt
        (where the overdraft limit is 0), remaining. The refusal names what the smallest
        rung lacked. On one scope the longest period is checked first.

        Raises:
            BudgetRefused: some scope could not; BUDGET_BUSY when every failing scope
                would hold the smallest rung once the calls in flight (not the uncertain
                ones) have settled.
            Refused: BUDGET_NOT_FOUND (no scope of the subject has a budget);
                TEMPLATE_LIMIT (every scope could hold it, one has no budget yet).
            UnitMismatch: the subject has budgets, none in this unit.
            IdempotencyMismatch: `key` was used before with another payload.
            AmountOutOfRange: a sum would leave int64.
            ValueError: an empty plan, a minimum above what is wanted, a share outside
                1 to 100, a lease or a grace longer than a day.
        """
        ...

    async def dispatch(self, reservation_id: str) -> None:
        """Record that the request is about to leave. Only an ACTIVE hold may.

        Raises:
            ReservationFinalized: it is in any other state, UNCERTAIN too.
        """
        ...

    async def grow(self, reservation_id: str, *, by: int, key: str) -> Grant:
        """Raise the hold by `by` in all its scopes, or in none. Replays by `key`.

        Raises:
            BudgetRefused: some scope has less than `by` remaining; as in `reserve`.
            ReservationFinalized, ReservationExpired, AmountOutOfRange, IdempotencyMismatch.
        """
        ...

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        """Move the end of the lease from where it is by `by_ms`. Replays by `key`.

        Raises:
            ReservationExpired: the lease is over; grace does not count.
            ReservationFinalized, ExtensionsExhausted, IdempotencyMismatch.
            ValueError: `by_ms` outside 1 to a day.
        """
        ...

    async def commit(
        self,
        reservation_id: str,
        *,
        actual: int,
        key: str,
        payload_hash: str,
        estimated: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Settlement:
        """Charge what the call cost and give the rest back. Replays by `key`.

        Frozen and closed budgets do not stop it: the money is spent. Above the hold, the
        reservation's overage rule decides; for the proxy's own holds (`on_expiry`
        uncertain) it is never refused: debt up to the limit, the rest uncovered.
        Such a hold can be committed at any time, UNCERTAIN or past its lease.

        Raises:
            CommitRejected: overage REJECT or an overdraft limit; the hold stays ACTIVE.
            ReservationFinalized, ReservationExpired, AmountOutOfRange, IdempotencyMismatch.
        """
        ...

    async def release(self, reservation_id: str, *, key: str, actor: str = "") -> Settlement:
        """Give the whole hold back. Replays by `key`. `actor` is who did it, when a person did.

        An ACTIVE hold is given back by whoever knows that nothing will be billed, even
        when its request has left (a 4xx, a 5xx, no connection). An UNCERTAIN one is given
        up only by an actor; whoever learns its cost commits it, be it 0.

        Raises:
            ActorRequired: UNCERTAIN, and nobody is named.
            ReservationFinalized, ReservationExpired, IdempotencyMismatch.
        """
        ...

    async def charge_late(
        self,
        reservation_id: str,
        *,
        actual: int,
        key: str,
        payload_hash: str,
        estimated: bool = False,
    ) -> Settlement:
        """Bring what an ended hold has paid up to its actual. Replays by `key`.

        For the call whose hold an operator released, that expired, or that was committed
        as an estimate, before its cost was known: what it has not paid yet is charged to
        its budgets and never refused. Nothing is given back. The answer counts all that
        the hold has paid. `estimated`: the actual is an estimate, and so is the hold then.

        Raises:
            ReservationFinalized: the hold is open (commit it), or was committed by its
                actual.
            AmountOutOfRange, IdempotencyMismatch.
        """
        ...

    async def mark_uncertain(self, reservation_id: str) -> None:
        """Nobody knows what became of this call: keep its hold, list it, sweep it never.

        Raises:
            ReservationFinalized.
        """
        ...

    async def balances(self, scopes: Sequence[Scope], unit: Unit) -> tuple[Balance, ...]:
        """The budgets on these scopes as a reserve would find them, outermost first.

        Scopes without one are skipped; one that a template would make is there.
        """
        ...


class Housekeeping(Protocol):
    """What keeps a ledger true between calls, and what start-up needs."""

    async def declare(self, lines: Sequence[BudgetLine], *, templates_max: int) -> None:
        """Make the ledger follow the configuration.

        Only a *change* of a declared value moves `allocated`, by the difference, so that
        funds made by hand survive; status and overdraft limit follow the same rule. A
        line that is gone leaves its budget, undeclared.

        Raises:
            AmountOutOfRange. ValueError: a subtree's pattern, or two lines for one budget.
        """
        ...

    async def recover(self) -> Swept:
        """After a crash: release what was never dispatched, the rest becomes UNCERTAIN.

        For homes with one writer, before the first reserve of a process. Holds made over
        the protocol (`on_expiry` release) keep their leases: their callers are elsewhere.
        """
        ...

    async def expire(self, *, limit: int) -> Swept:
        """End at most `limit` leases that are over (`expires_at + grace < now`).

        `on_expiry` release: EXPIRED, the hold goes back. `uncertain`: released if it was
        never dispatched, else UNCERTAIN. Holds uncertain for `uncertain_after_ms` are
        committed in full, marked estimated, when the home was opened with
        `settle_uncertain="commit"`. After the clock has leaped by more than an hour every
        open hold has one more lease.
        """
        ...


class Books(Protocol):
    """What operators do, with the same file while the proxy runs."""

    async def all_balances(self) -> tuple[Balance, ...]:
        """Every budget's current window, by scope."""
        ...

    async def fund(
        self, scope: Scope, unit: Unit, period: Period, amount: int, actor: str
    ) -> Balance:
        """Add to (or with a negative amount take from) the current window's allocation.

        Debt is repaid first. Clears `is_over_limit`.

        Raises:
            Refused: BUDGET_NOT_FOUND.
            BudgetRefused: BUDGET_EXCEEDED, taking more than remains.
            AmountOutOfRange.
        """
        ...

    async def set_status(
        self, scope: Scope, unit: Unit, status: BudgetStatus, actor: str
    ) -> tuple[Balance, ...]:
        """Freeze, unfreeze or close the budgets of a scope.

        Raises:
            Refused: BUDGET_NOT_FOUND.
        """
        ...

    async def reservation(self, reservation_id: str) -> Reservation:
        """One row."""
        ...

    async def reservations(
        self, *, states: frozenset[State], limit: int
    ) -> tuple[Reservation, ...]:
        """The newest rows in these states, newest first."""
        ...

    async def journal(self, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
        """A tenant's entries after this one, in their order; `journal.replay` adds them up."""
        ...

    async def verify(self) -> Audit:
        """Recompute every balance from the rows and from the journal."""
        ...
