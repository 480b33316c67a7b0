"""What every request meets first: the guard, its identity, its path; and last: its record.

Paths that are not listed here do not pass: an endpoint that nobody meters is a hole in
every budget (field-report 61).
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from proxy.dialects.addresses import has_version_twice
from proxy.dialects.chat import CHAT
from proxy.dialects.dialect import Dialect
from proxy.dialects.path_pattern import PathPattern
from proxy.dialects.responses import FRAMES
from proxy.dialects.responses.frames import prompt_after
from proxy.dialects.routes import FREE_PATHS, METERED, free_at, spoken_at
from proxy.dialects.unmetered import costs_nothing, unmetered_at
from proxy.domain.clock import Clock
from proxy.domain.errors import Reason, Refused
from proxy.domain.guard import Guard
from proxy.domain.scope import derive
from proxy.domain.trace import trace_id_of
from proxy.gateway.dedupe.calls import Dedupe
from proxy.gateway.ending import Outcome
from proxy.gateway.forward import Forwarder
from proxy.gateway.hearing.intake import take_free
from proxy.gateway.hearing.named import named_in, naming
from proxy.gateway.identify import Caller, Identifier
from proxy.gateway.meter import read_whole
from proxy.gateway.metered import Disconnects
from proxy.gateway.pipeline import Pipeline
from proxy.gateway.respond import Answer, refusal_answer
from proxy.gateway.routes import Routes
from proxy.gateway.runtime.admin import Checks, health_answer
from proxy.gateway.runtime.door import ClientGone, Door
from proxy.gateway.runtime.headers import client_headers
from proxy.gateway.runtime.record import CallRecord, Recorder
from proxy.gateway.websocket.door import FrameDoor
from proxy.gateway.websocket.forwarders import SocketForwarders, SocketRoute
from proxy.gateway.websocket.session import Lines, Session, SocketEntrance
from proxy.gateway.websocket.sockets import Sockets
from proxy.observe.logs import Log

SOCKET_PATH: Final = "/v1/responses"
"""Where a caller may open a WebSocket."""

_SWITCHING: Final = 101

_OF_ANTHROPIC: Final = "anthropic-version"
"""What every caller of Anthropic's API sends: https://docs.anthropic.com/en/api/versioning."""


class Front:
    """Takes each request of the proxy's port to where it belongs."""

    def __init__(
        self,
        *,
        guard: Guard,
        identifier: Identifier,
        pipeline: Pipeline,
        forwarders: Mapping[str, Forwarder],
        routes: Routes,
        passthrough: Collection[PathPattern],
        dedupe: Dedupe,
        disconnects: Disconnects,
        recorder: Recorder,
        checks: Checks,
        log: Log,
        clock: Clock,
        new_trace_id: Callable[[], str],
        deny_status: int,
        calls_max: int,
        socket_routes: Mapping[str, SocketRoute],
        sockets: Sockets,
    ) -> None:
        """`socket_routes`: the upstreams that take WebSockets, by name."""
        self._guard = guard
        self._identifier = identifier
        self._pipeline = pipeline
        self._forwarders = forwarders
        self._routes = routes
        self._passthrough = passthrough
        self._dedupe = dedupe
        self._disconnects = disconnects
        self._recorder = recorder
        self._checks = checks
        self._log = log
        self._clock = clock
        self._new_trace_id = new_trace_id
        self._deny_status = deny_status
        self._calls_max = calls_max
        self._socket_routes = socket_routes
        self._sockets = sockets
        self._calls = 0

    async def handle(self, door: Door, *, is_stopping: bool = False) -> None:
        """Answer one request, whatever it is. A proxy that is stopping begins no new call."""
        health = await health_answer(door.path, self._checks)
        if health is not None:
            door.answer(health.status, health.headers, health.body)
            return
        self._calls += 1
        try:
            route = partial(self._route, door)
            session = await self._answer(door, route, is_stopping=is_stopping)
            if session is not None:
                await self._sockets.serve(session)
        finally:
            self._calls -= 1

    async def handle_frame(self, door: FrameDoor, lines: Lines, *, is_stopping: bool) -> None:
        """Answer one frame of a socket: a call like others, but that its socket is counted."""
        route = partial(self._run_frame, door, lines)
        await self._answer(door, route, is_stopping=is_stopping)

    async def _answer(
        self,
        door: Door,
        route: Callable[[CallRecord], Awaitable[Session | None]],
        *,
        is_stopping: bool,
    ) -> Session | None:
        """Answer what is at the door, and close its record; the socket that it became, if any."""
        record = self._record(
            trace_id_of(
                door.header("traceparent"), door.header("X-Cycles-Trace-Id"), self._new_trace_id
            )
        )
        try:
            if is_stopping:
                raise Refused(Reason.OVERLOADED, "The proxy is stopping. Retry shortly.")
            return await route(record)
        except Refused as refused:
            self._refuse(door, refused, record)
        except ClientGone:
            door.break_off()
        except Exception as error:  # noqa: BLE001 - a bug must end in an answer and a line
            self._log.line("internal_error", trace_id=record.trace_id, error=type(error).__name__)
            self._refuse(door, _bug(), record)
        finally:
            record.client_left = door.gone
            self._recorder.close(record)
        return None

    def refuse_unreadable(self) -> Answer:
        """The answer to what is not a request. Nothing of it is known, and nothing repeated."""
        record = self._record(self._new_trace_id())
        answer = self._refusal(
            CHAT,
            Refused(
                Reason.INVALID_REQUEST,
                "This is not an HTTP/1.1 request: a header stands twice (Host, Content-Length), "
                "contradicts another, has characters that none may have, there is too much of it "
                "(limits.max_header_bytes, limits.max_headers), or its body is coded in another "
                "way than in chunks.",
            ),
            record,
        )
        self._recorder.close(record)
        return answer

    def _record(self, trace_id: str) -> CallRecord:
        return CallRecord(trace_id=trace_id, api="none", started_ns=self._clock.monotonic_ns())

    async def _route(self, door: Door, record: CallRecord) -> Session | None:
        if self._calls > self._calls_max:
            raise Refused(
                Reason.OVERLOADED,
                f"As many calls are in flight as may be (limits.max_connections: "
                f"{self._calls_max}). Retry shortly.",
            )
        caller = await self._admit(door, record)
        # Another upgrade that is offered (h2c, as some HTTP clients do) may be ignored.
        if "websocket" in (door.header("Upgrade") or "").lower():
            return await self._open_socket(door, caller, record)
        dialect = METERED.get(caller.path) if door.method == "POST" else None
        if dialect is not None:
            record.api = dialect.name
            run = partial(self._pipeline.run, dialect, record=record)
            await self._dedupe.run(run, door, caller, record)
        elif (api := free_at(door.method, caller.path, door.query)) is not None:
            record.api = api
            await self._pass_free(door, caller, record)
        elif caller.path == "/" and door.method in ("GET", "HEAD"):
            raise Refused(Reason.NOT_FOUND, "There is nothing at this address.")
        elif any(costs_nothing(each, door.method, caller.path) for each in self._passthrough):
            record.api = "passthrough"
            await self._pass_free(door, caller, record)
        else:
            raise _not_allowed(door.method, caller.path)
        return None

    async def _admit(self, door: Door, record: CallRecord) -> Caller:
        self._guard.check(door.header("Host"), door.header("Origin"))
        caller = await self._identifier.admit(door.path, door.headers)
        record.caller(caller.subject.tenant, derive(caller.subject)[-1])
        return caller

    async def _open_socket(self, door: Door, caller: Caller, record: CallRecord) -> Session:
        """Where responses are made over WebSockets, let one be opened: that costs nothing."""
        if caller.path != SOCKET_PATH or not isinstance(door, SocketEntrance):
            raise Refused(
                Reason.UPGRADE_REQUIRED,
                f"WebSockets are not metered here, but at {SOCKET_PATH}: use HTTP.",
            )
        if not self._socket_routes:
            raise Refused(
                Reason.UPGRADE_REQUIRED,
                "WebSockets are not switched on (upstreams[].websockets): use HTTP.",
            )
        record.api = "websocket"
        socket = await door.open_socket({"X-Cycles-Trace-Id": record.trace_id})
        record.free()
        record.status = _SWITCHING
        return Session(door, socket, self._sockets.run_frame)

    async def _run_frame(self, door: FrameDoor, lines: Lines, record: CallRecord) -> None:
        caller = await self._admit(door, record)
        record.api = FRAMES.name
        forwarders = SocketForwarders(self._socket_routes, lines, door, caller)
        dialect = replace(FRAMES, prompt_of=partial(prompt_after, lines.said))
        await self._pipeline.run(dialect, door, caller, record, forwarders=forwarders)
        if door.last_event is not None and record.model is not None and not record.is_swapped:
            lines.remember(door.last_event, record.model)

    async def _pass_free(self, door: Door, caller: Caller, record: CallRecord) -> None:
        """A request that costs nothing: no hold, and what its answer says of usage is not read.

        The usage of a response that is fetched again was charged when it was made.
        """
        body, rest = await take_free(door)
        forwarder, body = self._way_of(body, door)
        forwarder.check_ready()
        record.free()
        line = await forwarder.connect()
        answer = await forwarder.send(
            line, door, caller, body=body, rest=rest, reads_plain=False, patience_ms=0
        )
        metered = await read_whole(answer, door, self._disconnects)
        headers = client_headers(answer.headers)
        headers["X-Cycles-Trace-Id"] = record.trace_id
        record.status = answer.status
        if metered.ending.outcome is Outcome.BROKEN:
            door.break_off()
        shown = forwarder.for_caller(answer.status, headers, metered.body)
        door.answer(answer.status, headers, shown)

    def _way_of(self, body: bytes, door: Door) -> tuple[Forwarder, bytes]:
        """To the upstream of the model that a body names, in its words; where none is named, to
        the first that speaks the API of the caller.

        Raises:
            Refused: MODEL_NOT_SERVED.
        """
        named = named_in(body)
        if named is not None:
            model, deployment = self._routes.meant_by(named, is_deployment=False)
            route = self._routes.of(model, deployment=deployment)
            body = naming(body, route.name_of(model, asked=deployment))
            return self._forwarders[route.name], body
        speaks = "openai" if door.header(_OF_ANTHROPIC) is None else "anthropic"
        return self._forwarders[self._routes.first(speaks=speaks).name], body

    def _refuse(self, door: Door, refused: Refused, record: CallRecord) -> None:
        answer = self._refusal(spoken_at(door.path), refused, record)
        door.answer(answer.status, answer.headers, answer.body)

    def _refusal(self, dialect: Dialect, refused: Refused, record: CallRecord) -> Answer:
        answer = refusal_answer(
            dialect,
            refused,
            deny_status=self._deny_status,
            trace_id=record.trace_id,
            affordable_max_tokens=record.affordable_max_tokens,
            attempts=record.attempts,
        )
        record.refused(refused.reason, answer.status)
        return answer


def _not_allowed(method: str, path: str) -> Refused:
    if has_version_twice(path):
        return Refused(
            Reason.PATH_NOT_ALLOWED,
            "The path has /v1 twice: this client adds it, so leave it out of the base URL.",
        )
    billed = unmetered_at(method, path)
    if billed is not None:
        message = (
            f"Not metered in this version, so it does not pass: {billed.what}. {billed.advice}"
        )
        return Refused(Reason.PATH_NOT_ALLOWED, message)
    return Refused(
        Reason.PATH_NOT_ALLOWED,
        "This path is not metered, so it does not pass. Metered: POST "
        f"{', '.join(METERED)}; free: {', '.join(FREE_PATHS)}; an operator can list others that "
        "cost nothing (passthrough).",
    )


def _bug() -> Refused:
    return Refused(
        Reason.INTERNAL_ERROR, "The proxy failed. If the call was sent, its hold is kept."
    )
