"""Opens the ledger that a configuration names: a file, a store of many proxies, or elsewhere.

The only place that knows which home an address means.
"""

from random import Random
from typing import Protocol

from proxy.app import new_id, new_reservation_id
from proxy.config.model import Config
from proxy.config.sections.ledger import is_elsewhere, is_store, sqlite_file
from proxy.cycles_wire.subjects import named_subject, subject_of
from proxy.domain.clock import Clock, SystemClock
from proxy.domain.errors import LedgerUnavailable, Refused
from proxy.domain.subject import Subject
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.cycles.address import base_url
from proxy.ledger.cycles.asking.exchange import HttpAuthority
from proxy.ledger.cycles.inspecting import Found, inspect
from proxy.ledger.cycles.ledger import CyclesLedger
from proxy.ledger.protocol import Books, Housekeeping, Ledger
from proxy.ledger.redis.fitness import check_fitness
from proxy.ledger.redis.ledger import RedisLedger
from proxy.ledger.redis.store import RedisStore
from proxy.ledger.redis.wire.address import parse
from proxy.ledger.redis.wire.timing import LoopTimers
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.observe.logs import Log


class Home(Ledger, Housekeeping, Books, Protocol):
    """A ledger that is open."""

    async def close(self) -> None:
        """Let what was asked finish, and ask no more."""
        ...


async def open_to_serve(config: Config, *, clock: Clock, log: Log) -> Home:
    """The ledger of a proxy: alone with a file, or one of many with a store.

    A store goes by its own clock. What its operator should know is a line in the log each.

    Raises:
        LedgerUnavailable: it cannot be opened, must not hold a ledger as it is, or another
            proxy serves from the file.
    """

    def tell_leap(leap_ms: int) -> None:
        log.line("clock_leaped", ahead_ms=leap_ms)

    if is_elsewhere(config.ledger.url):
        return await _open_elsewhere(config, clock=clock, log=log)
    settle = config.settle
    if not is_store(config.ledger.url):
        return SqliteLedger.open(
            sqlite_file(config.ledger.url),
            clock=clock,
            new_id=new_reservation_id,
            settle_uncertain=settle.uncertain,
            uncertain_after_ms=settle.uncertain_after_ms,
            durability=config.ledger.durability,
            on_leap=tell_leap,
        )
    store = _open_store(config.ledger.url)
    try:
        for advice in await check_fitness(store):
            log.line("store_advice", advice=advice)
    except BaseException:
        await store.close()
        raise
    return RedisLedger.open(
        store,
        new_id=new_reservation_id,
        now_ms=LoopTimers().now_ms,
        settle_uncertain=settle.uncertain,
        uncertain_after_ms=settle.uncertain_after_ms,
        replay_ms=config.ledger.replay_ms,
        on_leap=tell_leap,
    )


async def open_beside(url: str, *, api_key: str = "", tenant: str | None = None) -> Home:
    """A ledger that is there, for one short piece of work beside the proxies that serve from it.

    `api_key` and `tenant` are for an authority elsewhere.

    Raises:
        LedgerUnavailable: there is none, or it cannot be opened.
    """
    if is_elsewhere(url):
        return _elsewhere(url, api_key=api_key, tenant=tenant, clock=SystemClock())
    if not is_store(url):
        return SqliteLedger.open(
            sqlite_file(url), clock=SystemClock(), new_id=new_reservation_id, serves=False
        )
    return RedisLedger.open(_open_store(url), new_id=new_reservation_id, now_ms=LoopTimers().now_ms)


async def _open_elsewhere(config: Config, *, clock: Clock, log: Log) -> CyclesLedger:
    """The authority, asked for our budgets once; it may be away for now."""
    ledger = open_elsewhere(config, clock)
    try:
        await ledger.all_balances()
    except (LedgerUnavailable, Refused) as error:
        log.line("authority_advice", advice=str(error))
    return ledger


def open_elsewhere(config: Config, clock: Clock) -> CyclesLedger:
    """The authority that a configuration names. Nothing is asked yet."""
    key = config.ledger.api_key
    return _elsewhere(
        config.ledger.url,
        api_key=key.get_secret_value() if key is not None else "",
        tenant=config.identity.default.tenant,
        clock=clock,
    )


async def inspect_elsewhere(config: Config, clock: Clock) -> tuple[Found, ...]:
    """What is to know of the authority that a configuration names, for its own subject."""
    given = config.identity.default.given()
    subject = subject_of(named_subject(given, {})) if given else Subject()
    key = config.ledger.api_key
    authority = HttpAuthority(
        base_url(config.ledger.url),
        key.get_secret_value() if key is not None else "",
        monotonic_ns=clock.monotonic_ns,
    )
    try:
        return await inspect(authority, subject)
    finally:
        await authority.close()


def _elsewhere(url: str, *, api_key: str, tenant: str | None, clock: Clock) -> CyclesLedger:
    return CyclesLedger(
        HttpAuthority(base_url(url), api_key, monotonic_ns=clock.monotonic_ns),
        new_id=new_id,
        now_ms=lambda: clock.monotonic_ns() // 1_000_000,
        background=TaskSet(),
        tenant=tenant.lower() if tenant is not None else None,
    )


async def advice_about(url: str) -> tuple[str, ...]:
    """What the operator of a store should know; nothing where the ledger is a file.

    Raises:
        StoreRefused: the store must not hold a ledger as it is.
        StoreError: it does not answer.
    """
    if not is_store(url):
        return ()
    store = _open_store(url)
    try:
        return await check_fitness(store)
    finally:
        await store.close()


def _open_store(url: str) -> RedisStore:
    return RedisStore(parse(url), timers=LoopTimers(), random=Random())
