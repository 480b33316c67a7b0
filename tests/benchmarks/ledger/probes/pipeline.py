"""Sends prepared requests over one plain socket, as many at a time as there are callers.

What a benchmark tool of the store does with the same scripts: no event loop, no futures, no
answers made of the replies.
"""

import socket
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import hiredis

from tests.benchmarks.instruments.processes import CannotMeasure
from tests.benchmarks.ledger.callers import Stint
from tests.benchmarks.ledger.pair import key_of
from tests.benchmarks.ledger.probes.requests import Requests, check, command_of

_READ_BYTES = 2**18
_PATIENCE_S = 20.0


class _Sent(NamedTuple):
    """A request that waits for its reply. `key` of a reserve, None of a commit."""

    reservation_id: str
    key: str | None
    at_ns: int


class Pipeline:
    """One connection. Every id has the length of the recorded one."""

    def __init__(
        self,
        host: str,
        port: int,
        requests: Requests,
        *,
        new_id: Callable[[], str],
        numbers: Iterator[int],
    ) -> None:
        self._socket = socket.create_connection((host, port), timeout=_PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = hiredis.Reader()
        self._reserve = command_of(requests, requests.reserve)
        self._commit = command_of(requests, requests.commit)
        self._new_id = new_id
        self._numbers = numbers

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def run(self, *, callers: int, duration_s: float) -> Stint:
        """Keep so many pairs under way, for so long.

        Raises:
            CannotMeasure: a script refused, or the store has gone.
        """
        stint = Stint(duration_s)
        sent: deque[_Sent] = deque()
        self._send([self._begin(sent) for _ in range(callers)])
        while sent:
            following = []
            for reply in self._replies():
                check(reply)
                stint.operations += 1
                answered = sent.popleft()
                if answered.key is not None:
                    stint.latencies_ns.append(time.perf_counter_ns() - answered.at_ns)
                    following.append(self._end(answered, sent))
                elif not stint.is_over:
                    following.append(self._begin(sent))
            self._send(following)
        return stint

    def _begin(self, sent: deque[_Sent]) -> bytes:
        reservation_id, key = self._new_id(), key_of(next(self._numbers))
        sent.append(_Sent(reservation_id, key, time.perf_counter_ns()))
        return self._reserve.of(reservation_id, key)

    def _end(self, begun: _Sent, sent: deque[_Sent]) -> bytes:
        sent.append(_Sent(begun.reservation_id, None, 0))
        assert begun.key is not None, "it was a reserve"
        return self._commit.of(begun.reservation_id, begun.key)

    def _send(self, requests: list[bytes]) -> None:
        if requests:
            self._socket.sendall(b"".join(requests))

    def _replies(self) -> Iterator[object]:
        data = self._socket.recv(_READ_BYTES)
        if not data:
            raise CannotMeasure("the store has hung up")
        self._reader.feed(data)
        while (reply := self._reader.gets()) is not False:
            yield reply
