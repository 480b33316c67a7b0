"""The process: listeners, timers and signals around a gateway.

Start:  ledger, declared budgets, recovery of a crash, self-test, then the listeners.
Stop:   no new calls, calls in flight finish, the rest is hung up on and settled.
"""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from pricing.tokens import Tokenizers
from pricing.tokens.vocabulary import VocabularyDamaged
from proxy.app import (
    Foundation,
    Gateway,
    new_id,
    open_leases,
    open_outbox,
    open_plane,
    open_sub_budgets,
)
from proxy.authority.exchange import MAX_BODY_BYTES, Reply
from proxy.authority.plane import Plane
from proxy.authority.sub_budgets.book import SubBudgets
from proxy.config.convert import budget_lines
from proxy.config.model import Config
from proxy.config.sections.ledger import is_elsewhere, is_store
from proxy.config.sections.values import Address
from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerError
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.respond import Answer
from proxy.gateway.runtime.admin import Check, health_answer, metrics_answer
from proxy.gateway.runtime.body import BodyLimits
from proxy.gateway.runtime.door import Door
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.gateway.runtime.server import Reception
from proxy.gateway.runtime.tasks import TaskSet
from proxy.gateway.runtime.upkeep import PRUNE_PAUSE_S, SEAL_PAUSE_S, Upkeep
from proxy.gateway.upstream.pool import HttpUpstream
from proxy.gateway.websocket.sockets import Sockets
from proxy.listening import Listeners
from proxy.observe.logs import Log
from proxy.observe.metrics import Metrics
from proxy.opening import Home, open_to_serve
from proxy.outgoing import open_upstream
from proxy.selftest import NAME as SELF_TEST
from proxy.selftest import self_test

EXPIRY_BATCH: Final = 200
"""Leases ended in one go: few enough that no call waits behind them."""

_EXPIRY_PAUSE_S: Final = 1.0
"""Also how often readiness learns whether the ledger can be written."""

_ADOPTION_PAUSE_S: Final = 10.0
"""How often to look for settlements that a proxy beside this one left when it died."""

_NEW_OBJECTS_PER_COLLECTION: Final = 10_000
"""About 5 MB; the default is 700."""

_LAST_WORDS_MS: Final = 2_000
"""For settling what was hung up on, when the time for calls in flight is over."""


class Server:
    """A running proxy. `tokenizers` may come loaded."""

    def __init__(
        self, config: Config, clock: Clock, log: Log, *, tokenizers: Tokenizers | None = None
    ) -> None:
        self._config = config
        self._clock = clock
        self._log = log
        self._metrics = Metrics()
        self._tokenizers = tokenizers or Tokenizers()
        self._calls = TaskSet()
        self._sockets = Sockets()
        self._queue = Queue()
        self._settlements = TaskSet()
        self._outage = Outage(log)
        self._timers = TaskSet()
        self._listeners = Listeners(config.limits, last_words_ms=_LAST_WORDS_MS)
        self._self_tested = Check(SELF_TEST, ok=False)
        self._vocabulary = Check("vocabulary", ok=False)
        self._ledger_check = Check("ledger", ok=False)
        self._stopping = False
        self._ledger: Home
        self._outbox: Outbox
        self._upstreams: dict[str, HttpUpstream] = {}
        self._leases: Leases
        self._sub_budgets: SubBudgets
        self._gateway: Gateway
        self._plane: Plane
        self._reception: Reception
        self.addresses: Mapping[str, Address] = self._listeners.addresses
        """Where it listens, once it does: `proxy`, `authority` and `admin`."""

    async def start(self) -> None:
        """Open everything, in an order in which nothing is taken before it can be kept.

        Raises:
            LedgerUnavailable: the ledger cannot be opened, or another proxy serves from
                its file.
            OSError: an address cannot be listened on.
        """
        config = self._config
        self._ledger = await open_to_serve(config, clock=self._clock, log=self._log)
        await self._declare(config)
        self._ledger_check = Check("ledger", ok=True)
        self._outbox = open_outbox(
            config, self._ledger, self._outage, tasks=self._settlements, log=self._log
        )
        # Before what was dispatched becomes uncertain: of some it is known how they ended.
        await self._outbox.start()
        swept = await self._ledger.recover()
        if swept.released or swept.uncertain:
            self._log.line(
                "recovered", released=len(swept.released), uncertain=len(swept.uncertain)
            )
        self._open_upstreams(config)
        self._leases = open_leases(config, self._ledger, self._log)
        self._sub_budgets = open_sub_budgets(self._ledger, self._clock)
        self._gateway = self._assemble(config)
        self._plane = self._open_plane(config)
        self._start_timers()
        await self._listen()
        self._self_tested = await self_test(self._clock)
        at = {name: str(address) for name, address in self.addresses.items()}
        self._log.line("listening", proxy=at["proxy"], authority=at["authority"], admin=at["admin"])
        if not config.keys and not is_elsewhere(config.ledger.url):
            self._log.line(
                "authority_without_keys",
                advice="declare keys, or nothing but health is served there",
            )

    def _assemble(self, config: Config) -> Gateway:
        foundation = Foundation(
            ledger=self._ledger,
            upstreams=dict(self._upstreams),
            tokenizers=self._tokenizers,
            metrics=self._metrics,
            log=self._log,
            clock=self._clock,
            new_id=new_id,
            queue=self._queue,
            outbox=self._outbox,
            children=self._sub_budgets,
            sockets=self._sockets,
        )
        gateway = Gateway(config, foundation, self._leases, self.checks)
        self._sockets.follow(gateway.front)
        return gateway

    def _open_plane(self, config: Config) -> Plane:
        return open_plane(
            config,
            self._ledger,
            self._sub_budgets,
            health=self._authority_health,
            metrics=self._metrics,
            log=self._log,
            clock=self._clock,
        )

    async def reload(self, config: Config) -> None:
        """Follow another configuration. Calls in flight end under the one they began with.

        Listeners and the ledger stay as they are until the next start.
        """
        await self._declare(config)
        self._open_upstreams(config, but_those_of=self._config)
        self._gateway = self._assemble(config)
        self._plane = self._open_plane(config)
        self._config = config

    def _open_upstreams(self, config: Config, *, but_those_of: Config | None = None) -> None:
        """Open what is new, or has files to read again; an old one ends with its last call."""
        known = but_those_of.upstreams if but_those_of is not None else ()
        stay = [each for each in known if each in config.upstreams and not each.pem_files]
        new = [each for each in config.upstreams if each not in stay]
        kept = {each.name: self._upstreams[each.name] for each in stay}
        self._upstreams = kept | {each.name: open_upstream(each, config) for each in new}

    async def _declare(self, config: Config) -> None:
        declared = await self._ledger.declare(
            budget_lines(config),
            templates_max=config.templates_max,
            version=config.ledger.config_version,
        )
        if declared.is_ignored:
            self._log.line(
                "declaration_ignored",
                version=config.ledger.config_version,
                version_in_force=declared.version,
            )

    async def stop(self) -> None:
        """Let calls in flight finish, at most `shutdown_ms`, then settle and close."""
        self._stopping = True
        # Probes and operators are answered to the end; only new calls are not.
        await self._listeners.stop_taking("proxy")
        self._sockets.stop()
        late = await self._calls.wait(self._config.shutdown_ms)
        if late:
            self._log.line("hanging_up", calls=late)
            self._reception.hang_up()
            await self._calls.drain(_LAST_WORDS_MS)
        await self._settlements.drain(_LAST_WORDS_MS)
        await self._timers.drain(0)
        await self._listeners.close()
        for upstream in self._upstreams.values():
            await upstream.close()
        self._outbox.close()
        await self._ledger.close()
        self._log.line("stopped")

    async def checks(self) -> tuple[Check, ...]:
        """What has to be true before calls are taken."""
        return (
            Check("listening", ok=bool(self.addresses) and not self._stopping, why="stopping"),
            self._ledger_check,
            self._vocabulary,
            self._self_tested,
        )

    async def _listen(self) -> None:
        limits = self._config.limits
        bodies = BodyLimits(limits.max_body_bytes, limits.body_timeout_ms)
        small = BodyLimits(min(MAX_BODY_BYTES, limits.max_body_bytes), limits.body_timeout_ms)
        self._reception = Reception(self._handle, self._calls, bodies)
        authority = Reception(self._handle_authority, TaskSet(), small)
        admin = Reception(self._handle_admin, TaskSet(), bodies)
        listen = self._config.listen
        open_at, unreadable = self._listeners.open, self._refuse_unreadable
        await open_at("proxy", listen.proxy, self._reception, unreadable)
        await open_at("authority", listen.authority, authority, self._refuse_unreadable_protocol)
        await open_at("admin", listen.admin, admin, unreadable)

    async def _handle(self, door: Door) -> None:
        # Connections that callers keep open can bring calls while the last ones finish.
        await self._gateway.front.handle(door, is_stopping=self._stopping)

    def _refuse_unreadable(self) -> Answer:
        return self._gateway.front.refuse_unreadable()

    async def _handle_authority(self, door: Door) -> None:
        reply = await self._plane.answer(door)
        door.answer(reply.status, reply.headers, reply.body)

    def _refuse_unreadable_protocol(self) -> Answer:
        reply = self._plane.refuse_unreadable()
        return Answer(reply.status, reply.headers, reply.body)

    async def _authority_health(self, path: str) -> Reply | None:
        answer = await health_answer(path, self.checks)
        return None if answer is None else Reply(answer.status, answer.headers, answer.body)

    async def _handle_admin(self, door: Door) -> None:
        answer = await health_answer(door.path, self.checks)
        if answer is None and door.path == "/metrics":
            await self._show_ledger()
            answer = metrics_answer(self._metrics)
        if answer is None:
            door.answer(404, {"Content-Type": "text/plain"}, b"not here: /healthz /readyz /metrics")
        else:
            door.answer(answer.status, answer.headers, answer.body)

    async def _show_ledger(self) -> None:
        """Bring the figures that live in the ledger up to date; stale ones if it is away."""
        self._metrics.open_holds.set(len(self._leases))
        self._metrics.settlements_pending.set(len(self._outbox))
        self._metrics.queue_length.set(len(self._queue))
        try:
            balances = await self._ledger.all_balances()
            uncertain = await self._ledger.count_uncertain()
        except LedgerError:
            return
        declared = frozenset(budget.pattern.text for budget in self._config.budgets)
        self._metrics.show_ledger(balances, declared=declared, uncertain=uncertain)

    def _start_timers(self) -> None:
        self._timers.start(self._load_vocabulary(), name="load vocabulary")
        self._timers.start(
            self._every(self._leases.beat_ms / 1000, self._leases.beat), name="extend leases"
        )
        self._timers.start(self._every(_EXPIRY_PAUSE_S, self._expire), name="end leases")
        if not is_elsewhere(self._config.ledger.url):
            tend = self._sub_budgets.tend
            self._timers.start(self._every(_EXPIRY_PAUSE_S, tend), name="close sub-budgets")
        upkeep = Upkeep(self._ledger, self._clock, retention_ms=self._config.ledger.retention)
        self._timers.start(self._every(SEAL_PAUSE_S, upkeep.seal), name="seal the journal")
        self._timers.start(self._every(PRUNE_PAUSE_S, upkeep.prune), name="let old rows go")
        self._timers.start(
            self._every(_ADOPTION_PAUSE_S, self._outbox.adopt_and_land), name="adopt settlements"
        )

    async def _every(self, pause_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(pause_s)
            try:
                await work()
            except Exception as error:  # noqa: BLE001 - a bug must not end what keeps holds alive
                self._log.line("internal_error", error=type(error).__name__)

    async def _load_vocabulary(self) -> None:
        try:
            await asyncio.to_thread(self._gateway.catalogue.load)
            await asyncio.to_thread(self._tokenizers.load)
        except VocabularyDamaged as damage:
            self._vocabulary = Check("vocabulary", ok=False, why=str(damage))
            self._log.line("vocabulary_damaged", why=str(damage))
        else:
            self._vocabulary = Check("vocabulary", ok=True)

    async def _expire(self) -> None:
        try:
            swept = await self._ledger.expire(limit=EXPIRY_BATCH)
        except LedgerError as error:
            self._outage.began(str(error))
            self._ledger_check = Check("ledger", ok=False, why=str(error))
            return
        self._ledger_check = Check("ledger", ok=True)
        if self._outbox.is_idle:
            self._outage.ended()
        for reservation_id in swept.uncertain:
            self._log.line("became_uncertain", reservation_id=reservation_id)
        for reservation_id in swept.committed:
            self._log.line("uncertain_charged", reservation_id=reservation_id)
        for name in swept.retired:
            self._log.line(
                "budget_retired", scope=name.scope, unit=name.unit, period=str(name.period)
            )


async def serve(
    config: Config,
    *,
    clock: Clock,
    log: Log,
    env: Mapping[str, str],
    read_again: Callable[[], Config | None],
    on_ready: Callable[[Server], None],
) -> None:
    """Run until SIGTERM or SIGINT. SIGHUP calls `read_again`, which says why when it has none."""
    server = Server(config, clock, log)
    url = config.ledger.url
    if "KUBERNETES_SERVICE_HOST" in env and not (is_store(url) or is_elsewhere(url)):
        log.line(
            "kubernetes_sqlite",
            advice="each replica has a budget of its own, and an emptyDir forgets: "
            "see docs/kubernetes.md",
        )
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    hang_up = asyncio.Event()
    # Before the start: a signal that comes with the first call must not kill it unsettled.
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, hang_up.set)
    await server.start()
    _calm_collector()
    on_ready(server)
    reloads = TaskSet()
    reloads.start(_reload_on(hang_up, server, read_again, log), name="reload")
    await stop.wait()
    await reloads.drain(0)
    await server.stop()


def _calm_collector() -> None:
    """Let the garbage collector look at calls only, and less often: it took 4 % of each.

    What was loaded for the start stays for good, and what a call leaves behind is mostly
    freed at once, without the collector.
    """
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_PER_COLLECTION)


async def _reload_on(
    hang_up: asyncio.Event, server: Server, read_again: Callable[[], Config | None], log: Log
) -> None:
    while True:
        await hang_up.wait()
        hang_up.clear()
        config = read_again()
        if config is None:
            continue
        try:
            await server.reload(config)
        except LedgerError as error:
            log.line("reload_failed", why=str(error))
        else:
            log.line("reloaded")
