"""The store comes back without its last moments: no call is free for it."""

from proxy.domain.reservation import OnExpiry, State
from proxy.ledger.journal import Kind
from proxy.ledger.records import TenantStatus
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import (
    BOT,
    DEV,
    ask,
    balance_of,
    commit,
    declare,
    event,
    fund,
    hold,
    line,
    usd,
)
from tests.ledger.harness import MINUTE_MS
from tests.ledger.redis.home.conftest import Processes
from tests.servers.binaries import require
from tests.servers.process import Server
from tests.servers.relay import Relay
from tests.servers.sentinels import Watched, running_sentinel


async def forget_everything(relay: Relay, server: Server) -> None:
    """As a replica does that had not heard of anything yet."""
    server.command("FLUSHALL")
    relay.cut()


async def test_what_is_held_is_held_again(
    processes: Processes, relay: Relay, server: Server
) -> None:
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 100), line("tenant:dev/agent:*", 50))
    dispatched = await hold(ledger, 10)
    grown = (await ledger.reserve(ask(5))).reservation_id
    await ledger.grow(grown, by=usd(3), key="more")
    await forget_everything(relay, server)

    grant = await ledger.reserve(ask(1))
    assert [(b.scope, b.reserved) for b in grant.balances] == [(DEV, 19), (BOT, 19)]
    row = await ledger.reservation(dispatched)
    assert (row.state, row.dispatched, row.amounts) == (State.ACTIVE, True, usd(10))
    assert (await ledger.reservation(grown)).amounts == usd(8)
    restored = [
        entry
        for entry in await ledger.journal("dev", after_seq=0, limit=100)
        if entry.actor == "failover"
    ]
    assert {entry.kind for entry in restored} == {Kind.RESERVE}
    assert (await ledger.verify()).differences == ()
    assert (await commit(ledger, dispatched, 7)).charged == usd(7)


async def test_what_was_settled_lately_is_settled_again(
    processes: Processes, relay: Relay, server: Server
) -> None:
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 100))
    committed, released = await hold(ledger, 10), await hold(ledger, 10)
    await commit(ledger, committed, 7)
    await ledger.release(released, key="end")
    await ledger.apply(event(4))
    await fund(ledger, DEV, 50)
    await forget_everything(relay, server)

    await ledger.expire(limit=10)
    balance = await balance_of(ledger, DEV)
    assert (balance.allocated, balance.spent, balance.reserved) == (150, 11, 0)
    assert (await ledger.reservation(committed)).state is State.COMMITTED
    assert (await ledger.reservation(released)).state is State.RELEASED
    assert (await ledger.verify()).differences == ()


async def test_what_was_said_and_remembered_lately_is_there_again(
    processes: Processes, relay: Relay, server: Server
) -> None:
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 100))
    request = ask(10, key="call", annotation="kept", on_expiry=OnExpiry.RELEASE)
    await ledger.reserve(request)
    await ledger.remember("dev", "asked", "body", "DENY", keep_ms=MINUTE_MS)
    await ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    await forget_everything(relay, server)

    assert await ledger.tenant_status("dev") is TenantStatus.CLOSED
    assert await ledger.recall("dev", "asked", "body") == "DENY"
    assert (await ledger.reserve(request)).annotation == "kept"


async def test_a_hold_that_is_held_again_keeps_its_key_from_an_answer(
    processes: Processes, relay: Relay, server: Server
) -> None:
    """Another process has remembered an answer under the key meanwhile."""
    ledger, other = processes.start(relay.url), processes.start(server.unix_url)
    await declare(ledger, line(DEV, 100))
    request = ask(10, key="call")
    grant = await ledger.reserve(request)
    await forget_everything(relay, server)
    await other.remember("dev", "call", "body", "ALLOW", keep_ms=-1)

    await ledger.expire(limit=10)
    await ledger.expire(limit=10)
    assert (await ledger.reserve(request)).reservation_id == grant.reservation_id
    assert server.command("ZCARD", "spendgate:{t:dev}:remembered") == 0


async def test_what_the_store_still_knows_stays_as_it_is(
    processes: Processes, relay: Relay
) -> None:
    """Most of the time a connection was cut and nothing is lost."""
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 100))
    await hold(ledger, 10)
    await commit(ledger, await hold(ledger, 10), 7)
    await fund(ledger, DEV, 50)
    before = await ledger.journal("dev", after_seq=0, limit=100)
    relay.cut()
    await ledger.expire(limit=10)
    assert await ledger.journal("dev", after_seq=0, limit=100) == before


async def test_a_budget_may_be_over_by_what_was_lost_and_says_so(
    processes: Processes, relay: Relay, server: Server
) -> None:
    """Another process was granted the same room before this one came back."""
    ledger, other = processes.start(relay.url), processes.start(server.unix_url)
    await declare(ledger, line(DEV, 100))
    lost = await hold(ledger, 80)
    await forget_everything(relay, server)
    await declare(other, line(DEV, 100))
    await hold(other, 90)

    await ledger.expire(limit=10)
    assert (await balance_of(other, DEV)).remaining == -70
    await commit(ledger, lost, 80)
    assert (await balance_of(other, DEV)).spent == 80
    assert (await other.verify()).differences == ()


async def test_what_was_settled_long_ago_is_not_asked_again(
    processes: Processes, relay: Relay, server: Server
) -> None:
    processes.replay_ms = -1
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 100))
    await commit(ledger, await hold(ledger, 10), 7)
    await forget_everything(relay, server)
    await ledger.expire(limit=10)
    assert (await balance_of(ledger, DEV)).spent == 0


async def test_a_failover_by_sentinels(processes: Processes) -> None:
    with running_sentinel(require("valkey")) as watched:
        await fail_over(processes.start(watched.url), watched)


async def fail_over(ledger: RedisLedger, watched: Watched) -> None:
    await declare(ledger, line(DEV, 100))
    held = await hold(ledger, 10)
    watched.fail_over()
    grant = await ledger.reserve(ask(5))
    assert grant.balances[0].reserved == 15
    assert (await commit(ledger, held, 10)).charged == usd(10)
    assert (await ledger.verify()).differences == ()
