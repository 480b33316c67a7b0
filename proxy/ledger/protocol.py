"""What a ledger does. Every home of the ledger is one of these, with one behaviour.

Amounts are int64, by unit (USD_MICROCENTS: 1 USD = 10**8); a hold may be in several units
at once. Times are milliseconds on the ledger's own clock, never the caller's. Rules:
docs/semantics.md; source: cycles-protocol-v0.yaml, /v1/reservations and below.

Every operation also raises LedgerUnavailable (nobody can tell whether it happened: try
again with the same key), and every one on a hold ReservationNotFound.

A tenant may be suspended or closed. Then new holds, more of one (`grow`) and events that
are not spent yet raise Refused: TENANT_SUSPENDED or TENANT_CLOSED, after a replay and before
anything that a budget or the state of a hold says. A closed one refuses `extend`, `commit`
and `release` of holds made over the protocol (`on_expiry` release) in the same place. What
the proxy has sent is settled as ever, and leases end as ever.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol

from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.audit import Audit
from proxy.ledger.journal import Entry
from proxy.ledger.records import (
    Applied,
    Balance,
    BudgetLine,
    BudgetName,
    BudgetStatus,
    Declared,
    Event,
    Forecast,
    FundOperation,
    Grant,
    Lease,
    Reservation,
    ReservationQuery,
    ReserveRequest,
    Settlement,
    Swept,
    TenantStatus,
)
from proxy.ledger.seal import Seal


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

    async def decide(self, request: ReserveRequest) -> Forecast:
        """What `reserve` would do now. Nothing is held, made or remembered; its key is not read.

        Raises:
            What `reserve` would raise, but for IdempotencyMismatch.
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

    async def recall(self, tenant: str, key: str, payload_hash: str) -> str | None:
        """What was remembered under this key, if anything was.

        Raises:
            IdempotencyMismatch: with another payload; or a hold or an event has the key.
        """
        ...

    async def remember(
        self, tenant: str, key: str, payload_hash: str, answer: str, *, keep_ms: int
    ) -> str:
        """Keep the answer to a question that changed nothing; the first one, which may be another.

        It is kept for at least `keep_ms`. Meanwhile a reserve or an event with its key
        raises IdempotencyMismatch.

        Raises:
            IdempotencyMismatch: as in `recall`.
        """
        ...

    async def balances(self, scopes: Sequence[Scope], *units: Unit) -> tuple[Balance, ...]:
        """The budgets on these scopes in these units, as a reserve would find and order them.

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

    async def all_balances(self, tenant: str | None = None) -> tuple[Balance, ...]:
        """The current window of every budget, or of every budget of one tenant, by scope."""
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

        A budget that a template would make is made, and so is that of a purse for its
        lifetime, which counts against no `templates_max`.

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

    async def count_uncertain(self) -> int:
        """How many holds are UNCERTAIN. Reads no row, so it may be asked all the time."""
        ...

    async def find(self, query: ReservationQuery) -> tuple[Reservation, ...]:
        """The rows that a query asks for, in its order.

        Raises:
            ValueError: a level that subjects do not have, or less than one row.
        """
        ...

    async def tenant_status(self, tenant: str) -> TenantStatus:
        """ACTIVE where nobody has said otherwise.

        Raises:
            LedgerUnavailable: what is written there is no status.
        """
        ...

    async def set_tenant_status(self, tenant: str, status: TenantStatus, *, actor: str) -> None:
        """Suspend, close or reopen a tenant, journalled with who did it.

        From the moment this has returned it is in force; what it was before does not matter.
        """
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
