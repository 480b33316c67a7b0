"""The authority without a socket: what a test sends, and what comes back.

Every answer is held against the published document.
"""

import hashlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from proxy.authority.auth import Authenticator
from proxy.authority.errors import Problem
from proxy.authority.exchange import AuthorityLedger, Desk, Reply
from proxy.authority.operations.table import Operation
from proxy.authority.plane import Plane, find_operation
from proxy.authority.sub_budgets.book import SubBudgets
from proxy.domain.guard import Guard
from proxy.domain.key import Key, KeyRing, Permission
from proxy.domain.policy import Policy
from proxy.domain.scope import ScopePattern, parse_pattern
from proxy.ledger.records import BudgetLine
from proxy.ledger.sqlite.ledger import SqliteLedger
from proxy.observe.logs import Field
from proxy.observe.metrics import Metrics
from proxy.policies import Policies
from tests.authority.published import check_answer
from tests.ledger.builders import TEMPLATES_MAX, line
from tests.ledger.harness import ManualClock

USD = "USD_MICROCENTS"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"

DEV = "cyc_live_dev"
OTHER = "cyc_live_other"
"""Secrets: of the tenant `dev`, and of another."""

EVERYTHING = frozenset(Permission)

_numbers = count(1)


def key(
    secret: str,
    tenant: str | None = "dev",
    *,
    permissions: frozenset[Permission] = EVERYTHING,
    reach: Sequence[str] = (),
    **levels: str,
) -> Key:
    """A key of a tenant, which may do everything unless a test says less."""
    subject = levels if tenant is None else {"tenant": tenant, **levels}
    return Key(
        name=secret.removeprefix("cyc_live_"),
        sha256=hashlib.sha256(secret.encode()).hexdigest(),
        subject=subject,
        permissions=permissions,
        scope_filter=tuple(_pattern(text) for text in reach),
    )


def _pattern(text: str) -> ScopePattern:
    return parse_pattern(text, subtree=True)


KEYS = (key(DEV), key(OTHER, "other"))
BUDGETS = (line("tenant:dev", 1_000), line("tenant:other", 1_000))


@dataclass
class Sent:
    """A request as the plane sees it."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    payload: bytes = b""

    def header(self, name: str) -> str | None:
        return {known.lower(): value for known, value in self.headers.items()}.get(name.lower())

    async def body(self) -> bytes:
        return self.payload


@dataclass(frozen=True)
class Came:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str | None:
        """The error in it, if it is one."""
        found = self.body.get("error")
        return None if found is None else str(found)

    def __getitem__(self, name: str) -> Any:
        return self.body[name]

    def __contains__(self, name: str) -> bool:
        return name in self.body


@dataclass
class Lines:
    """What was logged."""

    written: list[dict[str, Field]] = field(default_factory=list)

    def line(self, event: str, **fields: Field) -> None:
        self.written.append({"event": event, **fields})


@dataclass
class Rig:
    """An authority over a ledger of its own, by a clock that only the test moves."""

    plane: Plane
    ledger: SqliteLedger
    clock: ManualClock
    log: Lines

    async def send(self, sent: Sent) -> Came:
        """One request. Its answer is of the protocol, whatever the request was."""
        reply = await self.plane.answer(sent)
        return read_reply(reply, operation_of(sent))

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        secret: str | None = DEV,
        headers: Mapping[str, str] | None = None,
        **query: str,
    ) -> Came:
        """One request with a key. `body` bytes are sent as they are."""
        sent_headers = {"Host": "localhost", **(headers or {})}
        if secret is not None:
            sent_headers["X-Cycles-API-Key"] = secret
        payload = body if isinstance(body, bytes) else b"" if body is None else _json(body)
        return await self.send(Sent(method, path, urlencode(query), sent_headers, payload))

    async def post(self, path: str, body: Any, **more: Any) -> Came:
        return await self.ask("POST", path, body, **more)

    async def get(self, path: str, **query: Any) -> Came:
        return await self.ask("GET", path, **query)

    # What tests do most

    async def reserve(
        self,
        amount: int = 100,
        *,
        secret: str = DEV,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Came:
        return await self.post(
            "/v1/reservations", spending("estimate", amount, **more), secret=secret, headers=headers
        )

    async def held(self, amount: int = 100, **more: Any) -> str:
        """The id of a new hold."""
        came = await self.reserve(amount, **more)
        assert came.status == 200, came.body
        return str(came["reservation_id"])

    async def commit(
        self, reservation_id: str, amount: int = 100, *, secret: str = DEV, **more: Any
    ) -> Came:
        body = {"idempotency_key": _key(), "actual": {"unit": USD, "amount": amount}} | more
        return await self.post(f"/v1/reservations/{reservation_id}/commit", body, secret=secret)

    async def release(self, reservation_id: str, *, secret: str = DEV, **more: Any) -> Came:
        body = {"idempotency_key": _key()} | more
        return await self.post(f"/v1/reservations/{reservation_id}/release", body, secret=secret)

    async def extend(
        self, reservation_id: str, by_ms: int = 1_000, *, secret: str = DEV, **more: Any
    ) -> Came:
        body = {"idempotency_key": _key(), "extend_by_ms": by_ms} | more
        return await self.post(f"/v1/reservations/{reservation_id}/extend", body, secret=secret)

    async def decide(self, amount: int = 100, *, secret: str = DEV, **more: Any) -> Came:
        return await self.post("/v1/decide", spending("estimate", amount, **more), secret=secret)

    async def event(self, amount: int = 100, *, secret: str = DEV, **more: Any) -> Came:
        return await self.post("/v1/events", spending("actual", amount, **more), secret=secret)

    async def remaining(self, tenant: str = "dev", secret: str = DEV) -> int:
        """What the budget of a tenant has left."""
        came = await self.get("/v1/balances", tenant=tenant, secret=secret)
        found = next(b for b in came["balances"] if b["scope"] == f"tenant:{tenant}")
        return int(found["remaining"]["amount"])


def spending(name: str, amount: int, *, unit: str = USD, **more: Any) -> dict[str, Any]:
    """The body of a reserve, a decision or an event, for the tenant alone unless it says more."""
    body = {
        "idempotency_key": _key(),
        "subject": {"tenant": "dev"},
        "action": {"kind": "llm.completion", "name": "gpt-4o"},
        name: {"unit": unit, "amount": amount},
    } | more
    return {name: value for name, value in body.items() if value is not None}


def operation_of(sent: Sent) -> Operation | None:
    """The operation that a request is for, if it is for one."""
    try:
        return find_operation(sent.method, sent.path)[0]
    except Problem:
        return None


def read_reply(reply: Reply, operation: Operation | None) -> Came:
    """The answer, after a look at what every answer has to have."""
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers["X-Request-Id"]
    assert len(reply.headers["X-Cycles-Trace-Id"]) == 32
    body = json.loads(reply.body)
    if reply.status >= 400 or operation is not None:
        check_answer(operation, reply.status, body)
    if reply.status >= 400:
        assert body["request_id"] == reply.headers["X-Request-Id"]
        assert body["trace_id"] == reply.headers["X-Cycles-Trace-Id"]
    assert not _has_null(body)
    return Came(reply.status, reply.headers, body)


def _has_null(value: Any) -> bool:
    """The protocol has no null, and what is the client's own may have."""
    if isinstance(value, dict):
        ours = value.keys() - {"metadata", "committed_metadata"}
        return any(_has_null(value[name]) for name in ours)
    return value is None or (isinstance(value, list) and any(map(_has_null, value)))


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()


def _key() -> str:
    return f"key-{next(_numbers)}"


def plane_over(
    ledger: AuthorityLedger,
    *,
    clock: ManualClock,
    log: Lines,
    keys: Sequence[Key] = KEYS,
    policies: Sequence[Policy] = (),
    default_tenant: str | None = None,
    pages: Mapping[str, Reply] | None = None,
    sub_budgets: SubBudgets | None = None,
    metrics: Metrics | None = None,
    closed: str = "",
) -> Plane:
    """An authority over this ledger."""
    ids = count(1)
    return Plane(
        desk=Desk(
            ledger,
            Policies(policies),
            sub_budgets or SubBudgets(ledger, clock, new_salt=lambda: f"salt-{next(ids)}"),
            clock,
        ),
        guard=Guard(frozenset({"localhost"}), frozenset()),
        authenticator=Authenticator(KeyRing(keys), default_tenant=default_tenant),
        health=_healthy,
        metrics=metrics or Metrics(),
        pages=pages or {},
        log=log,
        clock=clock,
        new_id=lambda: f"{next(ids):032x}",
        closed=closed,
    )


async def _healthy(path: str) -> Reply | None:
    if path != "/healthz":
        return None
    return Reply(200, {"Content-Type": "application/json"}, b'{"status":"UP"}')


@asynccontextmanager
async def running(
    folder: Path,
    *,
    budgets: Sequence[BudgetLine] = BUDGETS,
    **options: Any,
) -> AsyncIterator[Rig]:
    """An authority whose ledger has these budgets; `options` are those of `plane_over`."""
    clock, log, ids = ManualClock(), Lines(), count(1)
    ledger = SqliteLedger.open(
        folder / "ledger.db", clock=clock, new_id=lambda: f"rsv_{next(ids):032x}"
    )
    try:
        await ledger.declare(budgets, templates_max=TEMPLATES_MAX)
        yield Rig(plane_over(ledger, clock=clock, log=log, **options), ledger, clock, log)
    finally:
        await ledger.close()
