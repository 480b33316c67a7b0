"""What the upstream has seen: requests, calls under way, and the bill.

Nothing here repeats a prompt, unless bodies are kept on purpose for a test in process.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256

from simulator.behaviour import Behaviour
from simulator.bill import (
    NO_FACTOR,
    BillLine,
    Input,
    Outcome,
    Output,
    amount_microcents,
)
from simulator.rates import PriceList


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSeen:
    """One request, whatever became of it. `body` is None unless bodies are kept.

    Names of `headers` are looked up in any case.
    """

    number: int
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body_bytes: int
    body_sha256: str
    body: bytes | None = field(repr=False, default=None)

    def carries(self, secret: str) -> bool:
        """Whether `secret` came along in the path, a header's name or value, or a kept body."""
        fields = [self.path, *self.headers.keys(), *self.headers.values()]
        return any(secret in text for text in fields) or secret.encode() in (self.body or b"")


class Tab:
    """The running bill of one call. It is right at every moment, not only at the end."""

    def __init__(
        self, request_id: str, completion_id: str, changed: Callable[[], None] = lambda: None
    ) -> None:
        self._changed = changed
        self.request_id = request_id
        self.completion_id = completion_id
        self._model = ""
        self._service_tier = ""
        self._prices: PriceList | None = None
        self._factor = NO_FACTOR
        self._input = Input()
        self._whole = Output()
        self._produced = Output()
        self._billed = "nothing"
        self._outcome: Outcome = "running"

    def begin(
        self,
        *,
        model: str,
        service_tier: str,
        prices: PriceList,
        consumed: Input,
        whole: Output,
        billed: str,
        factor: Decimal = NO_FACTOR,
    ) -> None:
        """The prompt was read by the model. `whole` is what it is going to generate, `factor`
        how much dearer than usual."""
        self._factor = factor
        self._model, self._service_tier, self._prices = model, service_tier, prices
        self._input, self._whole, self._billed = consumed, whole, billed

    def generated(self, output: Output) -> None:
        """The model generated this much more."""
        self._produced += output
        self._changed()

    def close(self, outcome: Outcome) -> None:
        """The call ended so."""
        self._outcome = outcome

    @property
    def is_running(self) -> bool:
        """Whether nothing has ended the call yet."""
        return self._outcome == "running"

    def line(self) -> BillLine:
        """The bill as it stands."""
        consumed, produced = self._input, self._produced
        if self._billed == "free" or (
            self._billed == "nothing" and self._outcome not in ("running", "completed")
        ):
            consumed, produced = Input(), Output()
        elif self._billed == "in_full":
            produced = self._whole
        amount = 0
        if self._prices is not None:
            amount = amount_microcents(
                self._prices, self._service_tier, consumed, produced, factor=self._factor
            )
        return BillLine(
            request_id=self.request_id,
            completion_id=self.completion_id,
            model=self._model,
            service_tier=self._service_tier,
            input=consumed,
            output=produced,
            amount_microcents=amount,
            outcome=self._outcome,
        )


class Records:
    """All of it, and a way to wait until it looks as a test needs it."""

    def __init__(self, *, keep_bodies: bool) -> None:
        self._keep_bodies = keep_bodies
        self._waiting: set[asyncio.Event] = set()
        self._gates: dict[str, asyncio.Event] = {}
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything but what is under way."""
        self.requests: list[RequestSeen] = []
        self.tabs: list[Tab] = []
        self.script: deque[Behaviour] = deque()
        self.arrived = 0
        self.max_in_flight = self.in_flight
        for gate in self._gates.values():
            gate.clear()

    def gate(self, name: str) -> asyncio.Event:
        """The gate of that name, closed when first named."""
        return self._gates.setdefault(name, asyncio.Event())

    def saw(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> int:
        """Keep a request; its number, from 1."""
        seen = RequestSeen(
            number=len(self.requests) + 1,
            method=method,
            path=path,
            headers=headers,
            body_bytes=len(body),
            body_sha256=sha256(body).hexdigest(),
            body=body if self._keep_bodies else None,
        )
        self.requests.append(seen)
        return seen.number

    @contextmanager
    def call(self, tab: Tab) -> Iterator[None]:
        """A call under way: on the bill from its first moment, and never left open."""
        self.tabs.append(tab)
        self.arrived += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        self.changed()
        try:
            yield
        finally:
            # Whatever ended the call without saying so was the client or the end of the test.
            if tab.is_running:
                tab.close("aborted")
            self.in_flight -= 1
            self.changed()

    def bill(self) -> Mapping[str, object]:
        """The bill as GET /simulator/bill shows it."""
        lines = [tab.line() for tab in self.tabs]
        return {"total_microcents": sum(line.amount_microcents for line in lines), "lines": lines}

    def changed(self) -> None:
        """Let those who wait look again."""
        for event in self._waiting:
            event.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is looked at again whenever something changed."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            while not condition():
                event.clear()
                await event.wait()
        finally:
            self._waiting.discard(event)
