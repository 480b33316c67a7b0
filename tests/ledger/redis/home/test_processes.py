"""Several processes on one store: one budget, one truth."""

import asyncio

import pytest

from proxy.domain.errors import BudgetRefused, IdempotencyMismatch, Refused, ReservationNotFound
from proxy.domain.reservation import State
from proxy.domain.scope import Scope
from proxy.ledger.protocol import Ledger
from proxy.ledger.records import BudgetStatus, Grant, TenantStatus
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import BOT, DEV, ask, balance_of, commit, declare, fund, hold, line
from tests.ledger.harness import MINUTE_MS
from tests.ledger.redis.home.conftest import Processes
from tests.servers.process import Server


@pytest.fixture
def pair(processes: Processes, server: Server) -> tuple[RedisLedger, RedisLedger]:
    """Two processes on an empty Valkey."""
    return processes.start(server.unix_url), processes.start(server.unix_url)


async def granted(ledger: Ledger, amount: int) -> Grant | None:
    try:
        return await ledger.reserve(ask(amount))
    except BudgetRefused:
        return None


async def test_three_processes_share_a_budget_without_a_race(
    processes: Processes, server: Server
) -> None:
    """B#3547: budgets per replica leak as often as there are replicas."""
    ledgers = [processes.start(server.unix_url) for _ in range(3)]
    for ledger in ledgers:
        await declare(ledger, line(DEV, 500), line("tenant:dev/agent:*", 10_000))
    grants = await asyncio.gather(*(granted(ledgers[n % 3], 10) for n in range(120)))
    assert sum(grant is not None for grant in grants) == 50
    balance = await balance_of(ledgers[0], DEV)
    assert (balance.reserved, balance.remaining) == (500, 0)
    assert (await ledgers[1].verify()).differences == ()


async def test_a_template_makes_one_budget_for_all(processes: Processes, server: Server) -> None:
    ledgers = [processes.start(server.unix_url) for _ in range(3)]
    for ledger in ledgers:
        await declare(ledger, line("tenant:dev/agent:*", 25))
    grants = await asyncio.gather(*(granted(ledgers[n % 3], 10) for n in range(12)))
    assert sum(grant is not None for grant in grants) == 2
    assert [b.scope for b in await ledgers[0].all_balances()] == [BOT]


async def test_a_tenant_is_closed_for_every_process_at_once(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    one, other = pair
    await declare(one, line(DEV, 100))
    await hold(other, 10)
    await one.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    with pytest.raises(Refused, match="closed"):
        await other.reserve(ask(1))
    assert await other.tenant_status("dev") is TenantStatus.CLOSED


async def test_a_key_is_one_thing_for_every_process(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    """Whoever comes first has it: a hold, or an answer that is remembered."""
    one, other = pair
    await declare(one, line(DEV, 1_000))
    for number in range(20):
        key = f"key {number}"
        answers = await asyncio.gather(
            one.reserve(ask(1, key=key)),
            other.remember("dev", key, "body", "ALLOW", keep_ms=MINUTE_MS),
            return_exceptions=True,
        )
        assert sum(isinstance(answer, IdempotencyMismatch) for answer in answers) == 1


async def test_a_process_settles_what_another_holds(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    one, other = pair
    await declare(one, line(DEV, 100))
    reservation_id = await hold(one, 50)
    settled = await commit(other, reservation_id, 30)
    assert settled.balances[0].remaining == 70
    assert (await commit(one, reservation_id, 30)) == settled, "the same key, the same answer"
    with pytest.raises(ReservationNotFound):
        await commit(other, "rsv_of_nobody", 30)


async def test_a_freeze_stops_the_next_reserve_of_everybody(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    one, other = pair
    await declare(one, line(DEV, 100))
    await hold(other, 5)
    await one.set_status(DEV, None, BudgetStatus.FROZEN, actor="ops")
    with pytest.raises(BudgetRefused):
        await other.reserve(ask(5))


async def test_an_older_sidecar_does_not_take_back_what_a_newer_one_declared(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    old, new = pair
    await declare(old, line(DEV, 100), version=1)
    await fund(old, DEV, 7)
    await declare(new, line(DEV, 200), version=2)
    told = await old.declare([line(DEV, 100)], templates_max=10, version=1)
    assert (told.version, told.is_ignored) == (2, True)
    assert (await balance_of(old, DEV)).allocated == 207


async def test_a_tenant_is_left_alone_by_those_who_do_not_name_it(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    """Two groups of sidecars, each with tenants of its own, on one store."""
    one, other = pair
    await declare(one, line(DEV, 100))
    await declare(other, line("tenant:acme", 50))
    await other.reserve(ask(1))
    await declare(other, line("tenant:acme", 60))
    balances = {b.scope: (b.allocated, b.declared) for b in await one.all_balances()}
    assert balances == {DEV: (100, True), Scope("tenant:acme"): (60, True)}


async def test_lines_for_any_tenant_are_declared_to_whoever_comes(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    one, other = pair
    await declare(one, line("tenant:*", 100))
    assert await one.all_balances() == ()
    grant = await one.reserve(ask(5))
    assert [balance.scope for balance in grant.balances] == [DEV]
    assert (await other.reserve(ask(5))).balances[0].remaining == 90


async def test_a_line_that_is_gone_is_taken_back_by_who_declared_it(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    one, _ = pair
    await declare(one, line(DEV, 100))
    await declare(one)
    assert not (await balance_of(one, DEV)).declared


async def test_whoever_sweeps_ends_the_leases_of_a_process_that_died(
    pair: tuple[RedisLedger, RedisLedger],
) -> None:
    dead, alive = pair
    await declare(dead, line(DEV, 100))
    left = await dead.reserve(ask(10, ttl_ms=1))
    await dead.dispatch(left.reservation_id)
    stayed = await dead.reserve(ask(10, ttl_ms=1))
    await dead.close()
    await wait_for_the_next_millisecond(alive)
    swept = await alive.expire(limit=10)
    assert (swept.uncertain, swept.released) == ((left.reservation_id,), (stayed.reservation_id,))
    assert (await alive.reservation(left.reservation_id)).state is State.UNCERTAIN


async def wait_for_the_next_millisecond(ledger: RedisLedger) -> None:
    """Ask until the store's time has passed two milliseconds: nobody sleeps."""
    first = (await ledger.reserve(ask(0))).expires_at_ms
    while (await ledger.reserve(ask(0))).expires_at_ms < first + 3:
        pass
