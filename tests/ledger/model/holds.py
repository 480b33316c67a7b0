"""A ledger in dictionaries: the oracle of the state machine.

It shares the pure rules with the homes and nothing else: no SQL, no cache, no
transaction. What a home stores, finds and leaves alone is what it checks.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from proxy.domain.errors import (
    ActorRequired,
    ExtensionsExhausted,
    IdempotencyMismatch,
    Reason,
    Refused,
    ReservationExpired,
    ReservationFinalized,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.reservation import OnExpiry, State
from proxy.domain.scope import derive
from proxy.ledger import rules
from proxy.ledger.journal import Amounts, Kind, WindowName
from proxy.ledger.protocol import Balance, Grant, Lease, ReserveRequest, Rung, Settlement, Swept
from tests.ledger.model.budgets import Budgets

_LEAP_MS = 3_600_000
_UNCERTAIN_AFTER_MS = 900_000


@dataclass
class Hold:
    """A hold and all that was ever asked of it."""

    reservation_id: str
    request: ReserveRequest
    grant: Grant
    windows: list[WindowName]
    amount: int
    created_at_ms: int
    expires_at_ms: int
    state: State = State.ACTIVE
    dispatched: bool = False
    extensions: int = 0
    uncertain_since_ms: int = 0
    charged: int = 0
    uncovered: int = 0
    estimated: bool = False
    settled: tuple[str | None, str, Settlement] | None = None
    replies: dict[tuple[Kind, str], tuple[str, Grant | int | Settlement]] = field(
        default_factory=dict
    )

    @property
    def lapses_at_ms(self) -> int:
        return self.expires_at_ms + self.request.grace_ms


class Model(Budgets):
    """The same operations as a home, one after the other."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__()
        self._clock = clock
        self.holds: dict[str, Hold] = {}

    def tick(self) -> None:
        """What the clock does before any operation."""
        wall_ms = self._clock()
        leaped = bool(self.now_ms) and wall_ms - self.now_ms > _LEAP_MS
        self.now_ms = max(self.now_ms, wall_ms)
        if leaped:
            for hold in self._in(State.ACTIVE):
                hold.expires_at_ms = max(hold.expires_at_ms, self.now_ms + hold.request.ttl_ms)

    # Holds

    def reserve(self, request: ReserveRequest, new_id: str) -> Grant:
        for hold in self.holds.values():
            same_tenant = hold.request.subject.tenant == request.subject.tenant
            if same_tenant and hold.request.key == request.key:
                if hold.request.payload_hash != request.payload_hash:
                    raise IdempotencyMismatch
                return self._again(hold, hold.grant)
        scopes = derive(request.subject)
        current = self.current(scopes, request.unit)
        balances = [balance for _, balance in current]
        if request.free:
            rules.check_free(balances)
            return self._hold(request, new_id, [], rules.Granted(0, 0))
        if not current:
            if any(self.current(scopes, unit) for unit in Unit):
                raise UnitMismatch
            raise Refused(Reason.BUDGET_NOT_FOUND, "")
        granted = rules.grant(balances, request.plan, max_share_pct=request.max_share_pct)
        new = sum(name not in self.budgets for name, _ in current)
        made = sum(budget.template for budget in self.budgets.values())
        if new and made + new > self.templates_max:
            raise Refused(Reason.TEMPLATE_LIMIT, "")
        windows = [self.open(name) for name, _ in current]
        return self._hold(request, new_id, windows, granted)

    def _hold(
        self,
        request: ReserveRequest,
        reservation_id: str,
        windows: list[WindowName],
        granted: rules.Granted,
    ) -> Grant:
        balances = self.post(windows, [Amounts(reserved=granted.amount)] * len(windows))
        expires_at_ms = self.now_ms + request.ttl_ms
        grant = Grant(
            reservation_id, granted.rung, granted.amount, expires_at_ms, request.ttl_ms,
            derive(request.subject), tuple(balances),
        )  # fmt: skip
        self.holds[reservation_id] = Hold(
            reservation_id, request, grant, windows, granted.amount, self.now_ms, expires_at_ms
        )
        return grant

    def _again(self, hold: Hold, grant: Grant) -> Grant:
        return replace(grant, remaining_ttl_ms=self._left_ms(hold, grant.expires_at_ms))

    def _left_ms(self, hold: Hold, expires_at_ms: int) -> int:
        return max(0, expires_at_ms - self.now_ms) if hold.state is State.ACTIVE else 0

    def dispatch(self, reservation_id: str) -> None:
        hold = self.holds[reservation_id]
        rules.move(hold.state, Kind.DISPATCH)
        hold.dispatched = True

    def grow(self, reservation_id: str, by: int, key: str) -> Grant:
        hold = self.holds[reservation_id]
        first = self._replayed(hold, Kind.GROW, key, str(by))
        if first is not None:
            assert isinstance(first, Grant)
            return self._again(hold, first)
        self._check_lease(hold, Kind.GROW, hold.lapses_at_ms)
        if hold.windows:
            balances = [self.balance(window) for window in hold.windows]
            rules.grant(balances, [Rung(by, by)], max_share_pct=100, own=hold.amount)
        after = self.post(hold.windows, [Amounts(reserved=by)] * len(hold.windows))
        hold.amount += by
        grant = replace(
            hold.grant,
            amount=hold.amount,
            expires_at_ms=hold.expires_at_ms,
            balances=tuple(after),
        )
        hold.replies[Kind.GROW, key] = (str(by), grant)
        return self._again(hold, grant)

    def extend(self, reservation_id: str, by_ms: int, key: str) -> Lease:
        hold = self.holds[reservation_id]
        first = self._replayed(hold, Kind.EXTEND, key, str(by_ms))
        if first is None:
            self._check_lease(hold, Kind.EXTEND, hold.expires_at_ms)
            most = hold.request.max_extensions
            if most is not None and hold.extensions >= most:
                raise ExtensionsExhausted
            hold.extensions += 1
            hold.expires_at_ms += by_ms
            first = hold.expires_at_ms
            hold.replies[Kind.EXTEND, key] = (str(by_ms), first)
        assert isinstance(first, int)
        return Lease(first, self._left_ms(hold, first))

    def _replayed(
        self, hold: Hold, kind: Kind, key: str, payload: str
    ) -> Grant | int | Settlement | None:
        found = hold.replies.get((kind, key))
        if found is None:
            return None
        if found[0] != payload:
            raise IdempotencyMismatch
        return found[1]

    def _check_lease(self, hold: Hold, kind: Kind, until_ms: int) -> None:
        if hold.state in (State.EXPIRED, State.UNCERTAIN):
            raise ReservationExpired
        rules.move(hold.state, kind)
        if self.now_ms > until_ms:
            raise ReservationExpired

    # Ends

    def commit(self, reservation_id: str, actual: int, key: str, payload_hash: str) -> Settlement:
        hold = self.holds[reservation_id]
        first = self._settled(hold, State.COMMITTED, key, payload_hash)
        if first is not None:
            return first
        self._check_open(hold, Kind.COMMIT)
        return self._charge(hold, actual, key, payload_hash)

    def _charge(self, hold: Hold, actual: int, key: str | None, payload_hash: str) -> Settlement:
        taken = rules.charge(
            [self.balance(window) for window in hold.windows],
            held=hold.amount,
            actual=actual,
            overage=hold.request.overage,
            refusable=hold.request.on_expiry is OnExpiry.RELEASE,
            uncertain=hold.state is State.UNCERTAIN,
        )
        balances = self.post(hold.windows, taken.changes)
        released = max(0, hold.amount - actual)
        hold.charged, hold.uncovered, hold.estimated = taken.charged, taken.uncovered, key is None
        return self._end(hold, State.COMMITTED, key, payload_hash, balances, released=released)

    def release(self, reservation_id: str, key: str, actor: str) -> Settlement:
        hold = self.holds[reservation_id]
        first = self._settled(hold, State.RELEASED, key, "")
        if first is not None:
            return first
        self._check_open(hold, Kind.RELEASE)
        if hold.state is State.UNCERTAIN and not actor:
            raise ActorRequired
        return self._give_back(hold, State.RELEASED, key)

    def _give_back(self, hold: Hold, state: State, key: str | None) -> Settlement:
        change = rules.give_back(hold.amount, uncertain=hold.state is State.UNCERTAIN)
        balances = self.post(hold.windows, [change] * len(hold.windows))
        return self._end(hold, state, key, "", balances, released=hold.amount)

    def _end(
        self,
        hold: Hold,
        state: State,
        key: str | None,
        payload_hash: str,
        balances: Sequence[Balance],
        *,
        released: int,
    ) -> Settlement:
        hold.state = state
        settlement = Settlement(state, hold.charged, released, hold.uncovered, tuple(balances))
        hold.settled = (key, payload_hash, settlement)
        self.repay(hold.windows)
        return settlement

    def _settled(self, hold: Hold, state: State, key: str, payload_hash: str) -> Settlement | None:
        if hold.settled is None or hold.settled[0] != key or hold.state is not state:
            return None
        if hold.settled[1] != payload_hash:
            raise IdempotencyMismatch
        return hold.settled[2]

    def _check_open(self, hold: Hold, kind: Kind) -> None:
        if hold.state is State.EXPIRED:
            raise ReservationExpired
        rules.move(hold.state, kind)
        is_leased = hold.request.on_expiry is OnExpiry.RELEASE and hold.state is State.ACTIVE
        if is_leased and self.now_ms > hold.lapses_at_ms:
            raise ReservationExpired

    def charge_late(self, reservation_id: str, actual: int, key: str, payload: str) -> Settlement:
        hold = self.holds[reservation_id]
        first = self._replayed(hold, Kind.CHARGE_LATE, key, payload)
        if first is not None:
            assert isinstance(first, Settlement)
            return first
        if hold.state is State.ACTIVE and self.now_ms > hold.lapses_at_ms:
            self._give_back(hold, State.EXPIRED, None)
        rules.move(hold.state, Kind.CHARGE_LATE)
        if hold.state is State.COMMITTED and not hold.estimated:
            raise ReservationFinalized(hold.state)
        paid = hold.charged + hold.uncovered
        taken = rules.charge(
            [self.balance(window) for window in hold.windows],
            held=0,
            actual=max(0, actual - paid),
            overage=hold.request.overage,
            refusable=False,
        )
        balances = self.post(hold.windows, taken.changes)
        hold.charged += taken.charged
        hold.uncovered += taken.uncovered
        hold.estimated = paid > actual
        settlement = Settlement(hold.state, hold.charged, 0, hold.uncovered, tuple(balances))
        hold.replies[Kind.CHARGE_LATE, key] = (payload, settlement)
        self.repay(hold.windows)
        return settlement

    def repay(self, windows: Iterable[WindowName]) -> None:
        touched = {
            window: balance
            for window in windows
            if (balance := self.balance(window)).uncovered > 0 or balance.is_over_limit
        }
        roomy = [w for w, b in touched.items() if b.remaining > 0 or not b.uncovered]
        owing = [
            (number, hold)
            for number, hold in enumerate(self.holds.values())
            if hold.uncovered and any(window in roomy for window in hold.windows)
        ]
        concerned = [*roomy, *(window for _, hold in owing for window in hold.windows)]
        repayment = rules.repay(
            {window: self.balance(window) for window in concerned},
            [rules.Arrear(number, tuple(hold.windows), hold.uncovered) for number, hold in owing],
        )
        by_number = dict(owing)
        for arrear in repayment.paid:
            hold = by_number[arrear.number]
            self.post(hold.windows, [rules.pay(hold.uncovered)] * len(hold.windows))
            hold.charged, hold.uncovered = hold.charged + hold.uncovered, 0
        for window in repayment.relieved:
            self.post([window], [rules.RELIEF])

    # Housekeeping

    def mark_uncertain(self, reservation_id: str) -> None:
        hold = self.holds[reservation_id]
        rules.move(hold.state, Kind.MARK_UNCERTAIN)
        if hold.state is State.ACTIVE:
            hold.state, hold.uncertain_since_ms = State.UNCERTAIN, self.now_ms
            self.post(hold.windows, [rules.doubt(hold.amount)] * len(hold.windows))

    def recover(self) -> Swept:
        active = sorted(self._in(State.ACTIVE), key=lambda hold: hold.lapses_at_ms)
        return self._end_leases(h for h in active if h.request.on_expiry is OnExpiry.UNCERTAIN)

    def expire(self) -> Swept:
        lapsed = [h for h in self._in(State.ACTIVE) if h.lapses_at_ms < self.now_ms]
        lapsed.sort(key=lambda hold: hold.lapses_at_ms)
        swept = self._end_leases(lapsed)
        since_ms = self.now_ms - _UNCERTAIN_AFTER_MS
        overdue = [h for h in self._in(State.UNCERTAIN) if h.uncertain_since_ms <= since_ms]
        overdue.sort(key=lambda hold: hold.uncertain_since_ms)
        for hold in overdue:
            self._charge(hold, hold.amount, None, "")
        return replace(swept, committed=tuple(hold.reservation_id for hold in overdue))

    def _end_leases(self, holds: Iterable[Hold]) -> Swept:
        ended: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        for hold in holds:
            kind = rules.at_lease_end(hold.request.on_expiry, dispatched=hold.dispatched)
            ended[kind].append(hold.reservation_id)
            if kind is Kind.MARK_UNCERTAIN:
                self.mark_uncertain(hold.reservation_id)
            else:
                self._give_back(hold, rules.move(hold.state, kind), None)
        return Swept(
            tuple(ended[Kind.EXPIRE]),
            tuple(ended[Kind.RELEASE]),
            tuple(ended[Kind.MARK_UNCERTAIN]),
        )

    def _in(self, state: State) -> list[Hold]:
        return [hold for hold in self.holds.values() if hold.state is state]
