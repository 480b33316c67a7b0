"""Questions over many rows: what they read, that their pages fit together, and what stops them."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from random import Random

import msgspec
import pytest

from proxy.domain.errors import BudgetRefused, LedgerUnavailable
from proxy.domain.reservation import OnExpiry, State
from proxy.domain.subject import Subject
from proxy.ledger.records import (
    Between,
    Place,
    Reservation,
    ReservationQuery,
    SortKey,
    TenantStatus,
)
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import (
    DEV,
    ask,
    balance_of,
    commit,
    declare,
    event,
    grow,
    hold,
    line,
    over_protocol,
    usd,
)
from tests.ledger.harness import DAY_MS, HOUR_MS, NOON_MS, RedisHarness
from tests.ledger.redis.home.history import copy_newest_row
from tests.ledger.redis.home.test_cost import Meter
from tests.servers.process import Server

ROWS = 330
"""More than three pages."""


@pytest.fixture
def meter(server: Server) -> Meter:
    return Meter(server)


class WithHashedIds(RedisHarness):
    """Ids say nothing of when rows were made, as in production."""

    def new_id(self) -> str:
        return sha256(super().new_id().encode()).hexdigest()


@pytest.fixture
async def full(server: Server) -> AsyncIterator[RedisHarness]:
    """Rows of every state, more than a page of them made in one moment, and events."""
    harness = WithHashedIds(server.unix_url)
    try:
        await fill(harness)
        yield harness
    finally:
        await harness.close()


async def fill(harness: RedisHarness) -> None:
    ledger, random = harness.ledger, Random(5)
    await declare(ledger, line(DEV, 10**9))
    for number in range(ROWS):
        subject = Subject(tenant="dev", agent=random.choice(["bot", "cli", None]))
        request = ask(
            random.randrange(3),
            key=f"call {number}",
            subject=subject,
            on_expiry=random.choice([*OnExpiry]),
            ttl_ms=HOUR_MS + random.randrange(3),
        )
        reservation_id = (await ledger.reserve(request)).reservation_id
        await random.choice(AFTERWARDS)(harness, reservation_id)
        if random.random() < 0.2:
            await ledger.apply(event(1, subject=subject))
        if number % 120 == 0:
            harness.advance_ms(random.randrange(1, 5))


Afterwards = Callable[[RedisHarness, str], Awaitable[object]]

AFTERWARDS: tuple[Afterwards, ...] = (
    lambda harness, row: harness.ledger.dispatch(row),
    lambda harness, row: harness.ledger.release(row, key="end"),
    lambda harness, row: harness.ledger.mark_uncertain(row),
    lambda harness, row: commit(harness.ledger, row, 1),
    lambda harness, row: commit(harness.ledger, row, 0),
)


def place_of(row: Reservation, sort: SortKey) -> Place:
    """Where a row stands; a row of these tests is in dollars alone."""
    values: dict[SortKey, str | int] = {
        SortKey.RESERVATION_ID: row.reservation_id,
        SortKey.TENANT: row.tenant,
        SortKey.SCOPE_PATH: row.scope_path,
        SortKey.STATUS: "ACTIVE" if row.state is State.UNCERTAIN else row.state.value,
        SortKey.RESERVED: sum(row.amounts.values()),
        SortKey.CREATED_AT_MS: row.created_at_ms,
        SortKey.EXPIRES_AT_MS: row.expires_at_ms,
    }
    return Place(values[sort], row.reservation_id)


def is_in(between: Between, at_ms: int | None) -> bool:
    if between == Between():
        return True
    from_ms, to_ms = between
    return at_ms is not None and (from_ms or 0) <= at_ms <= (2**60 if to_ms is None else to_ms)


def expected(rows: list[Reservation], query: ReservationQuery) -> list[str]:
    """The answer from all rows at once."""
    places = [
        place_of(row, query.sort)
        for row in rows
        if not row.is_event
        and row.state in query.states
        and query.levels.get("agent") in (None, row.subject.agent)
        and is_in(query.created, row.created_at_ms)
    ]
    places.sort(reverse=query.is_descending)
    if query.after is not None:
        after = query.after
        places = [place for place in places if (place > after) != query.is_descending]
        places = [place for place in places if place != after]
    return [place.reservation_id for place in places[: query.limit]]


def draw(random: Random, rows: list[Reservation]) -> ReservationQuery:
    sort = random.choice([*SortKey, SortKey.CREATED_AT_MS, SortKey.CREATED_AT_MS])
    last_ms = max(row.created_at_ms for row in rows)
    bounds = [random.choice([None, random.randint(NOON_MS - 2, last_ms + 2)]) for _ in range(2)]
    return ReservationQuery(
        tenant="dev",
        limit=random.choice([1, 7, 99, 100, 101, ROWS]),
        states=frozenset(random.sample([*State], random.randint(1, 5))),
        levels=random.choice([{}, {}, {"agent": "bot"}]),
        created=Between(*bounds),
        sort=sort,
        is_descending=random.random() < 0.5,
        after=random.choice([None, place_of(random.choice(rows), sort)]),
    )


async def test_any_query_over_pages_is_answered_as_from_all_rows_at_once(
    full: RedisHarness,
) -> None:
    every = await full.ledger.reservations(states=frozenset(State), limit=10 * ROWS)
    rows = [*every]
    assert len(rows) > ROWS
    for seed in range(150):
        query = draw(Random(seed), rows)
        found = await full.ledger.find(query)
        assert [row.reservation_id for row in found] == expected(rows, query), (seed, query)


async def test_the_rows_of_each_page_are_as_they_are_one_by_one(full: RedisHarness) -> None:
    query = ReservationQuery(tenant="dev", limit=ROWS, is_descending=False)
    found = await full.ledger.find(query)
    assert len(found) == ROWS
    for row in (found[0], found[ROWS // 2], found[-1]):
        assert await full.ledger.reservation(row.reservation_id) == row


async def test_what_is_looked_for_by_its_key_or_its_time_is_found_without_the_rest(
    ledger: RedisLedger, server: Server, meter: Meter
) -> None:
    await declare(ledger, line(DEV, 10**9))
    first = await hold(ledger, 1)
    made_ms = (await ledger.reservation(first)).created_at_ms
    await commit(ledger, first, 1)
    copy_newest_row(server, 2_000)
    grant = await ledger.reserve(ask(1, key="wanted"))
    await commit(ledger, grant.reservation_id, 1)
    last_ms = (await ledger.reservation(grant.reservation_id)).created_at_ms
    assert last_ms > made_ms + 1
    queries = (
        ReservationQuery(tenant="dev", limit=5, key="wanted"),
        ReservationQuery(tenant="dev", limit=5, created=Between(from_ms=last_ms)),
        ReservationQuery(tenant="dev", limit=1),
        ReservationQuery(
            tenant="dev", limit=5, created=Between(from_ms=last_ms), is_descending=False
        ),
        ReservationQuery(
            tenant="dev",
            limit=5,
            is_descending=False,
            after=Place(last_ms - 1, "rsv_z"),
        ),
    )
    for query in queries:
        meter.start()
        (row,) = await ledger.find(query)
        assert row.reservation_id == grant.reservation_id
        assert sum(meter.read().values()) < 250, query


async def test_what_is_asked_and_changes_nothing_writes_nothing(
    ledger: RedisLedger, meter: Meter
) -> None:
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 50))
    await ledger.remember("dev", "asked", "body", "ALLOW", keep_ms=DAY_MS)
    meter.start()
    await ledger.decide(ask(5))
    with pytest.raises(BudgetRefused):
        await ledger.decide(ask(500))
    await ledger.recall("dev", "asked", "body")
    await ledger.tenant_status("dev")
    await ledger.find(ReservationQuery(tenant="dev", limit=5))
    commands = meter.read()
    assert commands.keys() <= {
        "eval",
        "evalsha",
        "time",
        "get",
        "hget",
        "hmget",
        "zrevrangebyscore",
    }
    assert [balance.scope for balance in await ledger.all_balances()] == [DEV]


async def test_the_status_of_a_tenant_costs_its_calls_nothing(
    ledger: RedisLedger, meter: Meter
) -> None:
    await declare(ledger, line(DEV, 10**9))

    async def a_call() -> Counter[str]:
        meter.start()
        await commit(ledger, await hold(ledger, 5), 5)
        return meter.read()

    await a_call()
    before = await a_call()
    await ledger.set_tenant_status("dev", TenantStatus.SUSPENDED, actor="ops")
    await ledger.set_tenant_status("dev", TenantStatus.ACTIVE, actor="ops")
    for number in range(20):
        await ledger.remember("dev", f"asked {number}", "body", "DENY", keep_ms=DAY_MS)
    assert await a_call() == before


async def test_who_asks_for_a_tenant_that_nobody_knows_makes_it_no_books(
    ledger: RedisLedger, server: Server
) -> None:
    assert await ledger.tenant_status("ghost") is TenantStatus.ACTIVE
    assert await ledger.recall("ghost", "asked", "body") is None
    assert await ledger.find(ReservationQuery(tenant="ghost", limit=5)) == ()
    assert server.command("KEYS", "*") == []


async def test_answers_that_are_over_go_in_short_runs_as_many_as_is_said(
    ledger: RedisLedger, server: Server, meter: Meter
) -> None:
    await declare(ledger, line(DEV, 100))
    for number in range(130):
        await ledger.remember("dev", f"asked {number}", "body", "DENY", keep_ms=-1)
    for limit, left, runs in ((5, 125, 1), (100, 25, 2), (100, 0, 1)):
        meter.start()
        await ledger.expire(limit=limit)
        assert server.command("ZCARD", "spendgate:{t:dev}:remembered") == left
        assert meter.read()["evalsha"] <= 1 + runs, "whose books there are, and short runs"
    assert server.command("KEYS", "spendgate:{t:dev}:k:*") == []


def break_status(server: Server) -> None:
    """Somebody writes over the status of the tenant."""
    hash_key = "spendgate:{t:dev}:budgets"
    head = msgspec.msgpack.decode(server.command("HGET", hash_key, "head"))
    head["tenant_status"] = "PAUSED"
    server.command("HSET", hash_key, "head", msgspec.msgpack.encode(head))


async def test_a_status_that_cannot_be_read_stops_what_it_may_stop(
    ledger: RedisLedger, server: Server
) -> None:
    """Spec, "ERROR SEMANTICS": a record whose status cannot be determined fails closed."""
    await declare(ledger, line(DEV, 1_000))
    break_status(server)
    questions: list[Awaitable[object]] = [
        ledger.tenant_status("dev"),
        ledger.reserve(ask(1)),
        ledger.decide(ask(1)),
        ledger.apply(event(1)),
    ]
    for question in questions:
        with pytest.raises(LedgerUnavailable, match="status of dev"):
            await question
    assert (await balance_of(ledger, DEV)).remaining == 1_000


async def test_a_status_that_cannot_be_read_keeps_holds_of_the_protocol_as_they_are(
    ledger: RedisLedger, server: Server
) -> None:
    await declare(ledger, line(DEV, 1_000))
    foreign, own = await over_protocol(ledger, 10), await hold(ledger, 20)
    break_status(server)
    steps: list[Awaitable[object]] = [
        commit(ledger, foreign, 5),
        ledger.release(foreign, key="end"),
        ledger.extend(foreign, by_ms=5, key="on"),
        grow(ledger, foreign, 5),
    ]
    for step in steps:
        with pytest.raises(LedgerUnavailable, match="status of dev"):
            await step
    assert (await commit(ledger, own, 15)).charged == usd(15)
    assert (await ledger.apply(event(3, is_spent=True))).settlement.charged == usd(3)
    await ledger.set_tenant_status("dev", TenantStatus.ACTIVE, actor="ops")
    assert (await commit(ledger, foreign, 5)).charged == usd(5)
