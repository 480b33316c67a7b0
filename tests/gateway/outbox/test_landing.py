"""A record may be landed again: by the same process when the answer was lost, by the next one
when the first died before it left the file. The ledger takes it for a replay."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from proxy.domain.money import Unit
from proxy.gateway.ending import Charged, GivenBack
from proxy.gateway.outbox.landing import Landing
from proxy.gateway.outbox.record import Ended, Left, Record, Settle
from tests.ledger.builders import (
    BOT,
    CALLS,
    DEV,
    POINTS,
    TOKENS,
    USD,
    balance_of,
    declare,
    event,
    hold,
    line,
)
from tests.ledger.harness import Home, open_sqlite

BILL = {USD: 700, TOKENS: 20}
HELD = {USD: 1_000, TOKENS: 25}
CHARGED = Charged(BILL, estimated=False, model="m")
GUESSED = Charged(BILL, estimated=True, model="m")

Make = Callable[[Home], Awaitable[Record]]


@pytest.fixture
async def ledger() -> AsyncIterator[Home]:
    async with open_sqlite() as harness:
        amounts = ((DEV, USD, 10_000), (BOT, USD, 9_000), (DEV, TOKENS, 500))
        lines = [line(scope, amount, unit=unit) for scope, unit, amount in amounts]
        await declare(harness.ledger, *lines)
        yield harness.ledger


async def charged(ledger: Home) -> Record:
    return Settle(await hold(ledger, HELD), CHARGED)


async def guessed(ledger: Home) -> Record:
    return Settle(await hold(ledger, HELD), GUESSED)


async def charged_late(ledger: Home) -> Record:
    reservation_id = await hold(ledger, HELD)
    await ledger.release(reservation_id, key="ops", actor="ops")
    return Settle(reservation_id, CHARGED)


async def given_back(ledger: Home) -> Record:
    return Settle(await hold(ledger, HELD), GivenBack())


async def free_though_uncertain(ledger: Home) -> Record:
    reservation_id = await hold(ledger, HELD)
    await ledger.mark_uncertain(reservation_id)
    return Settle(reservation_id, GivenBack())


async def left(ledger: Home) -> Record:
    return Left(event(BILL, is_spent=True))


async def ended(ledger: Home) -> Record:
    spent = event(BILL, is_spent=True)
    return Ended(spent.key, spent)


@pytest.mark.parametrize(
    ("make", "spent"),
    [
        (charged, 700),
        (guessed, 700),
        (charged_late, 700),
        (given_back, 0),
        (free_though_uncertain, 0),
        (left, 700),
        (ended, 700),
    ],
)
async def test_a_record_that_is_landed_again_is_charged_once_and_answered_the_same(
    ledger: Home, make: Make, spent: int
) -> None:
    record = await make(ledger)
    first = await Landing(ledger).land(record)
    assert first is not None
    again = await Landing(ledger).land(record)
    assert again == first
    for scope in (DEV, BOT):
        balance = await balance_of(ledger, scope, unit=USD)
        assert (balance.spent, balance.reserved) == (spent, 0)
    assert (await ledger.verify()).differences == ()


async def test_who_left_and_who_ended_is_charged_once(ledger: Home) -> None:
    """A process died between the two: the estimate was charged first, and stands."""
    spent = event(BILL, is_spent=True)
    await Landing(ledger).land(Left(spent))
    await Landing(ledger).land(Ended(spent.key, spent))
    assert (await balance_of(ledger, DEV, unit=USD)).spent == 700


@pytest.mark.parametrize(
    "counted",
    [HELD, {**HELD, CALLS: 1}, {**HELD, POINTS: 3}, {**HELD, POINTS: 3, CALLS: 1}],
)
async def test_a_call_that_cost_nothing_was_none(ledger: Home, counted: dict[Unit, int]) -> None:
    """In which units it was held beside money and tokens is not in the record."""
    await declare(ledger, line(DEV, 10_000), line(DEV, 500, unit=CALLS))
    reservation_id = await hold(ledger, counted)
    await ledger.mark_uncertain(reservation_id)

    await Landing(ledger).land(Settle(reservation_id, GivenBack()))

    row = await ledger.reservation(reservation_id)
    assert row.charged == dict.fromkeys(counted, 0)
