"""`settle.uncertain: hold`: only people end what nobody knows."""

from proxy.domain.reservation import State
from proxy.ledger.records import Swept
from tests.ledger.builders import DEV, declare, hold, line
from tests.ledger.harness import HOUR_MS, SqliteHarness, scratch


async def test_what_stays_uncertain_stays_held_where_that_is_the_rule() -> None:
    with scratch() as directory:
        harness = SqliteHarness(directory, settle_uncertain="hold")
        await declare(harness.ledger, line(DEV, 1000))
        reservation_id = await hold(harness.ledger, 100)
        await harness.ledger.mark_uncertain(reservation_id)
        harness.advance_ms(30 * HOUR_MS)
        assert await harness.ledger.expire(limit=10) == Swept()
        assert (await harness.ledger.reservation(reservation_id)).state is State.UNCERTAIN
        await harness.close()
