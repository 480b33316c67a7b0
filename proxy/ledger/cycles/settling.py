"""How reservations at an authority end, and what is charged there without one.

Every step is safe to take again with the same key, and raises LedgerUnavailable where
nobody knows whether it was taken.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from proxy.cycles_wire.responses import write
from proxy.domain.errors import (
    CommitRejected,
    LedgerError,
    LedgerUnavailable,
    ReservationNotFound,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.reservation import Overage, State
from proxy.ledger.cycles.asking import requests, verdicts
from proxy.ledger.cycles.asking.answers import (
    Read,
    ReadAmount,
    ReadCommit,
    ReadEvent,
    ReadExtension,
    ReadRelease,
    read_success,
)
from proxy.ledger.cycles.asking.exchange import Answer, Authority
from proxy.ledger.cycles.holding import RESERVATIONS, lead_of
from proxy.ledger.cycles.parts import Part, parts_of
from proxy.ledger.cycles.told import Told
from proxy.ledger.records import Applied, Balance, Event, Lease, Settlement

_HELD: Final = "held"
_CAPPED: Final = "capped"
_NOTHING_MS: Final = 0


class _ReadDetail(msgspec.Struct, frozen=True):
    reserved: ReadAmount


class Settler:
    """Ends reservations, extends them, and posts events."""

    def __init__(self, authority: Authority, told: Told) -> None:
        self._authority = authority
        self._told = told

    async def commit(
        self,
        reservation_id: str,
        *,
        actual: Mapping[Unit, int],
        key: str,
        estimated: bool,
        metadata: Mapping[str, str] | None,
    ) -> Settlement:
        """Charge every unit that is held there. What is held in none costs what it costs.

        Raises:
            UnitMismatch: the hold has a unit that `actual` has not.
            LedgerError: as `Ledger.commit`.
        """
        sums = _Sums(State.COMMITTED, actual)
        amounts = await self._shares(parts_of(reservation_id), actual)
        for (part, own_key), amount in zip(_keyed(reservation_id, key), amounts, strict=True):
            asked = requests.commit(
                part.unit, amount, key=own_key, estimated=estimated, metadata=metadata
            )
            try:
                read = await self._ask(part, "commit", write(asked), own_key, ReadCommit)
            except CommitRejected:
                read = await self._commit_what_is_held(part, amount, own_key, estimated, metadata)
            sums.charge(part.unit, amount, read.charged, self._told.hear(read.balances))
            sums.release(part.unit, read.released)
        return sums.settlement()

    async def _shares(self, parts: Sequence[Part], actual: Mapping[Unit, int]) -> list[int]:
        """What to charge to each part: of several in one unit each its own, the last the rest."""
        units = [part.unit for part in parts]
        if not set(units) <= actual.keys():
            raise UnitMismatch
        left = dict(actual)
        shares = []
        for number, part in enumerate(parts):
            share = left[part.unit]
            if part.unit in units[number + 1 :]:
                share = min(share, await self._held(part))
            left[part.unit] -= share
            shares.append(share)
        return shares

    async def release(self, reservation_id: str, *, key: str, actor: str) -> Settlement:
        """Give everything back. Raises LedgerError as `Ledger.release` does."""
        sums = _Sums(State.RELEASED, {})
        for part, own_key in _keyed(reservation_id, key):
            body = write(requests.release(key=own_key, actor=actor))
            read = await self._ask(part, "release", body, own_key, ReadRelease)
            sums.release(part.unit, read.released)
            sums.balances += self._told.hear(read.balances)
        return sums.settlement()

    async def extend(
        self, reservation_id: str, *, by_ms: int, key: str
    ) -> tuple[Lease, int | None]:
        """Move the end of every lease; until when the first of them lasts.

        The second is what is left of it at least, None where the authority does not say.
        Raises LedgerError as `Ledger.extend` does.
        """
        expires_ms: list[int] = []
        leads_ms: list[int | None] = []
        for part, own_key in _keyed(reservation_id, key):
            body = write(requests.extend(by_ms, key=own_key))
            answer = await self._post(_path(part, "extend"), body, own_key)
            read = read_success(answer, ReadExtension, says="ACTIVE")
            expires_ms.append(read.expires_at_ms)
            leads_ms.append(lead_of(read.remaining_ttl_ms, answer))
        known_ms = [lead_ms for lead_ms in leads_ms if lead_ms is not None]
        lead_ms = min(known_ms) if len(known_ms) == len(leads_ms) else None
        return Lease(min(expires_ms), lead_ms or _NOTHING_MS), lead_ms

    async def apply(self, event: Event) -> Applied:
        """Charge what was spent, in US dollars and in what else there are budgets for.

        Raises LedgerError as `Ledger.apply` does.
        """
        sums = _Sums(State.COMMITTED, event.actual)
        ids = []
        missing: LedgerError | None = None
        for unit in event.actual:
            try:
                read = await self._post_event(event, unit)
            except (ReservationNotFound, UnitMismatch) as error:
                missing = error  # no budget in this unit, which others may have
                continue
            ids.append(read.event_id)
            sums.charge(unit, event.actual[unit], read.charged, self._told.hear(read.balances))
        if missing is not None and not ids:
            raise missing
        return Applied(ids[0] if ids else "", sums.settlement())

    async def _post_event(self, event: Event, unit: Unit) -> ReadEvent:
        key = requests.key_of(event.key, "" if len(event.actual) == 1 else unit.value)
        try:
            return await self._event(event, unit, key, event.overage)
        except CommitRejected:
            if not event.is_spent:
                raise
            # The money is gone: charge what the budgets still have.
            key = requests.key_of(key, _CAPPED)
            return await self._event(event, unit, key, Overage.ALLOW_IF_AVAILABLE)

    async def _event(self, event: Event, unit: Unit, key: str, overage: Overage) -> ReadEvent:
        body = write(requests.event(event, unit, key=key, overage=overage))
        answer = await self._post("/v1/events", body, key, trace_id=event.trace_id)
        return read_success(answer, ReadEvent, status=201, says="APPLIED")

    async def _commit_what_is_held(
        self,
        part: Part,
        actual: int,
        key: str,
        estimated: bool,
        metadata: Mapping[str, str] | None,
    ) -> ReadCommit:
        """The authority refuses the overage, and the money is spent: charge what it holds."""
        held = await self._held(part)
        key = requests.key_of(key, _HELD)
        asked = requests.commit(
            part.unit, min(actual, held), key=key, estimated=estimated, metadata=metadata
        )
        return await self._ask(part, "commit", write(asked), key, ReadCommit)

    async def _held(self, part: Part) -> int:
        answer = await self._authority.ask("GET", _path(part, ""))
        verdicts.check_answered(answer)
        if answer.status >= 400:
            raise verdicts.settling_error(answer)
        return read_success(answer, _ReadDetail).reserved.amount

    async def _ask(
        self, part: Part, operation: str, body: bytes, key: str, kind: type[Read]
    ) -> Read:
        answer = await self._post(_path(part, operation), body, key)
        return read_success(answer, kind, says=_STATUSES[operation])

    async def _post(self, path: str, body: bytes, key: str, *, trace_id: str = "") -> Answer:
        answer = await self._authority.ask("POST", path, body=body, key=key, trace_id=trace_id)
        verdicts.check_answered(answer)
        if answer.status >= 400:
            raise verdicts.settling_error(answer)
        return answer


_STATUSES: Final = {"commit": "COMMITTED", "release": "RELEASED"}


class _Sums:
    """A settlement as its parts come in."""

    def __init__(self, state: State, actual: Mapping[Unit, int]) -> None:
        self._state = state
        self._charged = dict(actual)
        self._released: dict[Unit, int] = dict.fromkeys(actual, 0)
        self._uncovered: dict[Unit, int] = dict.fromkeys(actual, 0)
        self.balances: tuple[Balance, ...] = ()

    def charge(
        self,
        unit: Unit,
        actual: int,
        charged: ReadAmount | None,
        balances: tuple[Balance, ...],
    ) -> None:
        """What was charged of this part of the actual: all of it where nothing else is said."""
        if charged is not None and charged.unit != unit:
            raise LedgerUnavailable("the budget authority charged another unit")
        uncovered = 0 if charged is None else max(0, actual - charged.amount)
        self._uncovered[unit] += uncovered
        self._charged[unit] -= uncovered
        self.balances += balances

    def release(self, unit: Unit, released: ReadAmount | None) -> None:
        """What went back."""
        amount = 0 if released is None else released.amount
        self._released[unit] = self._released.get(unit, 0) + amount

    def settlement(self) -> Settlement:
        """All of it."""
        return Settlement(
            self._state, self._charged, self._released, self._uncovered, self.balances
        )


def _path(part: Part, operation: str) -> str:
    path = f"{RESERVATIONS}/{quote(part.remote_id, safe='')}"
    return f"{path}/{operation}" if operation else path


def _keyed(reservation_id: str, key: str) -> list[tuple[Part, str]]:
    """The parts of a hold with a key each; one that stands alone has the key as it is."""
    parts = parts_of(reservation_id)
    if len(parts) == 1:
        return [(parts[0], key)]
    numbered = enumerate(parts)
    return [(part, requests.key_of(key, f"{part.unit}{number or ''}")) for number, part in numbered]
