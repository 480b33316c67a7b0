"""The sockets of a proxy: one server for each address."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from proxy.config.sections.network import LimitsConfig
from proxy.config.sections.values import Address
from proxy.gateway.respond import Answer
from proxy.gateway.runtime.server import MeteredServer, Reception

_BACKLOG: Final = 1_024


class Listeners:
    """Listeners by name, in the order in which they were opened."""

    def __init__(self, limits: LimitsConfig, *, last_words_ms: int) -> None:
        """`last_words_ms`: how long an answer that has begun may go on when they close."""
        self._limits = limits
        self._last_words_ms = last_words_ms
        self._runners: dict[str, web.ServerRunner] = {}
        self.addresses: dict[str, Address] = {}
        """Where they listen, with the port that was chosen."""

    async def open(
        self,
        name: str,
        address: Address,
        reception: Reception,
        refuse_unreadable: Callable[[], Answer],
    ) -> None:
        """Listen. Raises OSError: the address cannot be listened on."""
        server = MeteredServer(
            reception,
            refuse_unreadable,
            max_header_bytes=self._limits.max_header_bytes,
            max_headers=self._limits.max_headers,
        )
        runner = web.ServerRunner(server, shutdown_timeout=self._last_words_ms / 1000)
        await runner.setup()
        self._runners[name] = runner
        site = web.TCPSite(runner, address.host, address.port, backlog=_BACKLOG)
        await site.start()
        host, port = runner.addresses[0][:2]
        self.addresses[name] = Address(host, port)

    async def stop_taking(self, name: str) -> None:
        """Take no new connection there; those that are open go on."""
        for site in list(self._runners[name].sites):
            await site.stop()

    async def close(self) -> None:
        """Close everything."""
        for runner in self._runners.values():
            await runner.cleanup()
