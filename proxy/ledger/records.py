"""What is asked of a ledger, and what it answers.

Amounts are int64, by unit (USD_MICROCENTS: 1 USD = 10**8). Times are milliseconds on the
ledger's own clock.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from proxy.domain.decision import Caps
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage, State
from proxy.domain.scope import Scope, ScopePattern
from proxy.domain.subject import Subject


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


class TenantStatus(StrEnum):
    """SUSPENDED stops new holds; CLOSED stops all that came over the protocol, for good.

    What the proxy itself has sent is charged whatever its tenant is.
    Source: cycles-protocol-v0.yaml, "ERROR SEMANTICS", closed owning tenant.
    """

    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    CLOSED = "CLOSED"


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
    `annotation` is kept with the first answer, and given back with every replay of it.
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
    annotation: str = ""


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
    those of one scope by unit as `Unit` lists them, the longest period first. `caps` are
    ceilings that an authority elsewhere put on the call, which all count; `evidence` is where
    it attests that: an id, and a URL if it gave one.
    """

    reservation_id: str
    rung: int
    amounts: Mapping[Unit, int]
    expires_at_ms: int
    remaining_ttl_ms: int
    affected_scopes: tuple[Scope, ...]
    balances: tuple[Balance, ...]
    annotation: str = ""
    caps: tuple[Caps, ...] = ()
    evidence: str = ""


class Forecast(msgspec.Struct, frozen=True):
    """What a reserve would hold if it were made now. `balances` are without that hold."""

    rung: int
    amounts: Mapping[Unit, int]
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
    `is_event`: it never was a hold; it was charged at once.
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
    is_event: bool = False


class SortKey(StrEnum):
    """What rows can be sorted by; rows that are equal in it, by their id in the same direction.

    RESERVED is the amount held, of the unit that `Unit` lists first.
    Source: cycles-protocol-v0.yaml, parameter `sort_by` of listReservations.
    """

    RESERVATION_ID = "reservation_id"
    TENANT = "tenant"
    SCOPE_PATH = "scope_path"
    STATUS = "status"
    RESERVED = "reserved"
    CREATED_AT_MS = "created_at_ms"
    EXPIRES_AT_MS = "expires_at_ms"


class Between(NamedTuple):
    """A span of time, both ends in it; None is open."""

    from_ms: int | None = None
    to_ms: int | None = None


class Place(NamedTuple):
    """Where a row stands in a sorted list: what it is sorted by, and its id."""

    value: str | int
    reservation_id: str


class ReservationQuery(msgspec.Struct, frozen=True):
    """Rows of one tenant that were holds (no events), sorted; at most `limit` after `after`.

    `levels`: the rows whose subject has these values, as scopes have them, at these levels.
    `finalized` is of COMMITTED and RELEASED rows only: others have no such time. A STATUS is
    sorted by its name, and UNCERTAIN as the ACTIVE that it reads as on the wire. The row at
    `after`, and rows before it in the order, are left out, whether it is still there or not.
    """

    tenant: str
    limit: int
    states: frozenset[State] = frozenset(State)
    key: str | None = None
    levels: Mapping[str, str] = msgspec.field(default_factory=dict)
    created: Between = Between()
    expires: Between = Between()
    finalized: Between = Between()
    sort: SortKey = SortKey.CREATED_AT_MS
    is_descending: bool = True
    after: Place | None = None
