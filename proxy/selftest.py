"""The start-up self-test: a scope with nothing in it denies, and nothing is sent.

A gate that is built but not wired in lets everything pass and looks healthy (field-report
4), so the whole pipeline is asked, on a ledger of its own and an upstream that must not be
reached.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pricing.tokens import Tokenizers
from proxy.app import Foundation, Gateway, new_id, new_reservation_id, open_outbox
from proxy.config.convert import budget_lines
from proxy.config.load import parse
from proxy.domain.clock import Clock
from proxy.gateway.forward import Line, NotSent
from proxy.gateway.outbox.outage import Outage
from proxy.gateway.runtime.admin import Check
from proxy.gateway.runtime.leases import Leases
from proxy.gateway.runtime.queue import Queue
from proxy.gateway.runtime.tasks import TaskSet
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.observe.logs import Field
from proxy.observe.metrics import Metrics

NAME: Final = "self_test"

_CONFIG: Final = """
upstreams: [{name: none, base_url: "http://localhost:1", api_key: none}]
identity: {default: {tenant: self-test}}
budgets: [{scope: "tenant:self-test", allocated: $0.00, period: none}]
pricing: {overrides: [{model: self-test, input_per_mtok: 1, output_per_mtok: 1}]}
"""
_BODY: Final = b'{"model":"self-test","max_tokens":1,"messages":[{"role":"user","content":"?"}]}'


async def self_test(clock: Clock) -> Check:
    """Send one call that must be denied through a gateway of its own."""
    with TemporaryDirectory(prefix="spendgate-") as folder:
        return await _ask(Path(folder) / "self-test.db", clock)


async def _ask(file: Path, clock: Clock) -> Check:
    config = parse(_CONFIG, file="self-test", env={})
    ledger = SqliteLedger.open(file, clock=clock, new_id=new_reservation_id)
    try:
        await ledger.declare(budget_lines(config), templates_max=1)
        upstream = _Unreachable()
        log = _NoLog()
        foundation = Foundation(
            ledger=ledger,
            upstreams={config.upstreams[0].name: upstream},
            tokenizers=Tokenizers(),
            metrics=Metrics(),
            log=log,
            clock=clock,
            new_id=new_id,
            queue=Queue(),
            outbox=open_outbox(config, ledger, Outage(log), tasks=TaskSet(), log=log),
        )
        gateway = Gateway(config, foundation, Leases(ledger, log, ttl_ms=1_000), _no_checks)
        door = _Door()
        await gateway.front.handle(door)
    finally:
        await ledger.close()
    if upstream.reached:
        return Check(NAME, ok=False, why="a call without budget reached the upstream")
    if door.status != config.responses.deny_status or b"budget_exceeded" not in door.answered:
        return Check(NAME, ok=False, why=f"a call without budget was answered {door.status}")
    return Check(NAME, ok=True)


class _Unreachable:
    """An upstream that remembers whether it was asked."""

    reached = False

    async def connect(self) -> Line:
        self.reached = True
        raise NotSent("the self-test sends nothing")


class _Door:
    """One call, and what it was told."""

    method = "POST"
    path = "/v1/chat/completions"
    query = ""
    gone = False
    headers: tuple[tuple[str, str], ...] = (("Host", "localhost"),)
    status = 0
    answered = b""

    def header(self, name: str) -> str | None:
        return "localhost" if name == "Host" else None

    async def body(self) -> bytes:
        return _BODY

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.answered = body

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status

    async def write(self, data: bytes) -> None:
        self.answered += data

    def break_off(self) -> None:
        self.status = 0

    def when_gone(self, react: Callable[[], None]) -> None:
        """This caller stays."""


class _NoLog:
    def line(self, event: str, **fields: Field) -> None:
        """The self-test is told by its check."""


async def _no_checks() -> tuple[Check, ...]:
    return ()
