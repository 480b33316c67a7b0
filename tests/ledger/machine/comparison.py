"""One step for a home and for the model, and what must be true after it."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from itertools import count

from msgspec.structs import replace

from proxy.domain.errors import BudgetRefused, LedgerError, Refused, ReservationFinalized
from proxy.domain.reservation import State
from proxy.ledger.audit import Head
from proxy.ledger.journal import Amounts, Entry, Kind, WindowName, replay
from proxy.ledger.records import (
    Applied,
    Balance,
    Forecast,
    Grant,
    Reservation,
    ReservationQuery,
    ReserveRequest,
    Swept,
)
from proxy.ledger.seal import check_head
from tests.ledger.harness import NOON_MS, Backend, Harness
from tests.ledger.machine.operations import (
    Apply,
    Declare,
    Fund,
    Held,
    OnHold,
    Operation,
    Remember,
    Reserve,
    may_be_let_go,
)
from tests.ledger.machine.steps import Ask, Find, Foresee, Kill, Look, Pass, Recall, Step, Tidy
from tests.ledger.model import Model
from tests.ledger.model.home import row_of
from tests.ledger.model.listing import find, place_of
from tests.ledger.model.values import Hold
from tests.ledger.model.windows import name_of

NO_ID = "rsv_none"
ENDS = {Kind.COMMIT, Kind.RELEASE, Kind.EXPIRE}


class Comparison:
    """One home beside the model."""

    def __init__(self, harness: Harness, backend: Backend) -> None:
        self._harness = harness
        self._backend = backend
        self._wall_ms = NOON_MS
        self._history: list[Entry] = []
        self._heads: dict[int, Head] = {}
        self._foreseen = count(1)
        self.model = Model(lambda: self._wall_ms)

    async def take(self, step: Step) -> None:
        """Both take it, and must agree.

        Raises:
            AssertionError: they do not.
        """
        match step:
            case Ask():
                await self._ask(step.operations)
            case Look():
                await self._look(step)
            case Foresee():
                await self._foresee(step)
            case Recall():
                await self._recall(step)
            case Find():
                await self._find(step)
            case Pass():
                self._harness.advance_ms(step.by_ms)
                self._wall_ms += step.by_ms
            case Tidy() if self._backend.tidies:
                await self._tidy(step)
            case Kill():
                await self._kill()
        await self._compare_books()

    async def _ask(self, operations: Sequence[Operation]) -> None:
        holds = [Held(h.reservation_id, frozenset(h.amounts)) for h in self.model.holds.values()]
        operations = [operation for operation in operations if self._can_ask(operation)]
        before = len(await self._all_entries())
        asked = (operation.of_home(self._harness.ledger, holds) for operation in operations)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        if operations:
            self.model.tick()
        for operation, answer in zip(operations, answers, strict=True):
            self._compare(operation, answer, holds)
        if all(isinstance(answer, Exception) for answer in answers):
            written = [e for e in (await self._all_entries())[before:] if e.actor != "clock"]
            assert written == [], "a refusal changes nothing"

    def _can_ask(self, operation: Operation) -> bool:
        """There is something to ask about, and one answer to it."""
        if isinstance(operation, OnHold):
            return bool(self.model.holds)
        if isinstance(operation, Declare) and self._backend.is_shared:
            return bool(operation.lines)  # whom nobody names, a shared home leaves alone
        match operation:
            case Fund():
                return not operation.may_be_forgotten(self.model, self._now_ms)
            case Reserve():
                return not may_be_let_go(self.model, operation.request.key, self._now_ms)
            case Apply():
                return not may_be_let_go(self.model, operation.event.key, self._now_ms)
            case Remember():
                return not may_be_let_go(self.model, operation.key, self._now_ms)
            case _:
                return True

    @property
    def _now_ms(self) -> int:
        """On the ledger's clock, with the next operation."""
        return max(self._wall_ms, self.model.now_ms)

    def _compare(self, operation: Operation, answer: object, holds: list[Held]) -> None:
        new_id = answer.reservation_id if isinstance(answer, Grant | Applied) else NO_ID
        expected = _said(
            lambda: self.model.atomic(lambda: operation.of_model(self.model, holds, new_id))
        )
        found = _said(lambda: _given(answer))
        assert found == expected, f"{operation}:\n{found}\nand the model says\n{expected}"

    async def _look(self, look: Look) -> None:
        found = await self._harness.ledger.balances(look.scopes, look.unit)
        expected = self.model.read(lambda: self.model.balances(look.scopes, look.unit))
        assert list(found) == expected

    async def _foresee(self, foresee: Foresee) -> None:
        """What is foreseen is what the model foresees, and what then happens."""
        request = foresee.request
        ledger, model = self._harness.ledger, self.model
        answer = await _answer(ledger.decide(request))
        foreseen = _said(lambda: _given(answer))
        assert foreseen == _said(lambda: model.read(lambda: model.decide(request)))
        await self._compare_books()
        made = replace(request, key=f"foreseen {next(self._foreseen)}")
        reserved = await _answer(ledger.reserve(made))
        self._take_over(made, reserved)
        assert _forecast_of(_said(lambda: _given(reserved))) == foreseen

    def _take_over(self, request: ReserveRequest, answer: object) -> None:
        """The model makes the same hold."""
        self.model.tick()
        self._compare(Reserve(request), answer, [])

    async def _recall(self, recall: Recall) -> None:
        if may_be_let_go(self.model, recall.key, self._now_ms):
            return
        key, payload_hash = recall.key, recall.payload_hash
        answer = await _answer(self._harness.ledger.recall("dev", key, payload_hash))
        expected = _said(lambda: self.model.recall("dev", key, payload_hash))
        assert _said(lambda: _given(answer)) == expected

    async def _find(self, step: Find) -> None:
        """All pages together are the whole list of the model."""
        query = ReservationQuery(
            tenant="dev",
            limit=step.page,
            states=step.states,
            sort=step.sort,
            is_descending=step.is_descending,
        )
        rows = [row_of(hold) for hold in self.model.holds.values()]
        expected = find(rows, replace(query, limit=len(rows) + 1))
        found: list[str] = []
        while page := await self._harness.ledger.find(query):
            found += [row.reservation_id for row in page]
            assert len(found) <= len(rows), "some row is on two pages"
            query = replace(query, after=place_of(page[-1], step.sort))
        assert found == [row.reservation_id for row in expected]

    async def _kill(self) -> None:
        await self._harness.crash()
        swept = await self._harness.ledger.recover()
        if self._backend.is_shared:
            assert swept == Swept()
        else:
            self.model.tick()
            assert swept == self.model.atomic(self.model.recover)

    async def _tidy(self, tidy: Tidy) -> None:
        """Nothing that can still matter goes, and every head that was seen still holds."""
        ledger = self._harness.ledger
        before_ms = self._wall_ms - tidy.age_ms
        went = await ledger.seal(before_ms=self._wall_ms, limit=1_000)
        while count := await ledger.prune(before_ms=before_ms, limit=tidy.limit):
            assert count <= tidy.limit
            went += count
        if went:
            self.model.tick()
        rows = await ledger.reservations(states=frozenset(State), limit=100_000)
        for gone in self.model.holds.keys() - {row.reservation_id for row in rows}:
            hold = self.model.holds.pop(gone)
            assert hold.finalized_at_ms is not None
            assert hold.finalized_at_ms < before_ms
            assert not any(hold.uncovered.values())
        seals = await ledger.seals("dev")
        self._heads.update((seal.last_seq, seal.head) for seal in seals)
        for head in self._heads.values():
            if seals and head.seq >= seals[0].last_seq:
                assert check_head(seals, head) is None

    async def _all_entries(self) -> Sequence[Entry]:
        """Those that went as well."""
        left = await self._harness.ledger.journal("dev", after_seq=0, limit=100_000)
        known = len(self._history)
        self._history.extend(entry for entry in left if entry.seq > known)
        assert self._history[len(self._history) - len(left) :] == list(left)
        return self._history

    async def _compare_books(self) -> None:
        ledger = self._harness.ledger
        found = await ledger.all_balances()
        assert list(found) == self.model.read(self.model.all_balances)
        rows = await ledger.reservations(states=frozenset(State), limit=100_000)
        assert [_row(row) for row in reversed(rows)] == [
            _hold(hold) for hold in self.model.holds.values()
        ]
        assert (await ledger.verify()).differences == ()
        _compare_journal(await self._all_entries(), self.model)


async def _answer(asked: Awaitable[object]) -> object:
    """What came back, be it an error."""
    try:
        return await asked
    except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
        return error


def _forecast_of(said: object) -> object:
    """What should have been foreseen of this answer to a reserve."""
    if not isinstance(said, Grant):
        return said
    balances = tuple(
        replace(balance, reserved=balance.reserved - said.amounts[balance.unit])
        for balance in said.balances
    )
    return Forecast(said.rung, said.amounts, said.affected_scopes, balances)


def _said(ask: Callable[[], object]) -> object:
    """An answer, or what of a refusal every home must say alike."""
    try:
        return ask()
    except BudgetRefused as refusal:
        return BudgetRefused, refusal.reason, refusal.shortage
    except Refused as refusal:
        return Refused, refusal.reason
    except ReservationFinalized as refusal:
        return ReservationFinalized, refusal.state
    except LedgerError as error:
        return type(error)


def _given(answer: object) -> object:
    """The answer, raised again if it was an error."""
    if isinstance(answer, BaseException):
        raise answer
    return list(answer) if isinstance(answer, tuple) else answer


def _row(row: Reservation) -> Hashable:
    return (
        *(row.reservation_id, row.key, row.state, row.scope_path),
        *(_figures(row.amounts), _figures(row.charged or {}), _figures(row.uncovered)),
        *(row.estimated, row.dispatched, row.created_at_ms, row.expires_at_ms),
        *(row.finalized_at_ms, row.trace_id, row.price_version, row.is_event),
    )


def _hold(hold: Hold) -> Hashable:
    request = hold.request
    return (
        *(hold.reservation_id, request.key, hold.state, hold.scope),
        *(_figures(hold.amounts), _figures(hold.charged or {}), _figures(hold.uncovered)),
        *(hold.estimated, hold.dispatched, hold.created_at_ms, hold.expires_at_ms),
        *(hold.finalized_at_ms, request.trace_id, request.price_version, hold.is_event),
    )


def _figures(amounts: object) -> str:
    return str(sorted(amounts.items())) if isinstance(amounts, dict) else str(amounts)


def _compare_journal(entries: Sequence[Entry], model: Model) -> None:
    """Gapless, never back in time, each hold ended once, no figure below zero, as the model's."""
    standing: dict[WindowName, Amounts] = {}
    forgotten: dict[WindowName, Amounts] = {}
    ends: Counter[str | None] = Counter()
    at_ms = 0
    for entry, windows in replay(entries):
        assert entry.at_ms >= at_ms
        at_ms = entry.at_ms
        ends[entry.reservation_id] += entry.kind in ENDS
        for window, change in entry.postings:
            amounts = standing[window] = windows[window]
            if entry.kind is Kind.FORGET:
                forgotten[window] = forgotten.get(window, Amounts()).plus(change)
            assert 0 <= amounts.uncertain <= amounts.reserved
            assert min(amounts.spent, amounts.debt, amounts.uncovered) >= 0
            assert amounts.over_limit in (0, 1)
    assert max(ends.values(), default=0) <= 1
    expected = dict(forgotten)
    for stored in model.windows.values():
        name = name_of(stored.balance)
        expected[name] = expected.get(name, Amounts()).plus(_amounts(stored.balance))
    assert standing == expected
    told, should_tell = _told(entries), _told(model.entries.get("dev", []))
    assert told == should_tell, f"only here: {told - should_tell}\nmissing: {should_tell - told}"


def _amounts(balance: Balance) -> Amounts:
    return Amounts(
        balance.allocated,
        balance.reserved,
        balance.spent,
        balance.debt,
        balance.uncertain,
        balance.uncovered,
        int(balance.is_over_limit),
    )


def _told(entries: Iterable[Entry]) -> Counter[Hashable]:
    """What a journal tells, in whatever order; a posting of nothing tells nothing."""
    return Counter(
        (
            *(entry.at_ms, entry.kind, entry.scope, entry.reservation_id),
            *(entry.trace_id, entry.price_version),
            frozenset(posting for posting in entry.postings if any(posting.change)),
        )
        for entry in entries
        if entry.kind is not Kind.FORGET
    )
