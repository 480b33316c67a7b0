"""What an authority shows of its books: balances and reservations, page by page."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

import msgspec

from proxy.domain.errors import LedgerUnavailable, ReservationNotFound
from proxy.domain.money import Unit
from proxy.domain.reservation import OPEN, OnExpiry, State
from proxy.domain.scope import Scope
from proxy.domain.subject import LEVELS, Subject
from proxy.ledger.cycles.asking import verdicts
from proxy.ledger.cycles.asking.answers import (
    Read,
    ReadAmount,
    ReadBalances,
    known_unit,
    read_success,
)
from proxy.ledger.cycles.asking.exchange import Authority
from proxy.ledger.cycles.holding import RESERVATIONS
from proxy.ledger.cycles.parts import Part, name_of, parts_of
from proxy.ledger.cycles.told import Told
from proxy.ledger.records import Balance, Reservation

_PAGE: Final = 200
_PAGES_MAX: Final = 50


class _ReadAction(msgspec.Struct, frozen=True):
    kind: str = ""
    name: str = ""


class _ReadRow(msgspec.Struct, frozen=True):
    reservation_id: str
    status: str
    subject: dict[str, str | dict[str, str] | None]
    reserved: ReadAmount
    created_at_ms: int
    expires_at_ms: int
    action: _ReadAction = _ReadAction()
    idempotency_key: str | None = None
    committed: ReadAmount | None = None
    finalized_at_ms: int | None = None
    scope_path: str = ""
    affected_scopes: tuple[str, ...] = ()


class _ReadRows(msgspec.Struct, frozen=True):
    reservations: tuple[_ReadRow, ...]
    next_cursor: str | None = None


class Looker:
    """Reads the books of an authority. `tenant` None: whoever the key belongs to is unknown."""

    def __init__(self, authority: Authority, told: Told, tenant: str | None) -> None:
        self._authority = authority
        self._told = told
        self._tenant = tenant

    async def check_reachable(self) -> None:
        """Ask something small, if the last question had no answer.

        Raises:
            LedgerUnavailable.
        """
        if self._authority.is_away:
            query = {"tenant": self._tenant or "", "limit": "1"}
            verdicts.check_answered(await self._authority.ask("GET", "/v1/balances", query=query))

    async def all_balances(self) -> tuple[Balance, ...]:
        """The budgets of the tenant; what is known of any where there is no tenant.

        Raises:
            LedgerUnavailable, Refused.
        """
        if self._tenant is None:
            return self._told.everything()
        found: list[Balance] = []
        query = {"tenant": self._tenant, "limit": str(_PAGE)}
        for _ in range(_PAGES_MAX):
            page = await self._get("/v1/balances", query, ReadBalances)
            found += self._told.hear(page.balances)
            if not page.next_cursor:
                break
            query["cursor"] = page.next_cursor
        return tuple(sorted(found, key=lambda balance: balance.scope))

    async def reservation(self, reservation_id: str) -> Reservation:
        """One row, of several units if the hold has them.

        Raises:
            ReservationNotFound, LedgerUnavailable, Refused.
        """
        rows = []
        for part in parts_of(reservation_id):
            path = f"{RESERVATIONS}/{quote(part.remote_id, safe='')}"
            rows.append(_row(await self._get(path, {}, _ReadRow)))
        first, *others = rows
        for other in others:
            first = _together(first, other)
        return msgspec.structs.replace(first, reservation_id=reservation_id)

    async def reservations(
        self, states: frozenset[State], *, limit: int, scope: Scope | None
    ) -> tuple[Reservation, ...]:
        """The newest rows in these states at or below a scope, newest first.

        Raises:
            LedgerUnavailable, Refused.
        """
        found: list[Reservation] = []
        query = {"limit": str(min(limit, _PAGE)), "sort_by": "created_at_ms", "sort_dir": "desc"}
        if scope is not None:
            query |= dict(_level(segment) for segment in scope.split("/"))
        elif self._tenant is not None:
            query["tenant"] = self._tenant
        if states <= OPEN:
            query["status"] = State.ACTIVE.value
        for _ in range(_PAGES_MAX):
            page = await self._get(RESERVATIONS, query, _ReadRows)
            rows = map(_row, page.reservations)
            found += [row for row in rows if row.state in states and _is_below(row, scope)]
            if len(found) >= limit or not page.next_cursor:
                break
            query["cursor"] = page.next_cursor
        return tuple(found[:limit])

    async def _get(self, path: str, query: Mapping[str, str], kind: type[Read]) -> Read:
        answer = await self._authority.ask("GET", path, query=query)
        verdicts.check_answered(answer)
        if answer.status in (404, 410):
            raise ReservationNotFound
        if answer.status >= 400:
            raise verdicts.holding_error(answer)
        return read_success(answer, kind)


def _row(read: _ReadRow) -> Reservation:
    unit = known_unit(read.reserved.unit)
    if unit is None or read.status not in State.__members__:
        raise LedgerUnavailable("the budget authority has a reservation that we cannot read")
    dimensions = read.subject.get("dimensions")
    levels = {level: read.subject.get(level) for level in LEVELS}
    charged = None if read.committed is None else {unit: read.committed.amount}
    return Reservation(
        reservation_id=name_of([Part(unit, read.reservation_id)]),
        key=read.idempotency_key or "",
        tenant=str(levels["tenant"] or ""),
        state=State(read.status),
        subject=Subject(
            **{level: value for level, value in levels.items() if isinstance(value, str)},
            dimensions=dimensions if isinstance(dimensions, dict) else {},
        ),
        scope_path=Scope(read.scope_path),
        affected_scopes=tuple(map(Scope, read.affected_scopes)),
        action_kind=read.action.kind,
        action_name=read.action.name,
        amounts={unit: read.reserved.amount},
        charged=charged,
        uncovered={unit: 0},
        estimated=False,
        dispatched=False,
        on_expiry=OnExpiry.RELEASE,
        created_at_ms=read.created_at_ms,
        expires_at_ms=read.expires_at_ms,
        finalized_at_ms=read.finalized_at_ms,
        trace_id="",
        price_version="",
        metadata={},
        settled_metadata={},
    )


def _together(one: Reservation, other: Reservation) -> Reservation:
    charged = {**(one.charged or {}), **(other.charged or {})}
    return msgspec.structs.replace(
        one,
        amounts=_sum(one.amounts, other.amounts),
        charged=charged or None,
        uncovered={**one.uncovered, **other.uncovered},
    )


def _sum(one: Mapping[Unit, int], other: Mapping[Unit, int]) -> Mapping[Unit, int]:
    return {unit: one.get(unit, 0) + other.get(unit, 0) for unit in {**one, **other}}


def _level(segment: str) -> tuple[str, str]:
    level, _, value = segment.partition(":")
    return level, value


def _is_below(row: Reservation, scope: Scope | None) -> bool:
    return scope is None or f"{row.scope_path}/".startswith(f"{scope}/")
