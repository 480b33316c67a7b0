"""The forwarders of one frame: as over HTTP, but over the sockets of its caller."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from proxy.domain.errors import Reason, Refused
from proxy.gateway.forward import Forwarder
from proxy.gateway.identify import Caller
from proxy.gateway.websocket.door import FrameDoor
from proxy.gateway.websocket.line import (
    Entry,
    FrameUpstream,
    Handshake,
    LineTimeouts,
    SocketClient,
)
from proxy.gateway.websocket.session import Lines


@dataclass(frozen=True, slots=True)
class SocketRoute:
    """An upstream that takes WebSockets."""

    forwarder: Forwarder
    client: SocketClient
    timeouts: LineTimeouts


class SocketForwarders(Mapping[str, Forwarder]):
    """By the name of the upstream. One that takes no WebSockets refuses the call."""

    def __init__(
        self, routes: Mapping[str, SocketRoute], lines: Lines, door: FrameDoor, caller: Caller
    ) -> None:
        self._routes = routes
        self._lines = lines
        self._door = door
        self._caller = caller

    def __getitem__(self, name: str) -> Forwarder:
        route = self._routes.get(name)
        if route is None:
            raise Refused(
                Reason.UPGRADE_REQUIRED,
                "The upstream of this model is called over HTTP alone "
                "(upstreams[].websockets): use HTTP.",
                param="model",
            )

        def handshake() -> Handshake:
            return Handshake(*route.forwarder.request_to(self._door, self._caller))

        entry = Entry(route.client, route.timeouts, handshake)
        return route.forwarder.over(FrameUpstream(self._lines.to(name), entry))

    def __contains__(self, name: object) -> bool:
        return name in self._routes

    def __iter__(self) -> Iterator[str]:
        return iter(self._routes)

    def __len__(self) -> int:
        return len(self._routes)
