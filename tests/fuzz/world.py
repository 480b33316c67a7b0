"""Lives a life: a whole server on a network in memory, one exchange after the other."""

import asyncio
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from proxy.config.load import parse
from proxy.ledger.sqlite.operations.verify import verify
from proxy.observe.logs import Field
from proxy.serving import Server
from tests.e2e.stack import loaded_tokenizers
from tests.fuzz.corpus import FREE_ENDINGS, PROMPT, SECRET
from tests.fuzz.draw import Exchange, Life, written_answer, written_call
from tests.fuzz.message import Message
from tests.fuzz.network import NetworkLoop, Wire
from tests.simulation.judge.books import Books, Figures, Row, read_books
from tests.simulation.rig.disk import Disk
from tests.simulation.rig.virtual import VirtualTime

QUIET_S: Final = 1.0
"""Longer than every timeout of the configuration: who says nothing for so long is done."""

LONGEST_S: Final = 60.0
LAST_WORDS_S: Final = 3.0
SLOW_S: Final = 0.1
LOOK_AGAIN_S: Final = 0.25
MODEL_FIELDS: Final = ("model", "served_model")
"""What a caller or an upstream may write anything into, and what is logged."""


class ListLog:
    """Keeps every line but for the names of models, and where an internal error came from."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.internal_errors: list[str] = []

    def line(self, event: str, **fields: Field) -> None:
        told = {name: value for name, value in fields.items() if name not in MODEL_FIELDS}
        self.lines.append(f"{event} {told}")
        if event == "internal_error":
            self.internal_errors.append(traceback.format_exc())


class Complaints(logging.Handler):
    """What libraries log: of what nobody caught, they do."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@contextmanager
def listening() -> Iterator[Complaints]:
    """To all that is logged meanwhile."""
    complaints, root = Complaints(), logging.getLogger()
    root.addHandler(complaints)
    try:
        yield complaints
    finally:
        root.removeHandler(complaints)


class World:
    """One life. `broken` are the rules that were broken, in words."""

    def __init__(self, life: Life, directory: Path) -> None:
        self.life = life
        self.broken: list[str] = []
        self.books: Books
        self.heard: list[bytes] = []
        """What each caller heard."""
        self.sent_upstream: list[list[str]] = []
        """The first lines of what left, by exchange."""
        self._time = VirtualTime()
        self._disk = Disk(directory, self._time)
        self._log = ListLog()
        self._loop = NetworkLoop(self._time, self._upstream_hears)
        self._answer: Message
        self._requests: dict[Wire, bytes] = {}
        self._upstream_wires: list[Wire] = []
        self._scripts: set[asyncio.Task[None]] = set()
        self._last_heard_s = 0.0
        self._paused_at: int | None = None

    def live(self) -> None:
        """From the start of the server to its end."""
        with listening() as complaints:
            try:
                self._loop.run_until_complete(self._live())
            finally:
                self._loop.dispose()
        errors = [*self._log.internal_errors, *complaints.lines, *self._loop.complaints]
        self.broken += [f"nobody caught {error}" for error in errors]
        # The library hears of a call that broke off by an error of this kind, and takes it so.
        failures = [e for e in self._loop.failures() if not isinstance(e, ConnectionError)]
        self.broken += [f"a task failed: {error!r}" for error in failures]

    async def _live(self) -> None:
        path = self._disk.path
        ledger = {"url": f"sqlite:///{path}", "journal_dir": str(self._disk.outbox)}
        listen = dict.fromkeys(("proxy", "authority", "admin"), "127.0.0.1:0")
        text = yaml.safe_dump({"ledger": ledger, "listen": listen, **self.life.config})
        config = parse(text, file="fuzz", env={})
        server = Server(config, self._time, self._log, tokenizers=loaded_tokenizers())
        await server.start()
        await asyncio.sleep(LOOK_AGAIN_S)
        for exchange in self.life.exchanges:
            await self._exchange(exchange)
        with self._disk.reading() as connection:
            self.books = read_books(connection)
            self.broken += map(str, verify(connection).differences)
        self.broken += replay(self.books)
        self._look_for_secrets()
        await server.stop()

    async def _exchange(self, exchange: Exchange) -> None:
        before = asyncio.all_tasks()
        with self._disk.reading() as connection:
            rows = {row.reservation_id for row in read_books(connection).rows}
        self._answer = written_answer(exchange)
        self.sent_upstream.append([])
        self.heard.append(b"")
        self._paused_at = exchange.listens_after_bytes
        call = written_call(exchange)
        wire = self._loop.accept(self._caller_hears)
        self._start(self._send(wire, call))
        if exchange.leaves_ms is not None:
            self._loop.call_later(exchange.leaves_ms / 1000, wire.reset)
        await self._until_quiet(exchange)
        wire.reset()
        for task in self._scripts:
            task.cancel()
        for each in self._upstream_wires:
            each.reset()
        self._upstream_wires.clear()
        self._requests.clear()
        await self._until_over(exchange, before)
        with self._disk.reading() as connection:
            new = [row for row in read_books(connection).rows if row.reservation_id not in rows]
        answer = self._answer
        self.broken += [
            f"{each} [{exchange}]"
            for each in judge_exchange(
                exchange, call, answer, new, self.sent_upstream[-1], self.heard[-1]
            )
        ]

    async def _until_quiet(self, exchange: Exchange) -> None:
        self._hears()
        deadline_s = self._time.elapsed_s + LONGEST_S
        while self._time.elapsed_s < self._last_heard_s + QUIET_S:
            if self._time.elapsed_s > deadline_s:
                self.broken.append(f"there is no end to it [{exchange}]")
                return
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _until_over(self, exchange: Exchange, before: set[asyncio.Task[Any]]) -> None:
        """Until all that the exchange began has ended."""
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        if left:
            _, left = await asyncio.wait(left, timeout=LAST_WORDS_S)
        self.broken += [f"{task.get_name()} never ends: {task} [{exchange}]" for task in left]
        self._scripts.clear()

    def _start(self, work: Any) -> None:
        self._scripts.add(self._loop.create_task(work))

    def _hears(self) -> None:
        self._last_heard_s = self._time.elapsed_s

    async def _send(self, wire: Wire, message: Message) -> None:
        for piece in message.pieces():
            if not await wire.deliver(piece):
                return
            self._hears()
            if message.pause_ms:
                await asyncio.sleep(message.pause_ms / 1000)
        if message.end == "shut":
            await wire.shut()
        elif message.end == "reset":
            wire.reset()

    def _caller_hears(self, wire: Wire, data: bytes) -> None:
        self._hears()
        self.heard[-1] += data
        if self._paused_at is not None and len(self.heard[-1]) > self._paused_at:
            self._paused_at = None
            wire.stop_listening()
            self._loop.call_later(SLOW_S, wire.listen_again)

    def _upstream_hears(self, wire: Wire, data: bytes) -> None:
        """The proxy's requests say how long they are: the next begins where one ends."""
        self._hears()
        if wire not in self._requests:
            self._requests[wire] = b""
            self._upstream_wires.append(wire)
        self._requests[wire] += data
        head, gap, body = self._requests[wire].partition(b"\r\n\r\n")
        if not gap:
            return
        fields = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        lengths = [int(v) for n, _, v in fields if n.lower() == b"content-length"]
        codings = [v.strip() for n, _, v in fields if n.lower() == b"transfer-encoding"]
        if len(lengths) + len(codings) > 1 or any(each != b"chunked" for each in codings):
            self.broken.append(f"what left may be taken for two requests: {head!r}")
        size = size_in_chunks(body) if codings else sum(lengths)
        if size is not None and len(body) >= size:
            self._requests[wire] = body[size:]
            self.sent_upstream[-1].append(head.partition(b"\r\n")[0].decode("latin-1"))
            self._start(self._send(wire, self._answer))

    def _look_for_secrets(self) -> None:
        lines = "\n".join(self._log.lines)
        if PROMPT in lines or SECRET in lines:
            self.broken.append("a prompt or a credential is in the log")
        if any(SECRET.encode() in heard for heard in self.heard):
            self.broken.append("the credential went to a caller")


def judge_exchange(
    exchange: Exchange,
    call: Message,
    answer: Message,
    rows: list[Row],
    sent: list[str],
    heard: bytes,
) -> Iterator[str]:
    """The rules that each exchange must keep, in words."""
    if heard and not heard.startswith(b"HTTP/1."):
        yield f"the caller hears {heard[:40]!r}"
    metered = [line for line in sent if is_metered(line)]
    dispatched = [row for row in rows if row.dispatched]
    if len(metered) > len(dispatched):
        yield f"{len(metered)} calls left with {len(dispatched)} holds"
    for row in rows:
        if row.state == "ACTIVE":
            yield f"a hold that nobody ends: {row}"
        if row.state == "UNCERTAIN" and not row.dispatched:
            yield f"uncertain, and never sent: {row}"
        if row.state == "COMMITTED" and not row.dispatched:
            yield f"charged, and never sent: {row}"
        if min((row.charged or {"": 0}).values()) < 0:
            yield f"charged less than nothing: {row}"
        if row.state == "RELEASED" and len(metered) == len(dispatched) and is_good(answer):
            yield f"given back after a good answer: {row}"
    if not exchange.changes() and exchange.leaves_ms is None:
        states = [(row.state, row.estimated) for row in rows]
        charged = [("COMMITTED", int(bool(exchange.pair.sound)))]
        if not heard.startswith(b"HTTP/1.1 200 ") or states not in ([], charged):
            yield f"what is as documented went wrong: {states} {heard[:300]!r}"


def size_in_chunks(body: bytes) -> int | None:
    """How many bytes the chunks of a body take, with the last one; None while it is missing."""
    place = 0
    while (line_end := body.find(b"\r\n", place)) >= 0:
        size = int(body[place:line_end], 16)
        place = line_end + 2 + size + 2
        if not size:
            return place
    return None


def is_metered(first_line: str) -> bool:
    """Whether what left can cost something."""
    method, target, _ = first_line.split(" ", 2)
    return method == "POST" and not target.partition("?")[0].endswith(FREE_ENDINGS)


def is_good(answer: Message) -> bool:
    """Whether it begins as one that is billed, and says nothing of an error."""
    is_bad = any(word in answer.body for word in (b"error", b"fail", b"overloaded"))
    return answer.wire.startswith(b"HTTP/1.1 200 OK\r\n") and not is_bad and not answer.coding


def replay(books: Books) -> Iterator[str]:
    """The journal from its beginning: nothing is ever below zero, and it adds up."""
    standing: dict[int, Figures] = {}
    for entry in books.entries:
        for number, change in entry.postings:
            after = standing[number] = standing.get(number, Figures()).plus(change)
            if min(after.remaining, after.reserved, after.spent, after.uncertain) < 0:
                yield f"after entry {entry.seq}, {entry.kind}, there is {after}"
    if standing != books.standing:
        yield f"the journal adds up to {standing}, the windows say {books.standing}"
