"""A reply is lost after the store has done what it was asked: it is asked again, and done once.

LiteLLM #30460: counters inflated, because an increment was tried again after a timeout.
"""

from collections.abc import Awaitable, Callable

import pytest

from proxy.ledger.journal import Kind
from proxy.ledger.records import BudgetStatus, TenantStatus
from proxy.ledger.redis.ledger import RedisLedger
from tests.ledger.builders import (
    DEV,
    ask,
    balance_of,
    charge_late,
    commit,
    declare,
    event,
    fund,
    line,
    usd,
)
from tests.ledger.harness import HOUR_MS
from tests.ledger.redis.home.conftest import Processes
from tests.servers.process import Server
from tests.servers.relay import LoseReply, LoseRequest, Relay

Operation = Callable[[RedisLedger, str], Awaitable[object]]

OPERATIONS: dict[str, tuple[Kind, Operation]] = {
    "reserve": (Kind.RESERVE, lambda ledger, _: ledger.reserve(ask(5, key="call"))),
    "dispatch": (Kind.DISPATCH, lambda ledger, held: ledger.dispatch(held)),
    "grow": (Kind.GROW, lambda ledger, held: ledger.grow(held, by=usd(5), key="more")),
    "extend": (Kind.EXTEND, lambda ledger, held: ledger.extend(held, by_ms=9, key="on")),
    "commit": (Kind.COMMIT, lambda ledger, held: commit(ledger, held, 30)),
    "release": (Kind.RELEASE, lambda ledger, held: ledger.release(held, key="end")),
    "mark_uncertain": (Kind.MARK_UNCERTAIN, lambda ledger, held: ledger.mark_uncertain(held)),
    "apply": (Kind.EVENT, lambda ledger, _: ledger.apply(event(5, key="event"))),
    "fund": (Kind.FUND, lambda ledger, _: fund(ledger, DEV, 5)),
    "set_status": (
        Kind.SET_STATUS,
        lambda ledger, _: ledger.set_status(DEV, None, BudgetStatus.FROZEN, actor="ops"),
    ),
    "set_tenant_status": (
        Kind.SET_TENANT_STATUS,
        lambda ledger, _: ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops"),
    ),
}


@pytest.mark.parametrize("fate", [LoseReply(), LoseReply(5), LoseRequest()], ids=repr)
@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_operation_happens_once(
    processes: Processes, relay: Relay, name: str, fate: LoseReply | LoseRequest
) -> None:
    kind, operation = OPERATIONS[name]
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 1_000))
    held = (await ledger.reserve(ask(50))).reservation_id
    before = [entry.kind for entry in await ledger.journal("dev", after_seq=0, limit=100)]
    relay.spoil(fate)
    await operation(ledger, held)
    after = [entry.kind for entry in await ledger.journal("dev", after_seq=0, limit=100)]
    assert after == [*before, kind]
    assert (await ledger.verify()).differences == ()


async def test_a_late_charge_happens_once(processes: Processes, relay: Relay) -> None:
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 1_000))
    held = (await ledger.reserve(ask(50))).reservation_id
    await ledger.release(held, key="end")
    relay.spoil(LoseReply())
    assert (await charge_late(ledger, held, 30)).charged == usd(30)
    assert (await balance_of(ledger, DEV)).spent == 30


async def test_an_answer_is_remembered_once(processes: Processes, relay: Relay) -> None:
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 100))
    relay.spoil(LoseReply())
    assert await ledger.remember("dev", "asked", "body", "ALLOW", keep_ms=HOUR_MS) == "ALLOW"
    assert await ledger.remember("dev", "asked", "body", "DENY", keep_ms=HOUR_MS) == "ALLOW"


async def test_a_declaration_happens_once(processes: Processes, relay: Relay) -> None:
    ledger = processes.start(relay.url)
    await declare(ledger, line(DEV, 100))
    await fund(ledger, DEV, 7)
    relay.spoil(LoseReply())
    await declare(ledger, line(DEV, 150))
    assert (await balance_of(ledger, DEV)).allocated == 157


async def test_a_script_that_the_store_forgot_is_sent_to_it(
    ledger: RedisLedger, server: Server
) -> None:
    await declare(ledger, line(DEV, 100))
    await ledger.reserve(ask(5))
    server.command("SCRIPT", "FLUSH")
    assert (await ledger.reserve(ask(5))).balances[0].reserved == 10
