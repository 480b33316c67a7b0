"""How the holds of the model end, and what is charged once there is room again."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

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
from proxy.ledger.records import Settlement, Swept
from tests.ledger.model.holds import Holds, about
from tests.ledger.model.values import Hold, WindowId
from tests.ledger.model.windows import About

_UNCERTAIN_AFTER_MS = 900_000


class Endings(Holds):
    """The ends of holds: asked for, or come with time."""

    def commit(
        self,
        reservation_id: str,
        actual: Mapping[Unit, int],
        key: str,
        payload_hash: str,
        *,
        estimated: bool = False,
        metadata: Mapping[str, str] | None = None,
    ) -> Settlement:
        """Charge what the call cost."""
        for amount in actual.values():
            rules.check_amount(amount)
        hold = self.find(reservation_id)
        first = self._settled(hold, State.COMMITTED, key, payload_hash)
        if first is not None:
            return first
        self.check_lasting(hold.request)
        self._check_open(hold, Kind.COMMIT)
        if actual.keys() != hold.amounts.keys():
            raise UnitMismatch
        hold = replace(hold, estimated=estimated, settled_metadata=metadata or {})
        return self._charge(hold, actual, key, payload_hash)

    def _charge(
        self,
        hold: Hold,
        actual: Mapping[Unit, int],
        key: str | None,
        payload_hash: str,
        *,
        actor: str = "",
    ) -> Settlement:
        windows = self.standing(hold)
        self.settle(windows)
        taken = rules.charge(
            [self.balance(window) for window in windows],
            held=hold.amounts,
            actual=actual,
            overage=hold.request.overage,
            refusable=hold.request.on_expiry is OnExpiry.RELEASE,
            uncertain=hold.state is State.UNCERTAIN,
        )
        changes = zip(windows, taken.changes, strict=True)
        balances = self.post(Kind.COMMIT, changes, about(hold, actor=actor))
        released = {unit: max(0, held - actual[unit]) for unit, held in hold.amounts.items()}
        settlement = Settlement(
            State.COMMITTED, taken.charged, released, taken.uncovered, tuple(balances)
        )
        return self._end(hold, settlement, key, payload_hash)

    def release(self, reservation_id: str, key: str, actor: str) -> Settlement:
        """Give the whole hold back."""
        hold = self.find(reservation_id)
        first = self._settled(hold, State.RELEASED, key, "")
        if first is not None:
            return first
        self.check_lasting(hold.request)
        self._check_open(hold, Kind.RELEASE)
        if hold.state is State.UNCERTAIN and not actor:
            raise ActorRequired
        return self._give_back(hold, Kind.RELEASE, key, actor=actor)

    def _give_back(self, hold: Hold, kind: Kind, key: str | None, *, actor: str = "") -> Settlement:
        state = rules.move(hold.state, kind)
        self.settle(self.standing(hold))
        uncertain = hold.state is State.UNCERTAIN
        changes = self.each(hold, lambda held: rules.give_back(held, uncertain=uncertain))
        balances = self.post(kind, changes, about(hold, actor=actor))
        nothing = dict.fromkeys(hold.amounts, 0)
        settlement = Settlement(state, nothing, hold.amounts, nothing, tuple(balances))
        return self._end(hold, settlement, key, "")

    def _end(
        self, hold: Hold, settlement: Settlement, key: str | None, payload_hash: str
    ) -> Settlement:
        self.holds[hold.reservation_id] = replace(
            hold,
            state=settlement.state,
            charged=settlement.charged,
            uncovered=settlement.uncovered,
            settled=(key, payload_hash, settlement),
            finalized_at_ms=self.now_ms,
        )
        self.repay(self.standing(hold))
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

    def charge_late(
        self,
        reservation_id: str,
        actual: Mapping[Unit, int],
        key: str,
        payload_hash: str,
        *,
        estimated: bool = False,
    ) -> Settlement:
        """Bring what an ended hold has paid up to its actual."""
        for amount in actual.values():
            rules.check_amount(amount)
        hold = self.find(reservation_id)
        first = self.replayed(hold, Kind.CHARGE_LATE, key, payload_hash)
        if first is not None:
            assert isinstance(first, Settlement)
            return first
        if hold.state is State.ACTIVE and self.now_ms > hold.lapses_at_ms:
            self._give_back(hold, Kind.EXPIRE, None)
            hold = self.find(reservation_id)
        rules.move(hold.state, Kind.CHARGE_LATE)
        if hold.state is State.COMMITTED and not hold.estimated:
            raise ReservationFinalized(hold.state)
        if actual.keys() != hold.amounts.keys():
            raise UnitMismatch
        settlement = self._charge_missing(hold, actual, estimated=estimated)
        self.keep(reservation_id, Kind.CHARGE_LATE, key, payload_hash, settlement)
        self.repay(self.standing(hold))
        return settlement

    def _charge_missing(
        self, hold: Hold, actual: Mapping[Unit, int], *, estimated: bool
    ) -> Settlement:
        """Charge what was not paid yet, to the budgets that are still there."""
        windows = self.standing(hold)
        self.settle(windows)
        hold = self.find(hold.reservation_id)
        charged = hold.charged or {}
        paid = {unit: charged[unit] + hold.uncovered[unit] for unit in hold.amounts}
        taken = rules.charge(
            [self.balance(window) for window in windows],
            held=dict.fromkeys(hold.amounts, 0),
            actual={unit: max(0, actual[unit] - paid[unit]) for unit in hold.amounts},
            overage=hold.request.overage,
            refusable=False,
        )
        changes = zip(windows, taken.changes, strict=True)
        balances = self.post(Kind.CHARGE_LATE, changes, about(hold))
        hold = replace(
            hold,
            charged={unit: charged[unit] + taken.charged[unit] for unit in hold.amounts},
            uncovered={u: hold.uncovered[u] + taken.uncovered[u] for u in hold.amounts},
            estimated=estimated or any(paid[unit] > actual[unit] for unit in hold.amounts),
        )
        self.holds[hold.reservation_id] = hold
        nothing = dict.fromkeys(hold.amounts, 0)
        return Settlement(hold.state, hold.charged or {}, nothing, hold.uncovered, tuple(balances))

    def repay(self, windows: Iterable[WindowId]) -> None:
        """Where these windows have room, charge what they owe, oldest hold first."""
        roomy = [window for window in windows if rules.may_repay(self.balance(window))]
        arrears = self._arrears_in(roomy)
        concerned = [*roomy, *(window for arrear in arrears for window in arrear.windows)]
        for window in concerned:
            self.roll(window)
        repayment = rules.repay({window: self.balance(window) for window in concerned}, arrears)
        ids = list(self.holds)
        for arrear in repayment.paid:
            self._pay(self.holds[ids[arrear.number]], arrear)
        for window in repayment.relieved:
            scope = self.budgets[window.budget].name.scope
            self.post(Kind.RELIEVE, [(window, rules.RELIEF)], About(scope))

    def _arrears_in(self, windows: Sequence[WindowId]) -> list[rules.Arrear[WindowId]]:
        """What the oldest of the holds that these windows owe for lack in their units."""
        arrears = [
            rules.Arrear(number, unit, standing, uncovered)
            for number, hold in enumerate(self.holds.values())
            for unit, uncovered in hold.uncovered.items()
            if uncovered and not {*(standing := self.standing(hold, unit))}.isdisjoint(windows)
        ]
        oldest = sorted({arrear.number for arrear in arrears})[: rules.ARREARS_MAX]
        return [arrear for arrear in arrears if arrear.number in oldest]

    def _pay(self, hold: Hold, arrear: rules.Arrear[WindowId]) -> None:
        change = rules.pay(arrear.uncovered)
        self.post(Kind.REPAY, [(window, change) for window in arrear.windows], about(hold))
        charged = hold.charged or {}
        self.holds[hold.reservation_id] = replace(
            hold,
            charged={**charged, arrear.unit: charged[arrear.unit] + arrear.uncovered},
            uncovered={**hold.uncovered, arrear.unit: 0},
        )

    # Housekeeping

    def mark_uncertain(self, reservation_id: str) -> None:
        """Nobody knows what became of this call."""
        hold = self.find(reservation_id)
        rules.move(hold.state, Kind.MARK_UNCERTAIN)
        if hold.state is State.ACTIVE:
            self.settle(self.standing(hold))
            self.post(Kind.MARK_UNCERTAIN, self.each(hold, rules.doubt), about(hold))
            self.holds[reservation_id] = replace(
                hold, state=State.UNCERTAIN, uncertain_since_ms=self.now_ms
            )

    def recover(self) -> Swept:
        """End what the last process left: its own holds, not those made over the protocol."""
        active = sorted(self.in_state(State.ACTIVE), key=lambda hold: hold.lapses_at_ms)
        return self._end_leases(
            [hold for hold in active if hold.request.on_expiry is OnExpiry.UNCERTAIN]
        )

    def expire(self, limit: int) -> Swept:
        """End what is over: leases, then doubts, budgets and answers; so many in all."""
        lapsed = [hold for hold in self.in_state(State.ACTIVE) if hold.lapses_at_ms < self.now_ms]
        lapsed = sorted(lapsed, key=lambda hold: hold.lapses_at_ms)[:limit]
        swept = self._end_leases(lapsed)
        since_ms = self.now_ms - _UNCERTAIN_AFTER_MS
        overdue = [h for h in self.in_state(State.UNCERTAIN) if h.uncertain_since_ms <= since_ms]
        overdue = sorted(overdue, key=lambda hold: hold.uncertain_since_ms)[: limit - len(lapsed)]
        for hold in overdue:
            estimate = replace(self.find(hold.reservation_id), estimated=True)
            self._charge(estimate, hold.amounts, None, "", actor="settle.uncertain")
        retired = self.retire(limit - len(lapsed) - len(overdue))
        self.forget(limit - len(lapsed) - len(overdue) - len(retired))
        committed = tuple(hold.reservation_id for hold in overdue)
        return msgspec.structs.replace(swept, committed=committed, retired=retired)

    def _end_leases(self, holds: Sequence[Hold]) -> Swept:
        ended: dict[Kind, list[str]] = {kind: [] for kind in Kind}
        for hold in holds:
            kind = rules.at_lease_end(hold.request.on_expiry, dispatched=hold.dispatched)
            ended[kind].append(hold.reservation_id)
            if kind is Kind.MARK_UNCERTAIN:
                self.mark_uncertain(hold.reservation_id)
            else:
                self._give_back(hold, kind, None)
        return Swept(
            tuple(ended[Kind.EXPIRE]),
            tuple(ended[Kind.RELEASE]),
            tuple(ended[Kind.MARK_UNCERTAIN]),
        )
