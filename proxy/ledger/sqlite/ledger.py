"""The embedded home: every promise of the protocol, kept by one file and one writer."""

import os
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from proxy.domain.clock import Clock
from proxy.domain.errors import BudgetRefused, Reason
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger import rules
from proxy.ledger.audit import Audit
from proxy.ledger.journal import Entry
from proxy.ledger.pace import Pace
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
from proxy.ledger.sqlite import clock as ledger_clock
from proxy.ledger.sqlite import rows
from proxy.ledger.sqlite.file.connection import Connect, Durability, LedgerFile, connect
from proxy.ledger.sqlite.file.failures import unavailable
from proxy.ledger.sqlite.file.lock import ServeLock
from proxy.ledger.sqlite.file.reader import Reader
from proxy.ledger.sqlite.group import Group
from proxy.ledger.sqlite.operations import budgets, hold, prune, read, settle, sweep, verify
from proxy.ledger.sqlite.operations import event as events
from proxy.ledger.sqlite.operations import seal as seals
from proxy.ledger.sqlite.operations.cycles import remembered, tenants
from proxy.ledger.sqlite.operations.cycles.find import find
from proxy.ledger.sqlite.operations.declare import declare
from proxy.ledger.sqlite.operations.settle import Ended, Word
from proxy.ledger.sqlite.operations.sweep import UncertainRule
from proxy.ledger.sqlite.transaction import Transaction

_T = TypeVar("_T")


class SqliteLedger:
    """A Ledger, its Housekeeping and its Books; `proxy/ledger/protocol.py` says what each does."""

    def __init__(
        self,
        file: LedgerFile,
        lock: ServeLock | None,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        uncertain_rule: UncertainRule,
        on_leap: Callable[[int], None],
    ) -> None:
        self._file = file
        self._lock = lock
        self._clock = clock
        self._new_id = new_id
        self._uncertain_rule = uncertain_rule
        self._group = Group(file, clock, on_leap)
        self._reader = Reader(file)
        self._pace = Pace()

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        new_id: Callable[[], str],
        settle_uncertain: Literal["commit", "hold"] = "commit",
        uncertain_after_ms: int = 900_000,
        serves: bool = True,
        durability: Durability = "process",
        connect: Connect = connect,
        on_leap: Callable[[int], None] = lambda leap_ms: None,
    ) -> "SqliteLedger":
        """The ledger in this file.

        `serves`: make the file where there is none, and keep a second server out of it.
        Commands open the same file without that, beside a server or alone.
        `durability`: what an answered operation survives, the end of the process or a power cut.
        `on_leap`: told by how many milliseconds the clock is ahead of the ledger's last
        change, where that is more than an hour, and open holds have kept one more lease.

        Raises:
            LedgerUnavailable: another process serves from it, or it cannot be opened; the
                sentence says what to do.
        """
        # The log lies beside the file, not beside a link to it; so does the lock, or each link
        # would have a server of its own.
        file_path = Path(os.path.realpath(path))
        lock = ServeLock(file_path) if serves else None
        try:
            file = LedgerFile(
                file_path, named=path, create=serves, durability=durability, connect=connect
            )
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        rule = UncertainRule(settle_uncertain, uncertain_after_ms)
        return cls(file, lock, clock=clock, new_id=new_id, uncertain_rule=rule, on_leap=on_leap)

    async def close(self) -> None:
        """Finish what was asked, then let go of the file. Closing twice is closing once."""
        await self._reader.close()
        await self._group.close()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()

    # Ledger

    async def reserve(self, request: ReserveRequest) -> Grant:
        try:
            return await self._group.submit(lambda t: hold.reserve(t, request, self._new_id))
        except BudgetRefused as refusal:
            raise self._paced(refusal) from None

    async def decide(self, request: ReserveRequest) -> Forecast:
        try:
            return self._look(lambda t: hold.decide(t, request))
        except BudgetRefused as refusal:
            raise self._paced(refusal) from None

    async def dispatch(self, reservation_id: str) -> None:
        await self._group.submit(lambda t: hold.dispatch(t, reservation_id))

    async def grow(self, reservation_id: str, *, by: Mapping[Unit, int], key: str) -> Grant:
        try:
            return await self._group.submit(lambda t: hold.grow(t, reservation_id, by=by, key=key))
        except BudgetRefused as refusal:
            raise self._paced(refusal) from None

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        return await self._group.submit(
            lambda t: hold.extend(t, reservation_id, by_ms=by_ms, key=key)
        )

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
        word = Word(key, payload_hash, estimated, metadata)
        return self._ended(
            await self._group.submit(lambda t: settle.commit(t, reservation_id, actual, word))
        )

    async def release(self, reservation_id: str, *, key: str, actor: str = "") -> Settlement:
        return self._ended(
            await self._group.submit(
                lambda t: settle.release(t, reservation_id, key=key, actor=actor)
            )
        )

    async def charge_late(
        self,
        reservation_id: str,
        *,
        actual: Mapping[Unit, int],
        key: str,
        payload_hash: str,
        estimated: bool = False,
    ) -> Settlement:
        return await self._group.submit(
            lambda t: settle.charge_late(
                t,
                reservation_id,
                actual=actual,
                key=key,
                payload_hash=payload_hash,
                estimated=estimated,
            )
        )

    async def apply(self, event: Event) -> Applied:
        return await self._group.submit(lambda t: events.apply(t, event, self._new_id))

    async def recall(self, tenant: str, key: str, payload_hash: str) -> str | None:
        return self._look(lambda t: remembered.recall(t, tenant, key, payload_hash))

    async def remember(
        self, tenant: str, key: str, payload_hash: str, answer: str, *, keep_ms: int
    ) -> str:
        return await self._group.submit(
            lambda t: remembered.remember(t, tenant, key, payload_hash, answer, keep_ms=keep_ms)
        )

    async def balances(self, scopes: Sequence[Scope], *units: Unit) -> tuple[Balance, ...]:
        return self._look(lambda t: read.balances(t, scopes, units))

    # Housekeeping

    async def declare(
        self, lines: Sequence[BudgetLine], *, templates_max: int, version: int = 1
    ) -> Declared:
        return await self._group.submit(
            lambda t: declare(t, lines, templates_max=templates_max, version=version)
        )

    async def recover(self) -> Swept:
        return await self._group.submit(sweep.recover)

    async def mark_uncertain(self, reservation_id: str) -> None:
        await self._group.submit(lambda t: sweep.mark_uncertain(t, reservation_id))

    async def expire(self, *, limit: int) -> Swept:
        return await self._group.submit(
            lambda t: sweep.expire(t, self._uncertain_rule, limit=limit)
        )

    async def seal(self, *, before_ms: int, limit: int) -> int:
        due = await self._reader.ask(lambda c: seals.due(c, before_ms=before_ms, limit=limit))
        for closed in due:
            await self._group.submit(partial(seals.keep, closed=closed))
        return len(due)

    async def prune(self, *, before_ms: int, limit: int) -> int:
        batch = await self._reader.ask(
            lambda c: prune.find(c, before_ms=before_ms, now_ms=self._now_ms(c), limit=limit)
        )
        return await self._group.submit(batch.let_go) if batch is not None else 0

    # Books

    async def all_balances(self, tenant: str | None = None) -> tuple[Balance, ...]:
        return await self._reader.ask(lambda c: read.all_balances(c, self._now_ms(c), tenant))

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
        return await self._group.submit(
            lambda t: budgets.fund(t, name, operation, amount, actor=actor, spent=spent, key=key)
        )

    async def set_status(
        self, scope: Scope, unit: Unit | None, status: BudgetStatus, *, actor: str
    ) -> tuple[Balance, ...]:
        return await self._group.submit(
            lambda t: budgets.set_status(t, scope, unit, status, actor=actor)
        )

    async def reservation(self, reservation_id: str) -> Reservation:
        return self._look(lambda t: rows.reservation(t, reservation_id))

    async def reservations(
        self, *, states: frozenset[State], limit: int, scope: Scope | None = None
    ) -> tuple[Reservation, ...]:
        return await self._reader.ask(lambda c: read.reservations(c, states, scope, limit))

    async def count_uncertain(self) -> int:
        return await self._reader.ask(rows.count_uncertain)

    async def find(self, query: ReservationQuery) -> tuple[Reservation, ...]:
        rules.check_query(query)
        return await self._reader.ask(lambda c: find(c, query))

    async def tenant_status(self, tenant: str) -> TenantStatus:
        return self._look(lambda t: tenants.status(t, tenant))

    async def set_tenant_status(self, tenant: str, status: TenantStatus, *, actor: str) -> None:
        await self._group.submit(lambda t: tenants.set_status(t, tenant, status, actor=actor))

    async def journal(self, tenant: str, *, after_seq: int, limit: int) -> tuple[Entry, ...]:
        return await self._reader.ask(
            lambda c: tuple(read.entries(c, tenant, after_seq=after_seq, limit=limit))
        )

    async def tenants(self) -> tuple[str, ...]:
        return await self._reader.ask(read.tenants)

    async def seals(self, tenant: str) -> tuple[Seal, ...]:
        return await self._reader.ask(lambda c: tuple(seals.seals_and_windows(c, tenant)))

    async def verify(self) -> Audit:
        return await self._reader.ask(verify.verify)

    # What they share

    def _look(self, question: Callable[[Transaction], _T]) -> _T:
        """Answer from what is committed, at one moment.

        Here and not in the reader's thread: a call must not wait behind an operator's question.
        """
        try:
            connection = self._file.connection()
            with read.snapshot(connection):
                return question(Transaction(connection, self._now_ms(connection)))
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def _now_ms(self, connection: sqlite3.Connection) -> int:
        return ledger_clock.read(connection, self._clock.now_ms())

    def _ended(self, ended: Ended) -> Settlement:
        if ended.open_ms is not None:
            self._pace.settled_after(ended.open_ms)
        return ended.settlement

    def _paced(self, refusal: BudgetRefused) -> BudgetRefused:
        if refusal.reason is Reason.BUDGET_BUSY:
            refusal.retry_after_ms = self._pace.retry_after_ms()
        return refusal
