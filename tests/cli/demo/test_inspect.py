"""What must be true at the end is looked at, not hoped for."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from proxy.app import new_reservation_id
from proxy.cli.demo.inspect import Report, inspect
from proxy.cli.demo.tally import Tally, Told
from proxy.domain.clock import SystemClock
from proxy.domain.decision import Decision
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import parse_pattern
from proxy.domain.subject import Subject
from proxy.ledger.records import BudgetLine, ReserveRequest, Span
from proxy.ledger.sqlite.ledger import SqliteLedger

STEPS = (Decision.ALLOW, Decision.ALLOW_WITH_CAPS, Decision.DENY)
CENT = 1_000_000
USD = Unit.USD_MICROCENTS

ANSWERED = "every call was answered"
IN_ORDER = "the answers went from yes over less to no"
NEVER_BELOW = "after every journal entry, every budget had remaining >= 0"
BOOKS = "verify finds no difference between balances, rows and journal"
BILL = "charged + uncovered is the upstream's own bill, and nothing is uncovered"
NO_HOLD = "no hold is left"


def tally_of(*decisions: Decision) -> Tally:
    tally = Tally()
    for decision in decisions:
        tally.add(Told(0, "ada", decision, None, ""))
    return tally


def line(allocated: int) -> BudgetLine:
    pattern = parse_pattern("tenant:demo", subtree=False)
    return BudgetLine(pattern, USD, Period.LIFETIME, allocated)


async def one_call(file: Path, *, settles: bool, then_allocated: int = 100 * CENT) -> None:
    """A ledger with one call of 40 cents, perhaps never settled, and perhaps cut down after."""
    ledger = SqliteLedger.open(file, clock=SystemClock(), new_id=new_reservation_id)
    await ledger.declare([line(100 * CENT)], templates_max=1)
    grant = await ledger.reserve(
        ReserveRequest(
            key="1",
            payload_hash="1",
            subject=Subject(tenant="demo"),
            plan=({USD: Span(40 * CENT, 40 * CENT)},),
            ttl_ms=60_000,
        )
    )
    if settles:
        await ledger.commit(
            grant.reservation_id, actual={USD: 40 * CENT}, key="1", payload_hash="1"
        )
    await ledger.declare([line(then_allocated)], templates_max=1)
    await ledger.close()


async def inspected(
    file: Path,
    *,
    decisions: Sequence[Decision] = STEPS,
    billed: int = 40 * CENT,
    troubles: Sequence[str] = (),
) -> Report:
    tally = tally_of(*decisions)
    return await inspect(file, SystemClock(), tally, billed=billed, troubles=troubles, elapsed_ms=1)


def broken(report: Report) -> list[str]:
    return [promise.what for promise in report.promises if not promise.kept]


async def test_a_run_without_fault_keeps_every_promise(tmp_path: Path) -> None:
    await one_call(tmp_path / "l.db", settles=True)

    report = await inspected(tmp_path / "l.db")

    assert broken(report) == []
    assert report.all_kept


@pytest.mark.parametrize("billed", [40 * CENT - 1, 40 * CENT + 1])
async def test_a_bill_that_is_a_microcent_off_is_seen(tmp_path: Path, billed: int) -> None:
    await one_call(tmp_path / "l.db", settles=True)

    assert broken(await inspected(tmp_path / "l.db", billed=billed)) == [BILL]


async def test_a_hold_that_is_left_is_seen(tmp_path: Path) -> None:
    await one_call(tmp_path / "l.db", settles=False)

    assert broken(await inspected(tmp_path / "l.db", billed=0)) == [NO_HOLD]


async def test_a_budget_that_was_below_zero_once_is_seen(tmp_path: Path) -> None:
    await one_call(tmp_path / "l.db", settles=True, then_allocated=39 * CENT)

    report = await inspected(tmp_path / "l.db")

    assert broken(report) == [NEVER_BELOW]
    assert "lowest -$0.01" in report.promises[2].figures


async def test_a_balance_that_was_altered_by_hand_is_seen(tmp_path: Path) -> None:
    await one_call(tmp_path / "l.db", settles=True)
    with closing(sqlite3.connect(tmp_path / "l.db")) as connection, connection:
        connection.execute("UPDATE windows SET spent = 0")

    assert broken(await inspected(tmp_path / "l.db")) == [BOOKS]


@pytest.mark.parametrize(
    "decisions",
    [
        (),
        STEPS[:2],
        (Decision.ALLOW, Decision.DENY),
        (Decision.ALLOW_WITH_CAPS, Decision.ALLOW, Decision.DENY),
        (Decision.ALLOW, Decision.DENY, Decision.ALLOW_WITH_CAPS),
    ],
)
async def test_steps_that_are_missing_or_out_of_order_are_seen(
    tmp_path: Path, decisions: Sequence[Decision]
) -> None:
    await one_call(tmp_path / "l.db", settles=True)

    assert broken(await inspected(tmp_path / "l.db", decisions=decisions)) == [IN_ORDER]


async def test_trouble_in_the_log_is_seen(tmp_path: Path) -> None:
    await one_call(tmp_path / "l.db", settles=True)

    report = await inspected(tmp_path / "l.db", troubles=["internal_error"])

    assert broken(report) == [ANSWERED]
    assert report.promises[0].figures == "internal_error"


def test_being_told_to_wait_is_no_decision() -> None:
    tally = Tally()
    tally.add(Told(0, "ada", Decision.DENY, "budget_busy", ""))
    tally.add(Told(1, "ada", Decision.ALLOW, None, ""))
    tally.add(Told(2, "ada", Decision.DENY, "budget_exceeded", ""))

    assert tally.steps() == (Decision.ALLOW, Decision.DENY)
    assert tally.waits == 1
    assert tally.total == {Decision.ALLOW: 1, Decision.DENY: 1}
