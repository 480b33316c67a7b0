"""What an operation costs the store, counted in commands; history makes none of it dearer."""

from collections import Counter

import pytest

from proxy.domain.period import Period
from proxy.domain.subject import Subject
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import DEV, USD, ask, commit, declare, line, spend
from tests.ledger.harness import HOUR_MS
from tests.servers.process import Server

SUBJECT = Subject(tenant="dev", workspace="w", app="a", workflow="f", agent="bot", toolset="t")

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


@pytest.mark.parametrize("calls", [2_000, pytest.param(100_000, marks=pytest.mark.soak)])
async def test_cost_does_not_grow_with_history(
    ledger: RedisLedger, meter: Meter, fresh: Counter[str], calls: int
) -> None:
    for number in range(calls):
        await spend(ledger, 1, agent=f"agent-{number % 7}")
    assert await what_it_costs(ledger, meter, "third") == fresh


@pytest.mark.parametrize("holds", [1_000, pytest.param(100_000, marks=pytest.mark.soak)])
async def test_cost_does_not_grow_with_what_is_open(
    ledger: RedisLedger, meter: Meter, fresh: Counter[str], holds: int
) -> None:
    for number in range(holds):
        await ledger.reserve(ask(1, subject=SUBJECT, key=f"open {number}", ttl_ms=HOUR_MS))
    assert await what_it_costs(ledger, meter, "third") == fresh
