"""What a ledger does. Every home of the ledger is one of these, with one behaviour.

Amounts are int64, by unit (USD_MICROCENTS: 1 USD = 10**8); a hold may be in several units
at once. Times are milliseconds on the ledger's own clock, never the caller's. Rules:
docs/semantics.md; source: cycles-protocol-v0.yaml, /v1/reservations and below.

Every operation also raises LedgerUnavailable (nobody can tell whether it happened: try
again with the same key), and every one on a hold ReservationNotFound.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage, State
from proxy.domain.scope import Scope, ScopePattern
from proxy.domain.subject import Subject
from proxy.ledger.audit import Audit
from proxy.ledger.journal import Entry
from proxy.ledger.seal import Seal


class BudgetStatus(StrEnum):
    """FROZEN and CLOSED stop new holds; settlements always land."""

    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    CLOSED = "CLOSED"


class FundOperation(StrEnum):
    """What an operator does to the window that a budget is in.

    Source: cycles-governance-admin-v0.1.25.yaml, schema BudgetFundingRequest.
    """

    CREDIT = "CREDIT"
    DEBIT = "DEBIT"
    RESET = "RESET"
    RESET_SPENT = "RESET_SPENT"
    REPAY_DEBT = "REPAY_DEBT"


class BudgetLine(msgspec.Struct, frozen=True):
    """One declared budget: for one scope, or a template for each scope it matches.

    `rollover_max`: how much of what a window leaves goes on to the next. `idle_ttl_ms`: a
    budget that a template made, that holds nothing and was not used for so long, goes.
    """

    pattern: ScopePattern
    unit: Unit
    period: Period
    allocated: int
    overdraft_limit: int = 0
    status: BudgetStatus = BudgetStatus.ACTIVE
    rollover_max: int = 0
    idle_ttl_ms: int | None = None


class BudgetName(NamedTuple):
    """One budget. There is at most one for each."""

    scope: Scope
    unit: Unit
    period: Period


class Span(msgspec.Struct, frozen=True):
    """An amount in one unit: `want` if it fits, else anything down to `minimum`.

    `minimum == want` is all or nothing. Where it is less, at most `max_share_pct` of what
    remains in the tightest scope is granted, unless `minimum` is more.
    """

    minimum: int
    want: int


Rung = Mapping[Unit, Span]
"""One way to run a call. All rungs of a plan name the same units."""


class ReserveRequest(msgspec.Struct, frozen=True):
    """Ask for a hold. `key` is unique per tenant; a replay returns the first answer.

    `payload_hash` is what replays are compared by: same key, other hash is refused.
    A call costs nothing in the units of `free`: their budgets hold nothing for it, and
    stop it only when frozen or closed. `trace_id` and `price_version` stand in each
    journal entry of the hold; `metadata` is kept on the row (models, API), never a prompt.
    """

    key: str
    payload_hash: str
    subject: Subject
    plan: tuple[Rung, ...]
    ttl_ms: int
    grace_ms: int = 0
    max_share_pct: int = 100
    overage: Overage = Overage.ALLOW_IF_AVAILABLE
    on_expiry: OnExpiry = OnExpiry.UNCERTAIN
    free: frozenset[Unit] = frozenset()
    max_extensions: int | None = None
    action_kind: str = "llm.completion"
    action_name: str = ""
    trace_id: str = ""
    price_version: str = ""
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


class Balance(msgspec.Struct, frozen=True):
    """What a budget holds in one of its windows. Of a rolling one, what still counts.

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
    """A hold that was made: `amounts` in every budgeted scope, by rung number `rung`.

    `balances` are those of the budgeted scopes, outermost first, with the hold in them;
    those of one scope by unit as `Unit` lists them, the longest period first.
    """

    reservation_id: str
    rung: int
    amounts: Mapping[Unit, int]
    expires_at_ms: int
    remaining_ttl_ms: int
    affected_scopes: tuple[Scope, ...]
    balances: tuple[Balance, ...]


class Lease(msgspec.Struct, frozen=True):
    """Until when a hold is kept without another extension."""

    expires_at_ms: int
    remaining_ttl_ms: int


class Settlement(msgspec.Struct, frozen=True):
    """How a hold ended, by unit. charged + uncovered = the actual; `released` went back."""

    state: State
    charged: Mapping[Unit, int]
    released: Mapping[Unit, int]
    uncovered: Mapping[Unit, int]
    balances: tuple[Balance, ...]


class Event(msgspec.Struct, frozen=True):
    """Charge what was spent without a hold. `key` is unique per tenant among reserves and events.

    `is_spent`: the money is gone already (a call that left while the ledger was away), so
    nothing refuses it; otherwise frozen and closed budgets and the overage rule do.
    """

    key: str
    payload_hash: str
    subject: Subject
    actual: Mapping[Unit, int]
    overage: Overage = Overage.ALLOW_IF_AVAILABLE
    is_spent: bool = False
    estimated: bool = False
    action_kind: str = "llm.completion"
    action_name: str = ""
    trace_id: str = ""
    price_version: str = ""
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)


class Applied(msgspec.Struct, frozen=True):
    """An event that was charged: its row is a COMMITTED reservation of nothing."""

    reservation_id: str
    settlement: Settlement


class Swept(msgspec.Struct, frozen=True):
    """What one batch of expiry did, by reservation id; `retired` are budgets nobody used."""

    expired: tuple[str, ...] = ()
    released: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    committed: tuple[str, ...] = ()
    retired: tuple[BudgetName, ...] = ()


class Declared(msgspec.Struct, frozen=True):
    """What became of a declaration: ignored where the ledger follows a newer version."""

    version: int
    is_ignored: bool


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
    amounts: Mapping[Unit, int]
    charged: Mapping[Unit, int] | None
    uncovered: Mapping[Unit, int]
    estimated: bool
    dispatched: bool
    on_expiry: OnExpiry
    created_at_ms: int
    expires_at_ms: int
    finalized_at_ms: int | None
    trace_id: str
    price_version: str
    metadata: Mapping[str, str]
    settled_metadata: Mapping[str, str]


class Ledger(Protocol):
    """What the gateway needs of a ledger, in the order of a hold's life."""

    async def reserve(self, request: ReserveRequest) -> Grant:
        """Hold the first rung that fits in every budgeted scope, or hold nothing.

        Budgets that a template declares are made here. Checks run root to leaf and the
        first failing scope wins, each in this order: FROZEN, CLOSED, over limit, debt
        (where the overdraft limit is 0), remaining. The refusal names what the smallest
        rung lacked. On one scope the units go as `Unit` lists them, and of one unit the
        longest period first. A run's budget comes after that of its scope.

        Raises:
            BudgetRefused: some scope could not; BUDGET_BUSY when every failing scope
                would hold the smallest rung once the calls in flight (not the uncertain
                ones) have settled.
            Refused: BUDGET_NOT_FOUND (no scope of the subject has a budget, and the call
                is not free in any unit); TEMPLATE_LIMIT (every scope could hold it, one
                has no budget yet).
            UnitMismatch: the subject has budgets, none in a unit of the plan.
            IdempotencyMismatch: `key` was used before with another payload.
            AmountOutOfRange: a sum would leave int64.
            ValueError: an empty plan, rungs in different units, a minimum above what is
                wanted, an amount in a free unit, a share outside 1 to 100, a lease or a
                grace longer than a day.
        """
        ...

    async def dispatch(self, reservation_id: str) -> None:
        """Record that the request is about to leave. Only an ACTIVE hold may.

        Raises:
            ReservationFinalized: it is in any other state, UNCERTAIN too.
        """
        ...

    async def grow(self, reservation_id: str, *, by: Mapping[Unit, int], key: str) -> Grant:
        """Raise the hold by `by` in all its scopes, or in none. Replays by `key`.

        Units of the hold that `by` does not name stay as they are.

        Raises:
            BudgetRefused: some scope has less than `by` remaining; as in `reserve`.
            UnitMismatch: a unit that the hold is not in.
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
        actual: Mapping[Unit, int],
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
            UnitMismatch: other units than those of the hold.
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
        actual: Mapping[Unit, int],
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
            UnitMismatch: other units than those of the hold.
            AmountOutOfRange, IdempotencyMismatch.
        """
        ...

    async def apply(self, event: Event) -> Applied:
        """Charge an event in all its scopes: a hold of nothing, committed at once.

        Budgets that templates declare are made, beyond `templates_max` only when the money
        is spent. Debt and being over the limit do not block it.

        Raises:
            BudgetRefused: BUDGET_FROZEN or BUDGET_CLOSED; not when it is spent.
            CommitRejected: overage REJECT or an overdraft limit; not when it is spent.
            Refused: BUDGET_NOT_FOUND, TEMPLATE_LIMIT; not when it is spent: it then is a
                row in no window.
            UnitMismatch, IdempotencyMismatch, AmountOutOfRange.

        Source: cycles-protocol-v0.yaml, /v1/events.
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

    async def declare(
        self, lines: Sequence[BudgetLine], *, templates_max: int, version: int = 1
    ) -> Declared:
        """Make the ledger follow the configuration, unless it follows a newer version.

        Only a *change* of a declared value moves `allocated`, by the difference, so that
        funds made by hand survive; status, overdraft limit and rollover follow the same
        rule. A line that is gone leaves its budget, undeclared. Of several templates that
        match a scope, the one of the greatest `specificity` governs it.

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
        `settle_uncertain="commit"`. Budgets that templates made and nobody used for their
        `idle_ttl_ms` are retired: their rows and entries stay, whoever comes next gets
        a new one. After the clock has leaped by more than an hour every
        open hold has one more lease.
        """
        ...


    async def seal(self, *, before_ms: int, limit: int) -> int:
        """Close runs of entries, at most `limit` of them; how many were closed.

        A run is closed when it is full (`seal.RUN_ENTRIES`), or as far as it was made
        before `before_ms`.
        """
        ...

    async def prune(self, *, before_ms: int, limit: int) -> int:
        """Let go of at most `limit` rows that are settled, and entries that are sealed.

        All of them from before `before_ms`. What nobody funded, what is open and what a
        budget is in stays. Answers how many went.
        """
        ...


class Books(Protocol):
    """What operators do, with the same file while the proxy runs."""

    async def all_balances(self) -> tuple[Balance, ...]:
        """Every budget's current window, by scope."""
        ...

    async def fund(
        self,
        name: BudgetName,
        operation: FundOperation,
        amount: int,
        *,
        actor: str,
        spent: int = 0,
        key: str | None = None,
    ) -> Balance:
        """Change what the budget's current window may spend: `rules.fund`. Replays by `key`.

        A budget that a template would make is made.

        Raises:
            Refused: BUDGET_NOT_FOUND.
            BudgetRefused: BUDGET_EXCEEDED, a DEBIT of more than remains; BUDGET_FROZEN
                or BUDGET_CLOSED.
            AmountOutOfRange, IdempotencyMismatch.
        """
        ...

    async def set_status(
        self, scope: Scope, unit: Unit | None, status: BudgetStatus, *, actor: str
    ) -> tuple[Balance, ...]:
        """Freeze, unfreeze or close the budgets of a scope; without a unit, in all units.

        No reserve is granted there from the moment this has returned. Budgets that
        templates would make are made.

        Raises:
            Refused: BUDGET_NOT_FOUND.
        """
        ...

    async def reservation(self, reservation_id: str) -> Reservation:
        """One row."""
        ...

    async def reservations(
        self, *, states: frozenset[State], limit: int, scope: Scope | None = None
    ) -> tuple[Reservation, ...]:
        """The newest rows in these states, newest first; those at or below a scope."""
        ...

    async def journal(self, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
        """A tenant's entries after this one, in their order; `journal.replay` adds them up."""
        ...

    async def tenants(self) -> tuple[str, ...]:
        """Whose journals there are, sorted."""
        ...

    async def seals(self, tenant: str) -> tuple[Seal, ...]:
        """The closed runs of a tenant's journal, oldest first."""
        ...

    async def verify(self) -> Audit:
        """Recompute every balance from the rows and from the journal, and every seal."""
        ...
