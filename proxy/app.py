"""Puts concrete classes together: the only place that knows them all.

A `Gateway` is made of a configuration and of the parts that outlive it (`Foundation`); a
reload makes another one on the same foundation.
"""

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import random

from pricing.catalogue import Catalogue
from pricing.tokens import Tokenizers
from proxy.authority.auth import Authenticator
from proxy.authority.exchange import AuthorityLedger, Desk
from proxy.authority.pages import pages
from proxy.authority.plane import Health, Plane
from proxy.authority.sub_budgets.book import SubBudgets
from proxy.authority.sub_budgets.terms import SubBudgetLedger
from proxy.config.convert import (
    counts_calls,
    ledger_place,
    policies,
    price_overrides,
    tool_rules,
)
from proxy.config.model import Config
from proxy.domain.clock import Clock, SystemClock
from proxy.domain.guard import Guard
from proxy.domain.key import Key, KeyRing, expand
from proxy.domain.reservation import Overage
from proxy.domain.sub_budget import NOBODYS, ChildKeys
from proxy.gateway.attempts.call import Steps
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.charge import Pricer
from proxy.gateway.dedupe.calls import Dedupe
from proxy.gateway.dedupe.denials import Denials
from proxy.gateway.dedupe.places import DedupeRules, Places
from proxy.gateway.estimate import Estimator
from proxy.gateway.forward import Upstream
from proxy.gateway.identify import Identifier
from proxy.gateway.meter import Meter
from proxy.gateway.metered import Disconnects
from proxy.gateway.outbox.elsewhere import LANES, LandingElsewhere, SettlerElsewhere
from proxy.gateway.outbox.landing import Landing
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.outbox.outbox import Outbox
from proxy.gateway.outbox.shelf import Shelf
from proxy.gateway.outbox.unheld import UnheldCalls
from proxy.gateway.pipeline import Pipeline
from proxy.gateway.reserve import HoldRules, Reserver
from proxy.gateway.runtime.admin import Checks
from proxy.gateway.runtime.front import Front
from proxy.gateway.runtime.heartbeats import Heartbeats
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Patience, Queue
from proxy.gateway.runtime.record import Recorder
from proxy.gateway.runtime.tasks import TaskSet
from proxy.gateway.settle import Settler
from proxy.gateway.stream.fitting import Fitting
from proxy.gateway.stream.keeper import Keeping
from proxy.gateway.stream.lengths import LearningRules, OutputLengths
from proxy.gateway.tools.counting import RunCounts
from proxy.gateway.tools.listed import ListedTools
from proxy.gateway.websocket.sockets import Sockets
from proxy.ledger.cycles.ledger import TICK_MS, CyclesLedger
from proxy.ledger.protocol import Ledger
from proxy.observe.logs import Log
from proxy.observe.metrics import Metrics
from proxy.outgoing import forwarder_of, routes_of, socket_routes_of
from proxy.policies import Policies

_ASK_THERE = "The ledger of this proxy is the authority at ledger.url: ask there."


@dataclass(frozen=True, slots=True)
class Foundation:
    """What a reload does not touch."""

    ledger: Ledger
    upstreams: Mapping[str, Upstream]
    """By name."""
    tokenizers: Tokenizers
    metrics: Metrics
    log: Log
    clock: Clock
    new_id: Callable[[], str]
    queue: Queue
    outbox: Outbox
    """Settlements that wait for the ledger."""
    draw: Callable[[], float] = random
    """Random numbers from 0 to 1."""
    children: ChildKeys = NOBODYS
    """The keys of sub-budgets."""
    places: Places = field(default_factory=Places)
    """What callers named by a key, and was answered."""
    lengths: OutputLengths = field(default_factory=OutputLengths)
    """How long answers have been."""
    sockets: Sockets = field(default_factory=Sockets)


def id_at(at_ms: int) -> str:
    """32 hex digits: the millisecond, then 80 random bits.

    So ids of one time stand side by side in the ledger's indexes, and a transaction writes
    few pages of them. Source: RFC 9562, section 5.7.
    """
    return f"{at_ms:012x}{os.urandom(10).hex()}"


def new_id() -> str:
    """An id of now."""
    return id_at(SystemClock().now_ms())


def new_reservation_id() -> str:
    """The id of a hold."""
    return f"rsv_{new_id()}"


def open_sub_budgets(ledger: SubBudgetLedger, clock: Clock) -> SubBudgets:
    """The sub-budgets of a ledger."""
    return SubBudgets(ledger, clock, new_salt=partial(secrets.token_hex, 16))


class Gateway:
    """One configuration at work."""

    def __init__(
        self, config: Config, foundation: Foundation, leases: Leases, checks: Checks
    ) -> None:
        """Leases outlive a reload: the calls of the old configuration still hold."""
        base = foundation
        catalogue = self.catalogue = Catalogue(price_overrides(config))
        counter = Counter(base.tokenizers)
        forwarders = {
            each.name: forwarder_of(each, base.upstreams[each.name], base.clock)
            for each in config.upstreams
        }
        disconnects = Disconnects(
            on_disconnect=config.settle.on_disconnect,
            drain_ms=config.settle.drain_ms,
            drain_microcents=config.settle.drain_usd,
        )
        pricer = Pricer(catalogue, counter, base.clock, missing_usage=config.settle.missing_usage)
        self.estimator = estimator_of(config, catalogue, counter)
        denials = Denials(base.clock)
        self.settler = _settler(base, leases, denials)
        unheld = UnheldCalls(base.outbox, base.metrics, base.log)
        self.pipeline = Pipeline(
            Steps(
                policies=Policies(policies(config)),
                estimator=self.estimator,
                fitting=Fitting(base.lengths, _learning_rules(config), base.ledger),
                reserver=_reserver(config, base, leases, denials, unheld),
                ledger=base.ledger,
                forwarders=forwarders,
                meter=Meter(
                    disconnects,
                    pricer,
                    _keeping(config, base, counter),
                    exposes_cost=config.responses.expose_cost == "usage",
                ),
                pricer=pricer,
                settler=self.settler,
                unheld=unheld,
                counts=RunCounts(listed_tools(config), base.ledger, base.log),
                metrics=base.metrics,
                log=base.log,
                clock=base.clock,
                new_id=base.new_id,
                draw=base.draw,
            )
        )
        self.front = Front(
            guard=_guard(config),
            identifier=_identifier(config, base.children),
            pipeline=self.pipeline,
            forwarders=forwarders,
            routes=routes_of(config),
            passthrough=config.passthrough,
            dedupe=Dedupe(base.places, _dedupe_rules(config), base.clock, base.new_id),
            disconnects=disconnects,
            recorder=Recorder(base.metrics, base.log, base.clock),
            checks=checks,
            log=base.log,
            clock=base.clock,
            new_trace_id=base.new_id,
            deny_status=config.responses.deny_status,
            calls_max=config.limits.max_connections,
            socket_routes=socket_routes_of(config, forwarders),
            sockets=base.sockets,
        )


def open_plane(
    config: Config,
    ledger: AuthorityLedger,
    sub_budgets: SubBudgets,
    *,
    health: Health,
    metrics: Metrics,
    log: Log,
    clock: Clock,
) -> Plane:
    """What answers clients of the Cycles protocol under a configuration."""
    return Plane(
        desk=Desk(ledger, Policies(policies(config)), sub_budgets, clock),
        guard=_guard(config),
        authenticator=Authenticator(_keys(config), default_tenant=config.identity.default.tenant),
        health=health,
        metrics=metrics,
        pages=pages(),
        closed=_ASK_THERE if isinstance(ledger, CyclesLedger) else "",
        log=log,
        clock=clock,
        new_id=new_id,
    )


def estimator_of(config: Config, catalogue: Catalogue, counter: Counter) -> Estimator:
    """What plans the calls of a configuration."""
    return Estimator(
        catalogue,
        counter,
        _degrade(config),
        routes_of(config),
        _ceilings(config),
        listed_tools(config),
    )


def listed_tools(config: Config) -> ListedTools:
    """The tools that cost, risk or are counted under a configuration."""
    return ListedTools(tool_rules(config))


def open_outbox(
    config: Config, ledger: Ledger, outage: Outage, *, tasks: TaskSet, log: Log
) -> Outbox:
    """Where settlements wait while the ledger is away; `tasks` are those that land them."""
    shelf = Shelf(Path(config.ledger.journal_dir), ledger=ledger_place(config), owner=new_id())
    is_elsewhere = isinstance(ledger, CyclesLedger)
    landing = LandingElsewhere(ledger) if is_elsewhere else Landing(ledger)
    return Outbox(
        shelf,
        landing.land,
        outage,
        tasks,
        log,
        max_bytes=config.ledger.journal_max_bytes,
        lanes=LANES if is_elsewhere else 1,
    )


def open_leases(config: Config, ledger: Ledger, log: Log) -> Leases:
    """What keeps the holds of a ledger alive."""
    ttl_ms = config.ledger.reservation_ttl_ms
    if isinstance(ledger, CyclesLedger):
        return Leases(Heartbeats(ledger, log), log, ttl_ms=ttl_ms, beat_ms=TICK_MS)
    return Leases(ledger, log, ttl_ms=ttl_ms)


def _reserver(
    config: Config, base: Foundation, leases: Leases, denials: Denials, unheld: UnheldCalls
) -> Reserver:
    return Reserver(
        base.ledger,
        leases,
        denials,
        base.queue,
        _hold_rules(config),
        base.metrics,
        base.clock,
        unheld if config.ledger.when_unavailable == "allow" else None,
    )


def _settler(base: Foundation, leases: Leases, denials: Denials) -> Settler:
    if isinstance(base.ledger, CyclesLedger):
        return SettlerElsewhere(base.ledger, base.outbox, leases, denials, base.queue, base.log)
    landing = Landing(base.ledger)
    return Settler(landing, base.outbox, leases, denials, base.queue, base.log)


def _ceilings(config: Config) -> Ceilings:
    unbounded = config.pricing.unbounded
    return Ceilings(
        unbounded_microcents=None if unbounded == "deny" else unbounded,
        max_microcents_per_call=config.limits.max_usd_per_call,
        hold_ms=config.queue.max_wait_ms + config.ledger.reservation_ttl_ms,
        counts_calls=counts_calls(config),
    )


def _degrade(config: Config) -> Degrade:
    degrade = config.degrade
    return Degrade(
        shorten=degrade.shorten,
        min_output_tokens=degrade.min_output_tokens,
        fallback_models=degrade.fallback_models,
        min_reasoning_tokens=degrade.min_reasoning_tokens,
        gives_notes=degrade.note,
    )


def _hold_rules(config: Config) -> HoldRules:
    return HoldRules(
        ttl_ms=config.ledger.reservation_ttl_ms,
        max_share_pct=config.degrade.max_share_pct,
        overage=Overage(config.settle.overage),
        patience=_patience(config),
        min_output_tokens=config.degrade.min_output_tokens if config.degrade.shorten else 0,
    )


def _learning_rules(config: Config) -> LearningRules | None:
    learning = config.learning
    if config.hold == "worst_case":
        return None
    return LearningRules(
        quantile_pct=learning.quantile_pct,
        margin_pct=learning.margin_pct,
        answers_min=learning.answers_min,
        lookahead_tokens=learning.lookahead_tokens,
    )


def _keeping(config: Config, base: Foundation, counter: Counter) -> Keeping:
    return Keeping(
        counter,
        base.metrics,
        base.log,
        lookahead_tokens=config.learning.lookahead_tokens,
        goes_on=config.ledger.when_unavailable == "allow",
    )


def _dedupe_rules(config: Config) -> DedupeRules:
    return DedupeRules(config.dedupe.window_ms, config.dedupe.max_bytes)


def _patience(config: Config) -> Patience | None:
    queue = config.queue
    return Patience(queue.max_wait_ms, queue.max_length) if queue.max_wait_ms else None


def _identifier(config: Config, children: ChildKeys) -> Identifier:
    identity = config.identity
    return Identifier(
        default=identity.default.given(),
        accept=frozenset(identity.accept),
        trust_headers=identity.headers == "trusted",
        require_key=identity.require_key,
        keys=_keys(config),
        children=children,
    )


def _keys(config: Config) -> KeyRing:
    return KeyRing(
        Key(
            name=key.name,
            sha256=key.sha256,
            subject=key.subject.given(),
            permissions=expand(key.permissions),
            scope_filter=key.scope_filter,
        )
        for key in config.keys
    )


def _guard(config: Config) -> Guard:
    listen = config.listen
    return Guard(frozenset(listen.allowed_hosts), frozenset(listen.allowed_origins))
