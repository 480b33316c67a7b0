"""One question to an authority and its answer, over connections that are kept alive.

Nothing is asked twice in here: whoever asks knows whether that is safe. Redirects are not
followed, since they would carry the key to wherever they point.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final, NamedTuple, Protocol

import aiohttp
from yarl import URL

from proxy.cycles_wire import headers as names
from proxy.domain.errors import LedgerUnavailable

TIMEOUT_MS: Final = 5_000
"""The most that one attempt takes: connect, write and read."""

_CONNECTIONS_MAX: Final = 128
_KEEP_ALIVE: Final = timedelta(seconds=60)
_ANSWER_BYTES_MAX: Final = 4 * 2**20
_PIECE_BYTES: Final = 65_536
_RETRY_AFTER_S_MAX: Final = 86_400


class Answer(NamedTuple):
    """What came back. `rtt_ms` is from before the request left until all of it was here."""

    status: int
    body: bytes
    rtt_ms: int
    retry_after_ms: int | None = None


class Authority(Protocol):
    """Whoever answers."""

    @property
    def slowest_ms(self) -> int:
        """The longest that an answer has taken."""
        ...

    @property
    def is_away(self) -> bool:
        """Whether the last question had no answer."""
        ...

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        query: Mapping[str, str] | None = None,
        key: str = "",
        trace_id: str = "",
    ) -> Answer:
        """Ask once.

        Raises:
            LedgerUnavailable: no whole answer; nobody knows whether it happened.
        """
        ...

    async def close(self) -> None:
        """Ask no more."""
        ...


class HttpAuthority:
    """An authority at a URL. Open it on the event loop that asks."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        monotonic_ns: Callable[[], int],
        timeout_ms: int = TIMEOUT_MS,
    ) -> None:
        self._base_url = base_url
        self._monotonic_ns = monotonic_ns
        self._timeout = timedelta(milliseconds=timeout_ms)
        self.slowest_ms = 0
        self.is_away = False
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=_CONNECTIONS_MAX, keepalive_timeout=_KEEP_ALIVE.total_seconds()
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={names.API_KEY: api_key, "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None),
        )

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes = b"",
        query: Mapping[str, str] | None = None,
        key: str = "",
        trace_id: str = "",
    ) -> Answer:
        sent = {"Content-Type": "application/json"} if body else {}
        if key:
            sent[names.IDEMPOTENCY_KEY] = key
        if trace_id:
            sent[names.TRACE_ID] = trace_id
        sent_ns = self._monotonic_ns()
        try:
            async with (
                asyncio.timeout(self._timeout.total_seconds()),
                self._session.request(
                    method,
                    URL(self._base_url + path, encoded=True),
                    data=body or None,
                    params=query,
                    headers=sent,
                    allow_redirects=False,
                ) as response,
            ):
                answered = await _read(response)
        except TimeoutError:
            self.is_away = True
            raise LedgerUnavailable("the budget authority does not answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            self.is_away = True
            why = type(error).__name__
            raise LedgerUnavailable(f"the budget authority cannot be reached: {why}") from None
        rtt_ms = -((sent_ns - self._monotonic_ns()) // 1_000_000)
        self.is_away = response.status >= 500
        self.slowest_ms = max(self.slowest_ms, rtt_ms)
        retry_after_ms = _retry_after_ms(response.headers.get(names.RETRY_AFTER))
        return Answer(response.status, answered, rtt_ms, retry_after_ms)

    async def close(self) -> None:
        await self._session.close()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body.

    Raises:
        LedgerUnavailable: it is larger than any answer of the protocol.
    """
    read = bytearray()
    while piece := await response.content.read(_PIECE_BYTES):
        read += piece
        if len(read) > _ANSWER_BYTES_MAX:
            raise LedgerUnavailable("what the budget authority answers has no end")
    return bytes(read)


def _retry_after_ms(value: str | None) -> int | None:
    """The protocol has seconds only. None where there is no number."""
    if value is None or not value.isascii() or not value.isdigit():
        return None
    return min(int(value[:9]), _RETRY_AFTER_S_MAX) * 1_000
