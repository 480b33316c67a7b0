"""The home as tests open it, and what they ask of it."""

from dataclasses import dataclass
from itertools import count
from typing import Any

import msgspec

from proxy.domain.money import Unit
from proxy.domain.subject import Subject
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.cycles.asking.exchange import HttpAuthority
from proxy.ledger.cycles.ledger import CyclesLedger
from proxy.ledger.records import ReserveRequest, Rung, Span
from tests.ledger.cycles.stub import KEY, Stub

USD, TOKENS = Unit.USD_MICROCENTS, Unit.TOKENS
SUBJECT = Subject(tenant="acme", agent="bot", dimensions={"run": "7"})
TTL_MS = 60_000
TIMEOUT_MS = 5_000


@dataclass
class Clock:
    """Time that only a test moves; so an answer takes none."""

    at_ms: int = 1_000_000

    def now_ms(self) -> int:
        return self.at_ms

    def monotonic_ns(self) -> int:
        return self.at_ms * 1_000_000


@dataclass
class Home:
    """A process with its ledger there."""

    ledger: CyclesLedger
    clock: Clock
    tasks: TaskSet


def open_home(
    stub: Stub,
    *,
    api_key: str = KEY,
    clock: Clock | None = None,
    url: str = "",
    timeout_ms: int = TIMEOUT_MS,
) -> Home:
    clock = clock or Clock()
    tasks = TaskSet()
    numbers = count(1)
    authority = HttpAuthority(
        url or stub.url, api_key, monotonic_ns=clock.monotonic_ns, timeout_ms=timeout_ms
    )
    ledger = CyclesLedger(
        authority,
        new_id=lambda: f"new-{next(numbers)}",
        now_ms=clock.now_ms,
        background=tasks,
        tenant="acme",
    )
    return Home(ledger, clock, tasks)


def wish(usd: int, tokens: int = 10) -> Rung:
    """All of it, or nothing."""
    return {USD: Span(usd, usd), TOKENS: Span(tokens, tokens)}


def shorter(minimum: int, want: int, tokens: int = 10) -> Rung:
    """Anything between."""
    return {USD: Span(minimum, want), TOKENS: Span(1, tokens)}


def request(*plan: Rung, key: str = "call/1", **more: Any) -> ReserveRequest:
    made = ReserveRequest(key=key, payload_hash=key, subject=SUBJECT, plan=plan, ttl_ms=TTL_MS)
    return msgspec.structs.replace(made, **more)
