"""Any sequence of operations, crashes and clock moves: home and model agree throughout.

The operations of one step share a tick of the loop, and with it a transaction.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from proxy.domain.errors import BudgetRefused, LedgerError, Refused, ReservationFinalized
from proxy.ledger.journal import Amounts, Entry, Kind, WindowName, replay
from proxy.ledger.protocol import Balance, Grant
from tests.ledger.harness import (
    BACKENDS,
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    NOON_MS,
    SECOND_MS,
    Harness,
)
from tests.ledger.model import Model
from tests.ledger.operations import (
    OPERATIONS,
    RESERVES,
    Declare,
    OnHold,
    Operation,
    Reserve,
    declarations,
)

_T = TypeVar("_T")

NO_ID: Final = "rsv_none"
ENDS: Final = {Kind.COMMIT, Kind.RELEASE, Kind.EXPIRE}
TIME_STEPS: Final = (
    1,
    29 * SECOND_MS,
    MINUTE_MS,
    MINUTE_MS + 5 * SECOND_MS,
    15 * MINUTE_MS,
    HOUR_MS,
    HOUR_MS + 1,
    DAY_MS,
    3 * DAY_MS,
    -MINUTE_MS,
)


def said(ask: Callable[[], object]) -> object:
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


def given(answer: object) -> object:
    """The answer, raised again if it was an error."""
    if isinstance(answer, BaseException):
        raise answer
    return list(answer) if isinstance(answer, tuple) else answer


def name_of(balance: Balance) -> WindowName:
    return WindowName(balance.scope, balance.unit, balance.period, balance.window_start_ms)


def amounts_of(balance: Balance) -> Amounts:
    return Amounts(
        balance.allocated,
        balance.reserved,
        balance.spent,
        balance.debt,
        balance.uncertain,
        balance.uncovered,
        int(balance.is_over_limit),
    )


class Comparison(RuleBasedStateMachine):
    """One home beside the model."""

    backend: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.opened: AbstractAsyncContextManager[Harness] = BACKENDS[self.backend]()
        self.harness = self.run(self.opened.__aenter__())
        self.wall_ms = NOON_MS
        self.model = Model(lambda: self.wall_ms)

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.loop.close()

    def run(self, awaitable: Awaitable[_T]) -> _T:
        return self.loop.run_until_complete(awaitable)

    def entries(self) -> tuple[Entry, ...]:
        return self.run(self.harness.ledger.journal("dev", after_seq=0, limit=100_000))

    @initialize(declaration=declarations())
    def begin(self, declaration: Declare) -> None:
        self.ask([declaration])

    @rule(operations=st.lists(OPERATIONS, min_size=1, max_size=4))
    def ask(self, operations: Sequence[Operation]) -> None:
        """What is asked in one tick is answered in its order."""
        ids = [*self.model.holds]
        operations = [op for op in operations if ids or not isinstance(op, OnHold)]
        before = len(self.entries())

        async def in_one_tick() -> list[object]:
            asked = (operation.of_home(self.harness.ledger, ids) for operation in operations)
            return await asyncio.gather(*asked, return_exceptions=True)

        answers = self.run(in_one_tick())
        if operations:
            self.model.tick()
        for operation, answer in zip(operations, answers, strict=True):
            self.compare(operation, answer, ids)
        if all(isinstance(answer, Exception) for answer in answers):
            written = [entry for entry in self.entries()[before:] if entry.actor != "clock"]
            assert written == [], "a refusal changes nothing"

    @rule(requests=st.lists(RESERVES, min_size=2, max_size=5))
    def many_ask_for_holds(self, requests: list[Reserve]) -> None:
        self.ask(requests)

    def compare(self, operation: Operation, answer: object, ids: list[str]) -> None:
        new_id = answer.reservation_id if isinstance(answer, Grant) else NO_ID
        expected = said(lambda: operation.of_model(self.model, ids, new_id))
        assert said(lambda: given(answer)) == expected, operation

    @rule(by_ms=st.sampled_from(TIME_STEPS))
    def time_passes(self, by_ms: int) -> None:
        self.harness.advance_ms(by_ms)
        self.wall_ms += by_ms

    @rule()
    def the_process_is_killed(self) -> None:
        async def crash_and_recover() -> object:
            await self.harness.crash()
            return await self.harness.ledger.recover()

        swept = self.run(crash_and_recover())
        self.model.tick()
        assert swept == self.model.recover()

    @invariant()
    def every_balance_is_the_models(self) -> None:
        recorded_ms = self.model.now_ms
        self.model.now_ms = max(recorded_ms, self.wall_ms)
        expected = self.model.all_balances()
        self.model.now_ms = recorded_ms
        assert list(self.run(self.harness.ledger.all_balances())) == expected

    @invariant()
    def every_row_is_the_models(self) -> None:
        for hold in self.model.holds.values():
            row = self.run(self.harness.ledger.reservation(hold.reservation_id))
            assert (row.state, row.amount, row.dispatched) == (
                hold.state,
                hold.amount,
                hold.dispatched,
            )
            assert ((row.charged or 0), row.uncovered, row.estimated) == (
                hold.charged,
                hold.uncovered,
                hold.estimated,
            )
            assert row.expires_at_ms == hold.expires_at_ms

    @invariant()
    def the_books_agree(self) -> None:
        """Reserved is the sum of the open holds, spent of the charges, and so on."""
        assert self.run(self.harness.ledger.verify()).differences == ()

    @invariant()
    def the_journal_tells_every_balance(self) -> None:
        """Gapless, never back in time, each hold ended once, and no figure below zero."""
        standing: dict[WindowName, Amounts] = {}
        ends: Counter[str | None] = Counter()
        at_ms = 0
        for entry, windows in replay(self.entries()):
            assert entry.at_ms >= at_ms
            at_ms = entry.at_ms
            ends[entry.reservation_id] += entry.kind in ENDS
            for window, _ in entry.postings:
                amounts = standing[window] = windows[window]
                assert 0 <= amounts.uncertain <= amounts.reserved
                assert min(amounts.spent, amounts.debt, amounts.uncovered) >= 0
                assert amounts.over_limit in (0, 1)
        assert max(ends.values(), default=0) <= 1
        for budget in self.model.budgets.values():
            for balance in budget.windows:
                assert standing[name_of(balance)] == amounts_of(balance)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_home_does_what_the_model_does(backend: str) -> None:
    run_state_machine_as_test(
        type("Comparison", (Comparison,), {"backend": backend}),
        settings=settings(
            max_examples=120,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
