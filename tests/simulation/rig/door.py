"""A caller, as the proxy sees one: what it asks, how fast it listens, when it leaves."""

import asyncio
import json
from collections.abc import Callable, Mapping

from proxy.domain.errors import Reason, Refused
from proxy.gateway.runtime.door import ClientGone
from tests.simulation.plan import Call
from tests.simulation.rig.virtual import rest


class ScriptedDoor:
    """A `Door` that is a list of bytes. It behaves as the one that is a socket."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._loop = asyncio.get_running_loop()
        self._react: Callable[[], None] | None = None
        self._has_begun = False
        self._writes = 0
        self.method = "POST"
        self.path = "/v1/chat/completions"
        self.query = ""
        self.headers = self._headers()
        self.gone = False
        self.gone_at_s = 0.0
        self.status = 0
        self.answer_headers: Mapping[str, str] = {}
        self.heard: list[bytes] = []
        self.is_broken_off = False
        if call.caller.leaves_ms is not None:
            self._loop.call_later(call.caller.leaves_ms / 1000, self.hang_up)

    def _headers(self) -> tuple[tuple[str, str], ...]:
        caller = self._call.caller
        headers = {
            "Host": "localhost",
            "Content-Type": "application/json",
            "Authorization": "Bearer sk-of-the-caller",
            "X-Cycles-Trace-Id": self._call.trace_id,
        }
        headers |= {f"X-Cycles-{level.title()}": name for level, name in caller.levels.items()}
        if caller.accepts:
            headers["Accept-Encoding"] = caller.accepts
        return tuple(headers.items())

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)

    async def body(self) -> bytes:
        await rest(self._call.caller.body_ms)
        if self.gone:
            raise Refused(Reason.INVALID_REQUEST, "The body of the request broke off.")
        return json.dumps(self._call.body).encode()

    def answer(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        if self._has_begun:
            self.break_off()
            return
        self.status, self.answer_headers, self.heard = status, dict(headers), [body]

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        await self._send()
        self._has_begun = True
        self.status, self.answer_headers = status, dict(headers)

    async def write(self, data: bytes) -> None:
        assert self._has_begun
        self._writes += 1
        if self._writes == self._call.caller.leaves_at_write:
            self._loop.call_soon(self.hang_up)
        await self._send()
        self.heard.append(data)

    async def _send(self) -> None:
        if not self.gone:
            await rest(self._call.caller.write_ms)
        if self.gone:
            raise ClientGone

    def break_off(self) -> None:
        self.is_broken_off = True
        self._loop.call_soon(self.hang_up)

    def when_gone(self, react: Callable[[], None]) -> None:
        self._react = react
        if self.gone:
            react()

    def hang_up(self) -> None:
        """The caller leaves. Told once, by whatever notices first."""
        if self.gone:
            return
        self.gone = True
        self.gone_at_s = self._loop.time()
        if self._react is not None:
            self._react()
