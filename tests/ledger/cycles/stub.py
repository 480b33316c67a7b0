"""An authority of the protocol in memory, on a port of its own, that can be told to fail.

Strict: it takes what the published document allows, and nothing else. Its clock is its own,
and moves when a test says so. What is to befall a request is decided at its socket: it may
be lost before the authority has it, or its answer after.
"""

import asyncio
import re
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count

import msgspec
from aiohttp import web

from proxy.cycles_wire import requests
from proxy.cycles_wire.canonical import payload_hash
from proxy.cycles_wire.errors import ErrorCode
from proxy.cycles_wire.reading import MalformedRequest, read_request
from proxy.cycles_wire.schemas import Schema, Subject
from proxy.cycles_wire.subjects import subject_of
from proxy.domain.scope import derive
from tests.ledger.cycles.fates import (
    Answer,
    Fate,
    Garble,
    Hang,
    HoldReply,
    Json,
    LoseReply,
    LoseRequest,
    Pass,
)

KEY = "cyc_live_key"
EPOCH_MS = 5_000_000_000_000
"""Far from any clock of ours, so that nobody can have compared the two."""


class Problem(Exception):
    def __init__(self, code: ErrorCode, details: Json | None = None) -> None:
        super().__init__(code)
        self.code, self.details = code, details


@dataclass
class Budget:
    allocated: int
    reserved: int = 0
    spent: int = 0

    @property
    def remaining(self) -> int:
        return self.allocated - self.reserved - self.spent


@dataclass
class Row:
    reservation_id: str
    request: requests.ReservationCreateRequest
    budgets: list[Budget]
    expires_ms: int
    status: str = "ACTIVE"
    committed: int | None = None


@dataclass(frozen=True)
class Seen:
    operation: str
    key: str
    body: Json

    @property
    def amount(self) -> int:
        """What is asked for."""
        amount: int = (self.body.get("estimate") or self.body["actual"])["amount"]
        return amount


@dataclass
class Stub:
    """What tests tell, and what they ask."""

    budgets: dict[tuple[str, str], Budget] = field(default_factory=dict)
    rows: dict[str, Row] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    fates: defaultdict[str, deque[Fate]] = field(default_factory=lambda: defaultdict(deque))
    caps: Json | None = None
    caps_for: Callable[[int], Json | None] | None = None
    extra: Json = field(default_factory=dict)
    tells_remaining: bool = True
    keys: set[str] = field(default_factory=lambda: {KEY})
    now_ms: int = EPOCH_MS
    url: str = ""
    next_id: str = ""
    closing: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._answers: dict[tuple[str, str], tuple[str, int, Json]] = {}
        self._numbers = count(1)

    def fund(self, scope: str, allocated: int, unit: str = "USD_MICROCENTS") -> Budget:
        budget = self.budgets[scope, unit] = Budget(allocated)
        return budget

    def spoil(self, operation: str, *fates: Fate) -> None:
        """These befall the next requests of this operation, one each."""
        self.fates[operation].extend(fates)

    def operations(self, *but: str) -> list[str]:
        return [each.operation for each in self.seen if each.operation not in but]

    def settlements(self) -> list[int]:
        """What was charged, by commits and by events."""
        committed = [row.committed for row in self.rows.values() if row.committed is not None]
        return committed + [event["actual"]["amount"] for event in self.events]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        operation = _operation(request)
        body = await request.read()
        fate = self.fates[operation].popleft() if self.fates[operation] else Pass()
        transport = request.transport
        assert transport is not None
        sent = msgspec.json.decode(body) if body else dict(request.query)
        self.seen.append(Seen(operation, request.headers.get("X-Idempotency-Key", ""), sent))
        if isinstance(fate, LoseRequest):
            transport.abort()
            return web.Response()
        if isinstance(fate, Answer):
            return web.Response(status=fate.status, body=fate.body, headers=dict(fate.headers))
        status, answer = self._answer(request, operation, body)
        if isinstance(fate, LoseReply):
            transport.abort()
        if isinstance(fate, Hang):
            await self.closing.wait()
        if isinstance(fate, HoldReply):
            await fate.released.wait()
        if isinstance(fate, Garble):
            status, text = fate.change(status, answer)
            return web.Response(status=status, body=text)
        return web.Response(status=status, body=msgspec.json.encode(answer))

    def _answer(self, request: web.Request, operation: str, body: bytes) -> tuple[int, Json]:
        if request.headers.get("X-Cycles-API-Key") not in self.keys:
            return _error(Problem(ErrorCode.UNAUTHORIZED))
        try:
            if request.method == "GET":
                return 200, self._look(request, operation)
            return self._once(request, operation, body)
        except MalformedRequest:
            return _error(Problem(ErrorCode.INVALID_REQUEST))
        except Problem as problem:
            return _error(problem)

    def _once(self, request: web.Request, operation: str, body: bytes) -> tuple[int, Json]:
        kind, act = _KINDS[operation]
        asked = read_request(body, kind)
        key = getattr(asked, "idempotency_key", "")
        if request.headers.get("X-Idempotency-Key") != key:
            raise Problem(ErrorCode.INVALID_REQUEST)
        place = (request.path, key)
        told = self._answers.get(place)
        if told is not None:
            if told[0] != payload_hash(asked):
                raise Problem(ErrorCode.IDEMPOTENCY_MISMATCH)
            return told[1], self._recomputed(told[2])
        status = 201 if operation == "event" else 200
        answer = act(self, asked, request.match_info.get("id", ""))
        self._answers[place] = (payload_hash(asked), status, answer)
        return status, answer

    def _recomputed(self, answer: Json) -> Json:
        if "remaining_ttl_ms" not in answer:
            return answer
        return {**answer, "remaining_ttl_ms": max(0, answer["expires_at_ms"] - self.now_ms)}

    def _reserve(self, asked: requests.ReservationCreateRequest, _: str) -> Json:
        unit, amount = asked.estimate.unit.value, asked.estimate.amount
        scopes, budgets = self._budgets(asked.subject, unit)
        for scope, budget in budgets.items():
            if budget.remaining < amount:
                raise Problem(ErrorCode.BUDGET_EXCEEDED, {"scope": scope, "foreign": True})
        for budget in budgets.values():
            budget.reserved += amount
        reservation_id = self.next_id or f"rsv/{next(self._numbers)}"
        self.next_id = ""
        row = Row(reservation_id, asked, list(budgets.values()), self.now_ms + asked.ttl_ms)
        self.rows[row.reservation_id] = row
        caps = self.caps if self.caps_for is None else self.caps_for(amount)
        return {
            "decision": "ALLOW_WITH_CAPS" if caps is not None else "ALLOW",
            "reservation_id": row.reservation_id,
            "reserved": {"unit": unit, "amount": amount},
            "scope_path": scopes[-1],
            "affected_scopes": scopes,
            "balances": [self._balance(scope, unit) for scope in budgets],
            **self._lease(row),
            **({"caps": caps} if caps is not None else {}),
            **self.extra,
        }

    def _decide(self, asked: requests.DecisionRequest, _: str) -> Json:
        scopes, budgets = self._budgets(asked.subject, asked.estimate.unit.value)
        fits = all(budget.remaining >= asked.estimate.amount for budget in budgets.values())
        reason = {} if fits else {"reason_code": "BUDGET_EXCEEDED"}
        return {"decision": "ALLOW" if fits else "DENY", "affected_scopes": scopes, **reason}

    def _commit(self, asked: requests.CommitRequest, reservation_id: str) -> Json:
        row = self._open(reservation_id)
        estimate = row.request.estimate
        if asked.actual.unit is not estimate.unit:
            raise Problem(ErrorCode.UNIT_MISMATCH)
        over = asked.actual.amount - estimate.amount
        room = min(max(0, budget.remaining) for budget in row.budgets)
        if over > room and row.request.overage_policy == "ALLOW_WITH_OVERDRAFT":
            raise Problem(ErrorCode.OVERDRAFT_LIMIT_EXCEEDED)
        charged = estimate.amount + min(over, room)
        for budget in row.budgets:
            budget.reserved -= estimate.amount
            budget.spent += charged
        row.status, row.committed = "COMMITTED", charged
        unit = estimate.unit.value
        answer: Json = {"status": "COMMITTED", "charged": {"unit": unit, "amount": charged}}
        if over < 0:
            answer["released"] = {"unit": unit, "amount": -over}
        return answer

    def _release(self, asked: requests.ReleaseRequest, reservation_id: str) -> Json:
        row = self._open(reservation_id)
        estimate = row.request.estimate
        for budget in row.budgets:
            budget.reserved -= estimate.amount
        row.status = "RELEASED"
        return {"status": "RELEASED", "released": msgspec.to_builtins(estimate)}

    def _extend(self, asked: requests.ReservationExtendRequest, reservation_id: str) -> Json:
        row = self._open(reservation_id, grace=False)
        row.expires_ms += asked.extend_by_ms
        return {"status": "ACTIVE", **self._lease(row)}

    def _event(self, asked: requests.EventCreateRequest, _: str) -> Json:
        _scopes, budgets = self._budgets(asked.subject, asked.actual.unit.value)
        for budget in budgets.values():
            budget.spent += asked.actual.amount
        self.events.append(msgspec.to_builtins(asked))
        return {"status": "APPLIED", "event_id": f"evt-{len(self.events)}"}

    def _look(self, request: web.Request, operation: str) -> Json:
        if operation == "balances":
            tenant = request.query["tenant"].lower()
            names = [each for each in self.budgets if f"{each[0]}/".startswith(f"tenant:{tenant}/")]
            return {"balances": [self._balance(*name) for name in names]}
        if operation == "introspect":
            raise Problem(ErrorCode.NOT_FOUND)
        row = self._row(request.match_info["id"])
        return {
            "reservation_id": row.reservation_id,
            "status": row.status,
            "subject": msgspec.to_builtins(row.request.subject),
            "action": msgspec.to_builtins(row.request.action),
            "reserved": msgspec.to_builtins(row.request.estimate),
            "created_at_ms": EPOCH_MS,
            "expires_at_ms": row.expires_ms,
            "scope_path": "tenant:acme",
            "affected_scopes": ["tenant:acme"],
        }

    def _budgets(self, subject: Subject, unit: str) -> tuple[list[str], dict[str, Budget]]:
        scopes = [str(scope) for scope in derive(subject_of(subject))]
        found = {
            scope: self.budgets[scope, unit] for scope in scopes if (scope, unit) in self.budgets
        }
        others = [name[1] for name in self.budgets if name[0] in scopes]
        if not found and others:
            raise Problem(ErrorCode.UNIT_MISMATCH, {"expected_units": others})
        if not found:
            raise Problem(ErrorCode.NOT_FOUND)
        return scopes, found

    def _balance(self, scope: str, unit: str) -> Json:
        budget = self.budgets[scope, unit]
        told = {
            "remaining": budget.remaining,
            "reserved": budget.reserved,
            "spent": budget.spent,
            "allocated": budget.allocated,
        }
        amounts = {name: {"unit": unit, "amount": amount} for name, amount in told.items()}
        # As the reference does it: the last segment, and the whole path beside it.
        return {"scope": scope.rpartition("/")[2], "scope_path": scope, **amounts}

    def _row(self, reservation_id: str) -> Row:
        if reservation_id not in self.rows:
            raise Problem(ErrorCode.NOT_FOUND)
        return self.rows[reservation_id]

    def _open(self, reservation_id: str, *, grace: bool = True) -> Row:
        row = self._row(reservation_id)
        if row.status != "ACTIVE":
            raise Problem(ErrorCode.RESERVATION_FINALIZED)
        if self.now_ms > row.expires_ms + (row.request.grace_period_ms if grace else 0):
            raise Problem(ErrorCode.RESERVATION_EXPIRED)
        return row

    def expire(self) -> None:
        """Time passes until every lease and its grace are over, and what they held is back."""
        self.now_ms += 10**9
        for row in self.rows.values():
            if row.status == "ACTIVE":
                for budget in row.budgets:
                    budget.reserved -= row.request.estimate.amount

    def _lease(self, row: Row) -> Json:
        lease = {"expires_at_ms": row.expires_ms}
        if self.tells_remaining:
            lease["remaining_ttl_ms"] = max(0, row.expires_ms - self.now_ms)
        return lease


_KINDS: dict[str, tuple[type[Schema], Callable[..., Json]]] = {
    "reserve": (requests.ReservationCreateRequest, Stub._reserve),
    "decide": (requests.DecisionRequest, Stub._decide),
    "commit": (requests.CommitRequest, Stub._commit),
    "release": (requests.ReleaseRequest, Stub._release),
    "extend": (requests.ReservationExtendRequest, Stub._extend),
    "event": (requests.EventCreateRequest, Stub._event),
}

_ROUTES = (
    ("POST", r"/v1/reservations", "reserve"),
    ("POST", r"/v1/decide", "decide"),
    ("POST", r"/v1/events", "event"),
    ("GET", r"/v1/balances", "balances"),
    ("GET", r"/v1/auth/introspect", "introspect"),
    ("GET", r"/v1/reservations/[^/]+", "show"),
    ("POST", r"/v1/reservations/[^/]+/commit", "commit"),
    ("POST", r"/v1/reservations/[^/]+/release", "release"),
    ("POST", r"/v1/reservations/[^/]+/extend", "extend"),
)


def _operation(request: web.Request) -> str:
    path = request.rel_url.raw_path
    for method, pattern, operation in _ROUTES:
        if request.method == method and re.fullmatch(pattern, path):
            return operation
    raise AssertionError(f"{request.method} {path} is nothing that the protocol has")


def _error(problem: Problem) -> tuple[int, Json]:
    body: Json = {"error": problem.code.value, "message": "no", "request_id": "r"}
    if problem.details is not None:
        body["details"] = problem.details
    return problem.code.status, body


@asynccontextmanager
async def running_stub() -> AsyncIterator[Stub]:
    """An authority that has heard of nobody."""
    stub = Stub()
    app = web.Application()
    app.router.add_route("*", "/v1/reservations/{id}", stub.handle)
    app.router.add_route("*", "/v1/reservations/{id}/{operation}", stub.handle)
    app.router.add_route("*", "/{path:.*}", stub.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    stub.url = f"http://{host}:{port}"
    try:
        yield stub
    finally:
        stub.closing.set()
        await runner.cleanup()
