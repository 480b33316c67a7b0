"""The holds of the model, from the reserve to the end of the call."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

import msgspec

from proxy.domain.errors import (
    ExtensionsExhausted,
    IdempotencyMismatch,
    Reason,
    Refused,
    ReservationExpired,
    ReservationNotFound,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import budget_scopes, derive
from proxy.domain.subject import Subject
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.records import (
    Applied,
    BudgetName,
    Event,
    Grant,
    Lease,
    ReserveRequest,
    Rung,
    Settlement,
    Span,
)
from tests.ledger.model.tenants import Tenants
from tests.ledger.model.values import Hold, WindowId
from tests.ledger.model.windows import About, Change


class Holds(Tenants):
    """Every hold by its id."""

    def __init__(self) -> None:
        super().__init__()
        self.holds: dict[str, Hold] = {}

    def reserve(self, request: ReserveRequest, new_id: str) -> Grant:
        """Hold in every budget of the subject, or in none."""
        first = self._by_key(request.subject.tenant, request.key, request.payload_hash)
        if first is not None:
            if first.is_event:
                raise IdempotencyMismatch
            return self._again(first, first.grant)
        self.check_unasked(request.subject.tenant, request.key)
        self.check_new(request.subject.tenant)
        if not derive(request.subject):
            raise Refused(Reason.BUDGET_NOT_FOUND, "the subject names no level")
        units = request.plan[0].keys()
        names = self._budgets_of(request.subject, units, is_needed=not request.free)
        paid = [name for name in names if name.unit not in request.free]
        granted = rules.grant(
            self.look(lambda: self.settled(names)),
            request.plan,
            max_share_pct=request.max_share_pct,
            free=request.free,
        )
        self.check_templates(paid)
        windows = tuple([self.ensure(name) for name in paid])
        self.settle(windows)
        hold = self._row(request, new_id, windows, granted)
        balances = self.post(
            Kind.RESERVE,
            self.each(hold, lambda amount: Amounts(reserved=amount)),
            about(hold),
        )
        grant = msgspec.structs.replace(hold.grant, balances=tuple(balances))
        self.holds[new_id] = replace(hold, grant=grant)
        return grant

    def _row(
        self,
        request: ReserveRequest,
        reservation_id: str,
        windows: tuple[WindowId, ...],
        granted: rules.Granted,
    ) -> Hold:
        expires_at_ms = self.now_ms + request.ttl_ms
        amounts = dict(granted.amounts)
        grant = Grant(
            reservation_id, granted.rung, amounts, expires_at_ms, request.ttl_ms,
            derive(request.subject), (), request.annotation,
        )  # fmt: skip
        return Hold(
            reservation_id, request, grant, windows, amounts, self.now_ms, expires_at_ms,
            uncovered=dict.fromkeys(amounts, 0),
        )  # fmt: skip

    def _budgets_of(
        self, subject: Subject, units: Collection[Unit], *, is_needed: bool
    ) -> list[BudgetName]:
        """The budgets of the subject in these units; none is a refusal where one is needed."""
        scopes = budget_scopes(subject)
        names = list(self.names(scopes, units))
        if is_needed and not rules.covers([name.unit for name in names], units):
            if any(self.names(scopes, set(Unit))):
                raise UnitMismatch
            raise Refused(Reason.BUDGET_NOT_FOUND, f"no budget covers {scopes}")
        return names

    def _by_key(self, tenant: str | None, key: str, payload_hash: str) -> Hold | None:
        for hold in self.holds.values():
            if (hold.request.subject.tenant, hold.request.key) == (tenant, key):
                if hold.request.payload_hash != payload_hash:
                    raise IdempotencyMismatch
                return hold
        return None

    def _again(self, hold: Hold, grant: Grant) -> Grant:
        left_ms = self._left_ms(hold, grant.expires_at_ms)
        return msgspec.structs.replace(grant, remaining_ttl_ms=left_ms)

    def _left_ms(self, hold: Hold, expires_at_ms: int) -> int:
        return max(0, expires_at_ms - self.now_ms) if hold.state is State.ACTIVE else 0

    def apply(self, event: Event, new_id: str) -> Applied:
        """Charge what was spent without a hold: one of nothing, committed at once."""
        first = self._by_key(event.subject.tenant, event.key, event.payload_hash)
        if first is not None:
            if not first.is_event or first.settled is None:
                raise IdempotencyMismatch
            return Applied(first.reservation_id, first.settled[2])
        self.check_unasked(event.subject.tenant, event.key)
        if not event.is_spent:
            self.check_new(event.subject.tenant)
        request = _as_request(event)
        names = self._budgets_of(event.subject, event.actual, is_needed=not event.is_spent)
        before = self.look(lambda: self.settled(names))
        if not event.is_spent:
            plan = {unit: Span(amount, amount) for unit, amount in event.actual.items()}
            rules.grant(before, [plan], max_share_pct=100, free=event.actual)
        nothing = dict.fromkeys(event.actual, 0)
        taken = rules.charge(
            before,
            held=nothing,
            actual=event.actual,
            overage=event.overage,
            refusable=not event.is_spent,
        )
        if not event.is_spent:
            self.check_templates(names)
        windows = tuple([self.ensure(name) for name in names])
        self.settle(windows)
        hold = replace(
            self._row(request, new_id, windows, rules.Granted(0, nothing)),
            state=State.COMMITTED,
            is_event=True,
            charged=taken.charged,
            uncovered=taken.uncovered,
            estimated=event.estimated,
            finalized_at_ms=self.now_ms,
        )
        changes = zip(windows, taken.changes, strict=True)
        balances = self.post(Kind.EVENT, changes, about(hold))
        settlement = Settlement(
            State.COMMITTED, taken.charged, nothing, taken.uncovered, tuple(balances)
        )
        self.holds[new_id] = replace(hold, settled=(None, "", settlement))
        self.repay(windows)
        return Applied(new_id, settlement)

    def dispatch(self, reservation_id: str) -> None:
        """The request is about to leave."""
        hold = self.find(reservation_id)
        rules.move(hold.state, Kind.DISPATCH)
        if not hold.dispatched:
            self.holds[reservation_id] = replace(hold, dispatched=True)
            self.post(Kind.DISPATCH, [], about(hold))

    def grow(self, reservation_id: str, by: Mapping[Unit, int], key: str) -> Grant:
        """Raise the hold in all its windows, or in none."""
        for amount in by.values():
            rules.check_amount(amount)
        hold = self.find(reservation_id)
        first = self.replayed(hold, Kind.GROW, key, dict(by))
        if first is not None:
            assert isinstance(first, Grant)
            return self._again(hold, first)
        self.check_new(hold.request.subject.tenant)
        self._check_lease(hold, Kind.GROW, hold.lapses_at_ms)
        if not by.keys() <= hold.amounts.keys():
            raise UnitMismatch
        windows = self.standing(hold)
        self.settle(windows)
        more: Rung = {unit: Span(amount, amount) for unit, amount in by.items()}
        balances = [b for b in map(self.balance, windows) if b.unit in by]
        rules.grant(balances, [more], max_share_pct=100, own=hold.amounts)
        amounts = {unit: amount + by.get(unit, 0) for unit, amount in hold.amounts.items()}
        for amount in amounts.values():
            rules.check_amount(amount)
        changes = [(w, Amounts(reserved=by.get(self.unit(w), 0))) for w in windows]
        grant = msgspec.structs.replace(
            hold.grant,
            annotation="",
            amounts=amounts,
            expires_at_ms=hold.expires_at_ms,
            balances=tuple(self.post(Kind.GROW, changes, about(hold))),
        )
        self.holds[reservation_id] = replace(hold, amounts=amounts)
        self.keep(reservation_id, Kind.GROW, key, dict(by), grant)
        return self._again(hold, grant)

    def extend(self, reservation_id: str, by_ms: int, key: str) -> Lease:
        """Move the end of the lease from where it is."""
        hold = self.find(reservation_id)
        first = self.replayed(hold, Kind.EXTEND, key, by_ms)
        if first is None:
            self.check_lasting(hold.request)
            self._check_lease(hold, Kind.EXTEND, hold.expires_at_ms)
            most = hold.request.max_extensions
            if most is not None and hold.extensions >= most:
                raise ExtensionsExhausted
            self._move_lease(hold, by_ms, extensions=1)
            first = hold.expires_at_ms + by_ms
            self.keep(reservation_id, Kind.EXTEND, key, by_ms, first)
        assert isinstance(first, int)
        return Lease(first, self._left_ms(hold, first))

    def renew_leases(self) -> None:
        """The clock has leaped: every open hold has one more lease."""
        for hold in self.in_state(State.ACTIVE):
            by_ms = self.now_ms + hold.request.ttl_ms - hold.expires_at_ms
            if by_ms > 0:
                self._move_lease(hold, by_ms, actor="clock")

    def _move_lease(self, hold: Hold, by_ms: int, *, extensions: int = 0, actor: str = "") -> None:
        self.holds[hold.reservation_id] = replace(
            hold,
            expires_at_ms=hold.expires_at_ms + by_ms,
            extensions=hold.extensions + extensions,
        )
        self.post(Kind.EXTEND, [], about(hold, actor=actor))

    def _check_lease(self, hold: Hold, kind: Kind, until_ms: int) -> None:
        if hold.state in (State.EXPIRED, State.UNCERTAIN):
            raise ReservationExpired
        rules.move(hold.state, kind)
        if self.now_ms > until_ms:
            raise ReservationExpired

    # What the steps share

    def find(self, reservation_id: str) -> Hold:
        """The hold of this id."""
        if reservation_id not in self.holds:
            raise ReservationNotFound(reservation_id)
        return self.holds[reservation_id]

    def in_state(self, state: State) -> list[Hold]:
        """Oldest first."""
        return [hold for hold in self.holds.values() if hold.state is state]

    def unit(self, window: WindowId) -> Unit:
        """What is counted in the window."""
        return self.budgets[window.budget].name.unit

    def each(self, hold: Hold, change: Callable[[int], Amounts]) -> Iterator[Change]:
        """The same change in every window of the hold, by what it holds there."""
        return ((window, change(hold.amounts[self.unit(window)])) for window in self.standing(hold))

    def standing(self, hold: Hold, unit: Unit | None = None) -> tuple[WindowId, ...]:
        """The windows of the hold, perhaps in one unit, that belong to a budget still there."""
        return tuple(
            window
            for window in hold.windows
            if not self.budgets[window.budget].is_retired and unit in (None, self.unit(window))
        )

    def replayed(
        self, hold: Hold, kind: Kind, key: str, payload: object
    ) -> Grant | int | Settlement | None:
        """The first answer to this key, if it was used before."""
        found = hold.replies.get((kind, key))
        if found is None:
            return None
        if found[0] != payload:
            raise IdempotencyMismatch
        return found[1]

    def keep(
        self,
        reservation_id: str,
        kind: Kind,
        key: str,
        payload: object,
        answer: Grant | int | Settlement,
    ) -> None:
        """Remember an answer."""
        hold = self.holds[reservation_id]
        replies = {**hold.replies, (kind, key): (payload, answer)}
        self.holds[reservation_id] = replace(hold, replies=replies)


def about(hold: Hold, *, actor: str = "") -> About:
    """What the entries of a hold say."""
    request = hold.request
    return About(hold.scope, hold.reservation_id, actor, request.trace_id, request.price_version)


def _as_request(event: Event) -> ReserveRequest:
    """The hold of nothing that an event is."""
    return ReserveRequest(
        key=event.key,
        payload_hash=event.payload_hash,
        subject=event.subject,
        plan=({unit: Span(0, 0) for unit in event.actual},),
        ttl_ms=0,
        overage=event.overage,
        action_kind=event.action_kind,
        action_name=event.action_name,
        trace_id=event.trace_id,
        price_version=event.price_version,
        metadata=event.metadata,
    )
