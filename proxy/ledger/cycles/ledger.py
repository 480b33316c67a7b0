"""The ledger of an authority elsewhere: the contract, as far as the protocol has words for it.

What it has no words for: a hold in several units at once and a choice of rungs (they are
attempts, one after the other), growth (a further reservation beside the first), and what
operators do (`NotHere`: the authority has its own ways). Nothing is kept up here. A hold
that was dispatched and whose cost nobody knows is extended while this process lives; then
its lease ends there, and nothing is charged for it.
"""

from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from msgspec.structs import replace

from proxy.domain.errors import (
    ActorRequired,
    LedgerError,
    LedgerThrottled,
    LedgerUnavailable,
    NotUnderstood,
    Refused,
    ReservationFinalized,
    ReservationNotFound,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.cycles.asking import requests
from proxy.ledger.cycles.asking.exchange import TIMEOUT_MS, Authority
from proxy.ledger.cycles.books import RemoteBooks
from proxy.ledger.cycles.heartbeat import Heartbeat, Margins
from proxy.ledger.cycles.holding import Granted, Holder
from proxy.ledger.cycles.looking import Looker
from proxy.ledger.cycles.parts import Part, by_unit, name_of, parts_of
from proxy.ledger.cycles.settling import Settler
from proxy.ledger.cycles.told import Told
from proxy.ledger.pace import Pace
from proxy.ledger.records import (
    Applied,
    Balance,
    Event,
    Forecast,
    Grant,
    Lease,
    ReserveRequest,
    Settlement,
    Span,
)
from proxy.ledger.rules import check_amount, check_extension

TICK_MS: Final = 1_000
"""How often `keep_alive` is asked; a beat that is due within it is sent at once."""


_LAST_WORDS_MS: Final = 1_000


class Background(Protocol):
    """Runs work beside the calls, and can wait for it."""

    def start(self, work: Coroutine[Any, Any, None], *, name: str) -> object:
        """Begin, and do not wait."""
        ...

    async def drain(self, timeout_ms: int) -> None:
        """Wait for all, at most so long, then cancel what is left."""
        ...


class LeaseLost(LedgerError):
    """The lease cannot be kept: it is shorter than what it takes to be sure of an extension."""


class Left(NamedTuple):
    """What a hold holds in one unit, and whom to charge instead should that be gone.

    The event has the key under which the hold is to be committed; its `actual` is still 0.
    """

    reservation_id: str
    unit: Unit
    event: Event


@dataclass(slots=True)
class Hold:
    """An open hold, as this process knows it. `parts` names all that it is there by now."""

    request: ReserveRequest
    parts: str
    amounts: Mapping[Unit, int]
    opened_ms: int
    heartbeat: Heartbeat
    lease: Lease
    is_uncertain: bool = False


class CyclesLedger(RemoteBooks):
    """A Ledger, its Housekeeping and its Books; `proxy/ledger/protocol.py` says what each does.

    `now_ms` never steps back. `tenant`: whose budgets are shown where all are asked for.
    """

    def __init__(
        self,
        authority: Authority,
        *,
        new_id: Callable[[], str],
        now_ms: Callable[[], int],
        background: Background,
        tenant: str | None = None,
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        """`background` is for work whose end nobody waits for, but `close`."""
        self._authority = authority
        self._now_ms = now_ms
        self._background = background
        self._timeout_ms = timeout_ms
        self._told = Told(now_ms)
        self._pace = Pace()
        self._settler = Settler(authority, self._told)
        self._holder = Holder(
            authority, self._told, self._pace, new_id=new_id, let_go=self._give_back_soon
        )
        super().__init__(Looker(authority, self._told, tenant))
        self._holds: dict[str, Hold] = {}

    # Ledger

    async def reserve(self, request: ReserveRequest) -> Grant:
        granted = await self._holder.hold(request)
        reservation_id = name_of(granted.parts)
        lease = Lease(granted.expires_at_ms, granted.lead_ms or 0)
        beat = Heartbeat(request.ttl_ms)
        self._heard(beat, lease, granted.lead_ms)
        amounts = _amounts(request, granted)
        hold = Hold(request, reservation_id, amounts, self._now_ms(), beat, lease)
        self._holds[reservation_id] = hold
        return Grant(
            reservation_id=reservation_id,
            rung=granted.attempt.rung,
            amounts=amounts,
            expires_at_ms=lease.expires_at_ms,
            remaining_ttl_ms=lease.remaining_ttl_ms,
            affected_scopes=granted.affected_scopes,
            balances=granted.balances,
            annotation=request.annotation,
            caps=granted.caps,
            evidence=granted.evidence,
        )

    async def decide(self, request: ReserveRequest) -> Forecast:
        granted = await self._holder.forecast(request)
        return Forecast(
            granted.attempt.rung,
            _amounts(request, granted),
            granted.affected_scopes,
            granted.balances,
        )

    async def dispatch(self, reservation_id: str) -> None:
        """The protocol has no word for it."""
        hold = self._holds.get(reservation_id)
        if hold is not None and hold.is_uncertain:
            raise ReservationFinalized(State.UNCERTAIN)

    async def grow(self, reservation_id: str, *, by: Mapping[Unit, int], key: str) -> Grant:
        """Another reservation beside the first. The hold goes by the id of the first as before.

        Only holds of this process can grow: who spends is not in their ids.
        """
        hold = self._hold(reservation_id)
        held = {part.unit for part in parts_of(hold.parts)}
        if not by.keys() <= hold.request.plan[0].keys():
            raise UnitMismatch
        parts: Iterable[Part] = ()
        more = dict(by)  # a unit that counts nowhere there sets no limit
        plan = ({unit: Span(amount, amount) for unit, amount in by.items() if unit in held},)
        if plan[0]:
            request = replace(hold.request, key=key, plan=plan, free=frozenset())
            granted = await self._holder.hold(request)
            parts, more = granted.parts, more | granted.amounts
        hold.parts = name_of([*parts_of(hold.parts), *parts])
        hold.amounts = {unit: amount + more.get(unit, 0) for unit, amount in hold.amounts.items()}
        lease = hold.lease
        return Grant(
            reservation_id, 0, hold.amounts, lease.expires_at_ms, lease.remaining_ttl_ms, (), ()
        )

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        check_extension(by_ms)
        parts = self._parts_of(reservation_id)
        lease, lead_ms = await self._settler.extend(parts, by_ms=by_ms, key=key)
        hold = self._holds.get(reservation_id)
        if hold is not None:
            hold.lease = lease
            self._heard(hold.heartbeat, lease, lead_ms)
        return lease

    async def keep_alive(self, reservation_id: str) -> Lease:
        """Extend the lease if it is time to, by the formula of the protocol.

        To be asked every `TICK_MS`.

        Raises:
            LedgerUnavailable: it will be tried again, with the same key.
            LeaseLost: it can be kept no longer. LedgerError: as `extend`.
        """
        hold = self._hold(reservation_id)
        beat, now_ms = hold.heartbeat, self._now_ms()
        if beat.due_ms is None:
            raise LeaseLost
        if beat.due_ms - TICK_MS > now_ms:
            return hold.lease
        key = f"{reservation_id}/extend/{beat.number}"
        try:
            lease = await self.extend(reservation_id, by_ms=hold.request.ttl_ms, key=key)
        except NotUnderstood:
            raise LeaseLost from None
        except LedgerThrottled as pause:
            is_kept = beat.throttled(
                pause.retry_after_ms, margins=self._margins(), now_ms=self._now_ms()
            )
            if not is_kept:
                raise LeaseLost from None
            raise
        except LedgerUnavailable:
            if not beat.failed(margins=self._margins(), now_ms=self._now_ms()):
                raise LeaseLost from None
            raise
        if beat.due_ms is None:
            raise LeaseLost
        return lease

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
        for amount in actual.values():
            check_amount(amount)
        parts = self._parts_of(reservation_id)
        settlement = await self._settler.commit(
            parts, actual=actual, key=key, estimated=estimated, metadata=metadata
        )
        self._ended(reservation_id)
        return settlement

    async def release(self, reservation_id: str, *, key: str, actor: str = "") -> Settlement:
        hold = self._holds.get(reservation_id)
        if hold is not None and hold.is_uncertain and not actor:
            raise ActorRequired
        parts = self._parts_of(reservation_id)
        settlement = await self._settler.release(parts, key=key, actor=actor)
        self._ended(reservation_id)
        return settlement

    async def charge_late(
        self,
        reservation_id: str,
        *,
        actual: Mapping[Unit, int],
        key: str,
        payload_hash: str,
        estimated: bool = False,
    ) -> Settlement:
        """An ended reservation stays as it is there: what it did not pay is an event of its own."""
        raise ReservationFinalized("ended")

    async def apply(self, event: Event) -> Applied:
        for amount in event.actual.values():
            check_amount(amount)
        return await self._settler.apply(event)

    async def mark_uncertain(self, reservation_id: str) -> None:
        """Kept while this process lives; nobody there is told, as nothing can be."""
        hold = self._holds.get(reservation_id)
        if hold is not None:
            hold.is_uncertain = True

    async def balances(self, scopes: Sequence[Scope], *units: Unit) -> tuple[Balance, ...]:
        """As the last answers told them, without asking: nothing of a scope none has named."""
        return self._told.balances(scopes, units)

    def leave_to_journal(self, reservation_id: str) -> tuple[Left, ...]:
        """Forget an open hold, whose end is written down before it is told; what it is made of."""
        hold = self._holds.pop(reservation_id, None)
        if hold is None:
            return ()
        self._pace.settled_after(max(0, self._now_ms() - hold.opened_ms))
        return tuple([_left(hold.request, unit, own) for unit, own in by_unit(hold.parts)])

    async def count_uncertain(self) -> int:
        """Of this process: nobody else knows of them."""
        return sum(hold.is_uncertain for hold in self._holds.values())

    async def close(self) -> None:
        """Ask no more."""
        await self._background.drain(_LAST_WORDS_MS)
        await self._authority.close()

    def _hold(self, reservation_id: str) -> Hold:
        hold = self._holds.get(reservation_id)
        if hold is None:
            raise ReservationNotFound
        return hold

    def _parts_of(self, reservation_id: str) -> str:
        """What a hold is made of there; the id says so itself of one that has not grown here."""
        hold = self._holds.get(reservation_id)
        return reservation_id if hold is None else hold.parts

    def _ended(self, reservation_id: str) -> None:
        hold = self._holds.pop(reservation_id, None)
        if hold is not None:
            self._pace.settled_after(max(0, self._now_ms() - hold.opened_ms))

    def _margins(self) -> Margins:
        return Margins.of(timeout_ms=self._timeout_ms, slowest_ms=self._authority.slowest_ms)

    def _heard(self, beat: Heartbeat, lease: Lease, lead_ms: int | None) -> None:
        beat.succeeded(
            lead_ms=lead_ms,
            expires_ms=lease.expires_at_ms,
            margins=self._margins(),
            now_ms=self._now_ms(),
        )

    def _give_back_soon(self, parts: Iterable[Part], key: str) -> None:
        """What was held in one unit, when another was refused. At worst its lease ends."""
        held = name_of(parts)
        if held:
            work = self._give_back(held, requests.key_of(key, "release"))
            self._background.start(work, name="give back")

    async def _give_back(self, reservation_id: str, key: str) -> None:
        try:
            await self._settler.release(reservation_id, key=key, actor="")
        except (LedgerError, Refused):
            return


def _amounts(request: ReserveRequest, granted: Granted) -> Mapping[Unit, int]:
    """What was granted. A unit that counts nowhere there sets no limit: all that was wanted."""
    rung = request.plan[granted.attempt.rung]
    return {unit: granted.amounts.get(unit, span.want) for unit, span in rung.items()}


def _left(request: ReserveRequest, unit: Unit, reservation_id: str) -> Left:
    key = f"{reservation_id}/settle"
    event = Event(
        key=key,
        payload_hash=key,
        subject=request.subject,
        actual={unit: 0},
        overage=request.overage,
        is_spent=True,
        action_kind=request.action_kind,
        action_name=request.action_name,
        trace_id=request.trace_id,
        price_version=request.price_version,
        metadata=request.metadata,
    )
    return Left(reservation_id, unit, event)
