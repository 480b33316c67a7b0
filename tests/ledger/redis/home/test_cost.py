"""What an operation costs the store, counted in commands; history makes none of it dearer."""

from collections import Counter

import pytest
from msgspec.structs import replace

from proxy.domain.period import Period
from proxy.domain.subject import Subject
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import (
    DEV,
    USD,
    ask,
    balance_of,
    commit,
    declare,
    hold,
    line,
    spend,
)
from tests.ledger.harness import HOUR_MS
from tests.ledger.redis.home.history import copy_newest_row
from tests.servers.process import Server

SUBJECT = Subject(tenant="dev", workspace="w", app="a", workflow="f", agent="bot", toolset="t")

A_RUN = 50
"""So many leases one script ends."""

IGNORED = {"config|resetstat", "info", "client|setinfo", "hello"}


async def declare_every_level(ledger: RedisLedger, period: Period = Period.LIFETIME) -> None:
    names = [f"{level}:{value}" for level, value in SUBJECT.levels()]
    scopes = ["/".join(names[: end + 1]) for end in range(len(names))]
    await declare(ledger, *(line(scope, 10**12, period=period) for scope in scopes))


class Meter:
    """Commands that the store ran, by name."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def start(self) -> None:
        self._server.command("CONFIG", "RESETSTAT")

    def read(self) -> Counter[str]:
        stats = self._server.client.info("commandstats")
        assert isinstance(stats, dict)
        names = {name.removeprefix("cmdstat_"): stat["calls"] for name, stat in stats.items()}
        return Counter({name: calls for name, calls in names.items() if name not in IGNORED})


@pytest.fixture
def meter(server: Server) -> Meter:
    return Meter(server)


async def one_call(ledger: RedisLedger, key: str) -> None:
    grant = await ledger.reserve(ask(5, subject=SUBJECT, key=key))
    await ledger.dispatch(grant.reservation_id)
    await commit(ledger, grant.reservation_id, 5)


@pytest.mark.parametrize("period", [Period.LIFETIME, Period.MONTH])
async def test_what_a_call_over_six_scopes_costs(
    ledger: RedisLedger, meter: Meter, period: Period
) -> None:
    """One round trip an operation, whatever the number of budgets."""
    await declare_every_level(ledger, period)
    await one_call(ledger, "first")
    meter.start()
    await one_call(ledger, "second")
    assert meter.read() == {
        "evalsha": 3,
        "time": 3,
        "hget": 3,
        "hset": 6,
        "hmget": 5,
        "get": 1,
        "set": 1,
        "zadd": 2,
        "zrem": 1,
        "xadd": 3,
    }


async def test_uncertain_holds_are_counted_without_reading_one(
    ledger: RedisLedger, meter: Meter
) -> None:
    await declare(ledger, line(DEV, 100))
    for _ in range(5):
        await ledger.mark_uncertain((await ledger.reserve(ask(1))).reservation_id)
    await ledger.count_uncertain()
    meter.start()
    assert await ledger.count_uncertain() == 5
    # The tenants, and how many there are of the only one.
    assert meter.read() == {"evalsha": 2, "smembers": 1, "time": 1, "hget": 1, "zcard": 1}


async def test_a_refusal_writes_the_time_and_nothing_else(
    ledger: RedisLedger, meter: Meter
) -> None:
    await declare(ledger, line(DEV, 4))
    await ledger.reserve(ask(0))
    meter.start()
    with pytest.raises(Exception, match="exhausted"):
        await ledger.reserve(ask(5))
    commands = meter.read()
    assert (commands["hset"], commands["xadd"], commands["zadd"]) == (1, 0, 0)


async def what_it_costs(ledger: RedisLedger, meter: Meter, key: str) -> Counter[str]:
    """A call, a sweep and a look."""
    meter.start()
    await one_call(ledger, key)
    await ledger.expire(limit=100)
    await ledger.balances([DEV], USD)
    return meter.read()


@pytest.fixture
async def fresh(ledger: RedisLedger, meter: Meter) -> Counter[str]:
    """What it costs at first, once every script is known."""
    await declare_every_level(ledger)
    await what_it_costs(ledger, meter, "first")
    return await what_it_costs(ledger, meter, "second")


async def test_a_copied_row_is_what_a_call_would_have_left(
    ledger: RedisLedger, server: Server
) -> None:
    await declare_every_level(ledger)
    lived = await hold(ledger, 7, agent="bot")
    await commit(ledger, lived, 5)
    settled = await ledger.reservation(copy_newest_row(server, 1_500))
    assert settled == replace(
        await ledger.reservation(lived), reservation_id=settled.reservation_id, key=settled.key
    )
    open_one = await ledger.reserve(ask(3, subject=SUBJECT))
    copied = copy_newest_row(server, 10)
    assert (await ledger.extend(copied, by_ms=5, key="longer")).expires_at_ms == (
        open_one.expires_at_ms + 5
    )
    replayed = await ledger.reserve(ask(7, key=settled.key))
    assert replayed.reservation_id == settled.reservation_id
    balance = await balance_of(ledger, DEV)
    assert (balance.spent, balance.reserved) == (5 * 1_501, 3 * 11)
    audit = await ledger.verify()
    assert (audit.reservations, audit.entries) == (1_512, 6 + 3 * 1_501 + 11 + 1)
    assert audit.differences == ()


@pytest.mark.parametrize("rows", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
async def test_cost_does_not_grow_with_history(
    ledger: RedisLedger, server: Server, meter: Meter, fresh: Counter[str], rows: int
) -> None:
    copy_newest_row(server, rows)
    assert (await balance_of(ledger, DEV)).spent == 5 * (rows + 2)
    assert await what_it_costs(ledger, meter, "third") == fresh


async def test_cost_does_not_grow_with_what_is_open(
    ledger: RedisLedger, server: Server, meter: Meter, fresh: Counter[str]
) -> None:
    await ledger.reserve(ask(1, subject=SUBJECT, ttl_ms=HOUR_MS))
    copy_newest_row(server, 100_000)
    assert (await balance_of(ledger, DEV)).reserved == 100_001
    assert await what_it_costs(ledger, meter, "third") == fresh


async def test_a_run_of_the_sweep_costs_the_same_however_many_leases_are_over(
    ledger: RedisLedger, server: Server, meter: Meter
) -> None:
    """And so does a call meanwhile: a storm of them is ended a little at a time."""
    await declare_every_level(ledger)
    await what_it_costs(ledger, meter, "first")
    costs = []
    for copies in (1_000, 100_000):
        await ledger.reserve(ask(1, subject=SUBJECT, ttl_ms=1))
        copy_newest_row(server, copies)
        meter.start()
        swept = await ledger.expire(limit=A_RUN)
        a_run = meter.read()
        meter.start()
        await one_call(ledger, f"beside {copies}")
        costs.append((len(swept.released), a_run, meter.read()))
    few, many = costs
    assert many == few
    assert (few[0], few[1]["evalsha"]) == (A_RUN, 2), "whose books there are, and one run"
    assert sum(few[1].values()) < 10 * A_RUN


@pytest.mark.soak
async def test_the_books_of_a_million_rows_agree(ledger: RedisLedger, server: Server) -> None:
    await declare(ledger, line(DEV, 10**12))
    await spend(ledger, 5, agent=None)
    copy_newest_row(server, 1_000_000)
    await spend(ledger, 5, agent=None)
    audit = await ledger.verify()
    assert (audit.reservations, audit.charged) == (1_000_002, 5 * 1_000_002)
    assert audit.differences == ()
