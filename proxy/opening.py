"""Opens the ledger that a configuration names: a file of one proxy, or a store of many.

The only place that knows which home an address means.
"""

from random import Random
from typing import Protocol

from proxy.app import new_reservation_id
from proxy.config.model import Config
from proxy.config.sections.ledger import is_store, sqlite_file
from proxy.domain.clock import Clock, SystemClock
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


async def open_beside(url: str) -> Home:
    """A ledger that is there, for one short piece of work beside the proxies that serve from it.

    Raises:
        LedgerUnavailable: there is none, or it cannot be opened.
    """
    if not is_store(url):
        return SqliteLedger.open(
            sqlite_file(url), clock=SystemClock(), new_id=new_reservation_id, serves=False
        )
    return RedisLedger.open(_open_store(url), new_id=new_reservation_id, now_ms=LoopTimers().now_ms)


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
