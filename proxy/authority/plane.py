"""One request of the protocol: who asks, where to, what came of it.

guard ▶ route ▶ key ▶ permission ▶ body ▶ operation ▶ answer, log line, figures
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

import msgspec

from proxy.authority.auth import Access, Authenticator, access_of
from proxy.authority.errors import Problem, problem_of
from proxy.authority.exchange import Call, Desk, Incoming, Reply
from proxy.authority.operations.table import OPERATIONS, RESERVATION_ID, Operation
from proxy.authority.sub_budgets import operations as sub_budgets
from proxy.cycles_wire import headers
from proxy.cycles_wire.errors import ErrorCode, ErrorResponse
from proxy.domain.clock import Clock
from proxy.domain.errors import LedgerError, Refused
from proxy.domain.guard import Guard
from proxy.domain.sub_budget import CHILD_KEY_PREFIX
from proxy.domain.trace import trace_id_of
from proxy.observe.logs import Log
from proxy.observe.metrics import Metrics

_COLLECTIONS: Final = ("/v1/reservations/", f"{sub_budgets.PATH}/")
_ID_CHARACTERS_MAX: Final = 128
_JSON: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder()

Health = Callable[[str], Awaitable[Reply | None]]
"""The answer of a health path, None for another path."""


@dataclass(slots=True)
class Record:
    """What is written down of one request."""

    trace_id: str
    request_id: str
    started_ns: int
    operation: str = ""
    tenant: str = ""
    key: str = ""
    reservation_id: str = ""
    code: str = ""


class Plane:
    """Answers the requests of one listener."""

    def __init__(
        self,
        *,
        desk: Desk,
        guard: Guard,
        authenticator: Authenticator,
        health: Health,
        pages: Mapping[str, Reply],
        metrics: Metrics,
        log: Log,
        clock: Clock,
        new_id: Callable[[], str],
        closed: str = "",
    ) -> None:
        """`pages` are answered to whoever asks, by path.

        `closed`: why no operation is served, where none is.
        """
        self._desk = desk
        self._guard = guard
        self._authenticator = authenticator
        self._health = health
        self._pages = pages
        self._metrics = metrics
        self._log = log
        self._clock = clock
        self._new_id = new_id
        self._closed = closed

    async def answer(self, incoming: Incoming) -> Reply:
        """Answer one request, whatever it is."""
        record = self._begin(incoming.header("traceparent"), incoming.header(headers.TRACE_ID))
        try:
            reply = await self._reply(incoming, record)
        except Problem as problem:
            reply = self._refuse(problem, record)
        except (Refused, LedgerError) as error:
            reply = self._refuse(problem_of(error), record)
        except Exception as error:  # noqa: BLE001 - a bug must end in an answer and a line
            self._log.line("internal_error", trace_id=record.trace_id, error=type(error).__name__)
            reply = self._refuse(_bug(), record)
        return self._end(reply, record)

    def refuse_unreadable(self) -> Reply:
        """The answer to what is not a request. Nothing of it is known, and nothing repeated."""
        record = self._begin(None, None)
        problem = Problem(
            ErrorCode.INVALID_REQUEST,
            "This is not an HTTP/1.1 request: a header stands twice, contradicts another, has "
            "characters that none may have, or there is too much of it.",
        )
        return self._end(self._refuse(problem, record), record)

    def _begin(self, traceparent: str | None, trace_id: str | None) -> Record:
        return Record(
            trace_id_of(traceparent, trace_id, self._new_id),
            f"req_{self._new_id()}",
            self._clock.monotonic_ns(),
        )

    async def _reply(self, incoming: Incoming, record: Record) -> Reply:
        health = await self._health(incoming.path)
        if health is not None:
            return health
        self._guard.check(incoming.header("Host"), incoming.header("Origin"))
        page = self._pages.get(incoming.path)
        if page is not None:
            _check_method(incoming.method, ("GET",))
            return page
        if self._closed:
            raise Problem(ErrorCode.NOT_FOUND, self._closed)
        operation, reservation_id = find_operation(incoming.method, incoming.path)
        record.operation = operation.name
        secret = incoming.header(headers.API_KEY) or ""
        access = await self._access(secret)
        record.tenant, record.key = access.tenant, access.key.name
        if operation.permission is not None:
            access.require(operation.permission)
        record.reservation_id = reservation_id
        call = Call(
            access=access,
            trace_id=record.trace_id,
            reservation_id=reservation_id,
            query=incoming.query,
            body=b"" if operation.request is None else await incoming.body(),
            idempotency_key=incoming.header(headers.IDEMPOTENCY_KEY),
            secret=secret,
        )
        body = await operation.run(self._desk, call)
        return Reply(operation.status, {"Content-Type": _JSON}, body)

    async def _access(self, secret: str) -> Access:
        if secret.startswith(CHILD_KEY_PREFIX):
            child = await self._desk.sub_budgets.find(secret)
            if child is not None:
                return access_of(child)
        return self._authenticator.authenticate(secret)

    def _refuse(self, problem: Problem, record: Record) -> Reply:
        record.code = problem.code
        error = ErrorResponse(
            error=problem.code,
            message=str(problem),
            request_id=record.request_id,
            trace_id=record.trace_id,
            details=msgspec.UNSET if problem.details is None else dict(problem.details),
        )
        return Reply(
            problem.status, {"Content-Type": _JSON, **problem.headers}, _ENCODER.encode(error)
        )

    def _end(self, reply: Reply, record: Record) -> Reply:
        told = {
            **reply.headers,
            headers.REQUEST_ID: record.request_id,
            headers.TRACE_ID: record.trace_id,
        }
        if record.tenant:
            told[headers.TENANT] = record.tenant
        if record.operation:
            self._write_down(reply.status, record)
        return Reply(reply.status, told, reply.body)

    def _write_down(self, status: int, record: Record) -> None:
        took_ns = self._clock.monotonic_ns() - record.started_ns
        self._metrics.authority_of(record.operation, str(status)).observe(took_ns / 1e9)
        self._log.line(
            "authority_request",
            trace_id=record.trace_id,
            request_id=record.request_id,
            operation=record.operation,
            status=status,
            code=record.code or None,
            tenant=record.tenant or None,
            key=record.key or None,
            reservation_id=record.reservation_id or None,
            total_us=took_ns // 1_000,
        )


def find_operation(method: str, path: str) -> tuple[Operation, str]:
    """The operation that answers here, and the reservation that the path names.

    Raises:
        Problem: NOT_FOUND; INVALID_REQUEST for another method (405), or no possible id.
    """
    operations, named = _ROUTES.get(path), ""
    collection = next(filter(path.startswith, _COLLECTIONS), None)
    if operations is None and collection is not None:
        named, slash, rest = path[len(collection) :].partition("/")
        operations = _ROUTES.get(f"{collection}{RESERVATION_ID}{slash}{rest}")
    if operations is None or (named == "" and collection is not None):
        raise Problem(ErrorCode.NOT_FOUND, "Nothing is served here.")
    _check_method(method, operations)
    return operations[method], _reservation_id(named)


def _check_method(method: str, served: Collection[str]) -> None:
    if method not in served:
        allowed = ", ".join(served)
        raise Problem(
            ErrorCode.INVALID_REQUEST,
            f"The method here is {allowed}.",
            status=405,
            headers={"Allow": allowed},
        )


def _by_path() -> dict[str, dict[str, Operation]]:
    routes: dict[str, dict[str, Operation]] = {}
    for operation in (*OPERATIONS, *sub_budgets.OPERATIONS):
        routes.setdefault(operation.path, {})[operation.method] = operation
    return routes


_ROUTES: Final = _by_path()


def _reservation_id(segment: str) -> str:
    named = unquote_to_bytes(segment.encode("utf-8", "surrogateescape")).decode("utf-8", "replace")
    if len(named) > _ID_CHARACTERS_MAX:
        raise Problem(
            ErrorCode.INVALID_REQUEST,
            f"A reservation_id has at most {_ID_CHARACTERS_MAX} characters.",
        )
    return named


def _bug() -> Problem:
    return Problem(
        ErrorCode.INTERNAL_ERROR, "The authority failed. Retry with the same idempotency key."
    )
