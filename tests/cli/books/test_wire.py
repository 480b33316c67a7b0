"""What programs read is what the protocol says, field by field."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from proxy.cli.books.wire import balance_object, reservation_object
from proxy.domain.reservation import State
from tests.cli.books.ledgers import CENT, hold, is_valid, on_ledger
from tests.cli.commands import answered, run


def no_nulls(value: object) -> bool:
    if isinstance(value, dict):
        return all(no_nulls(each) for each in value.values())
    if isinstance(value, list):
        return all(no_nulls(each) for each in value)
    return value is not None


def test_balances_are_the_protocols(config_file: Path) -> None:
    hold(config_file, CENT)

    balances = answered("budgets", "list", "-c", str(config_file))

    assert len(balances) == 2
    for balance in balances:
        assert no_nulls(balance)
        is_valid("Balance", balance)


@pytest.mark.parametrize("ending", [None, "commit", "release"])
@pytest.mark.parametrize("uncertain", [False, True])
def test_reservations_are_the_protocols(
    config_file: Path, ending: str | None, uncertain: bool
) -> None:
    reservation_id = hold(config_file, CENT, uncertain=uncertain)
    if ending is not None:
        run("reservations", ending, reservation_id, "-c", str(config_file))

    (reservation,) = answered("reservations", "show", reservation_id, "-c", str(config_file))

    assert no_nulls(reservation)
    assert reservation["subject"] == {"tenant": "dev", "agent": "bot", "dimensions": {"run": "7"}}
    assert reservation["reserved"] == {"unit": "USD_MICROCENTS", "amount": CENT}
    assert reservation["metadata"] == (
        {"trace_id": "ab", "price_version": "a list of prices", "model": "gpt-4o"}
    )
    assert reservation["action"] == {"kind": "llm.completion", "name": "gpt-4o"}
    is_valid("ReservationDetail", reservation)


def test_an_uncertain_hold_reads_as_active(config_file: Path) -> None:
    reservation_id = hold(config_file, CENT, uncertain=True)

    (reservation,) = answered("reservations", "list", "-c", str(config_file))

    assert (reservation["reservation_id"], reservation["status"]) == (reservation_id, "ACTIVE")


def test_an_expired_hold_has_no_time_of_its_end(config_file: Path) -> None:
    reservation_id = hold(config_file, CENT)
    row = on_ledger(config_file, lambda ledger: ledger.reservation(reservation_id))

    expired = reservation_object(replace(row, state=State.EXPIRED, finalized_at_ms=1))

    assert "finalized_at_ms" not in expired
    is_valid("ReservationDetail", expired)


def test_an_allocation_below_zero_is_left_out_and_what_remains_is_not(config_file: Path) -> None:
    (balance, *_) = on_ledger(config_file, lambda ledger: ledger.all_balances())

    written = balance_object(replace(balance, allocated=-CENT))

    assert "allocated" not in written
    assert written["remaining"] == {"unit": "USD_MICROCENTS", "amount": -CENT}
    is_valid("Balance", written)
