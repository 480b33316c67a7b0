"""Sockets to upstreams that another library, or nobody in particular, answers."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from multidict import CIMultiDict
from websockets.asyncio.server import ServerConnection, serve

from proxy.gateway.forward import NotSent
from proxy.gateway.upstream.tls import client_context
from proxy.gateway.websocket.client import ClientSocket, WebSocketClient
from proxy.gateway.websocket.line import Handshake, HandshakeRefused
from tests.gateway.upstream.certificates import Authority
from tests.gateway.upstream.proxies import proxying

HEADERS = CIMultiDict({"Authorization": "Bearer sk-1", "openai-beta": "x", "Session_id": "é"})
HANDSHAKE = Handshake("/responses?a=b", HEADERS)


@asynccontextmanager
async def echoing(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that says again what it hears, and the request lines it was opened with."""
    requests: list[str] = []

    async def handle(connection: ServerConnection) -> None:
        assert connection.request is not None
        headers = connection.request.headers
        requests.append(f"{connection.request.path} {headers['authorization']}")
        requests.extend(sorted(name.lower() for name in headers))
        async for message in connection:
            if message == "bytes":
                await connection.send(b"bytes")
            elif message == "close":
                await connection.close(4001)
            else:
                await connection.send(message)

    async with serve(handle, "127.0.0.1", 0, ssl=tls) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}/v1", requests


@asynccontextmanager
async def answering(data: bytes) -> AsyncIterator[str]:
    """A server that answers a request so, and waits for its end."""
    is_over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(data)
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            is_over.set()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server, asyncio.timeout(10):
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/"
        await is_over.wait()


@asynccontextmanager
async def opened(url: str, **more: object) -> AsyncIterator[ClientSocket]:
    client = WebSocketClient(url, 2_000, **more)  # type: ignore[arg-type]
    socket = await client.open(HANDSHAKE)
    try:
        yield socket
    finally:
        await socket.close()


async def test_frames_go_there_and_back() -> None:
    async with echoing() as (url, requests), opened(url) as socket:
        for frame in (b"{}", "é".encode() * 40_000, b"x"):
            await socket.send(frame)
            assert await socket.receive() == frame
    assert requests[0] == "/v1/responses?a=b Bearer sk-1"


async def test_nothing_is_said_that_the_caller_did_not_say() -> None:
    async with echoing() as (url, requests), opened(url):
        await asyncio.sleep(0)
    of_sockets = {name for name in requests if name.startswith("sec-websocket-")}
    assert of_sockets == {
        "sec-websocket-extensions",
        "sec-websocket-key",
        "sec-websocket-version",
    }
    assert set(requests[1:]) - of_sockets == {
        *("authorization", "openai-beta", "session_id"),
        *("host", "connection", "upgrade"),
    }


@pytest.mark.parametrize(("said", "code"), [(b"close", 4001), (b"bytes", None)])
async def test_a_socket_ends_when_it_is_closed_or_says_what_is_no_event(
    said: bytes, code: int | None
) -> None:
    async with echoing() as (url, _), opened(url) as socket:
        await socket.send(said)
        assert await socket.receive() is None
        assert socket.close_code == code


async def test_who_closes_hears_nothing_and_says_nothing() -> None:
    async with echoing() as (url, _), opened(url) as socket:
        waiting = asyncio.get_running_loop().create_task(socket.receive())
        await asyncio.sleep(0)
        await socket.close()
        async with asyncio.timeout(5):
            assert await waiting is None
        with pytest.raises(ConnectionError):
            await socket.send(b"{}")


async def test_an_answer_that_is_no_socket_is_handed_on() -> None:
    data = b"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 4\r\n\r\nslow"
    async with answering(data) as url:
        with pytest.raises(HandshakeRefused) as refused:
            await WebSocketClient(url, 2_000).open(HANDSHAKE)
    assert (refused.value.status, refused.value.body) == (429, b"slow")
    assert refused.value.headers["retry-after"] == "2"


async def test_a_redirect_leads_nowhere() -> None:
    async with echoing() as (elsewhere, requests):
        data = f"HTTP/1.1 307 Go\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
        async with answering(data.encode()) as url:
            with pytest.raises(HandshakeRefused) as refused:
                await WebSocketClient(url, 2_000).open(HANDSHAKE)
    assert refused.value.status == 307
    assert requests == []


async def test_of_a_long_refusal_the_beginning_is_enough() -> None:
    data = b"HTTP/1.1 500 Oh\r\nContent-Length: 9000000\r\n\r\n" + b"x" * 200_000
    async with answering(data) as url:
        with pytest.raises(HandshakeRefused) as refused:
            await WebSocketClient(url, 2_000).open(HANDSHAKE)
    assert 0 < len(refused.value.body) <= 65_536


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 101 Sure\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 Sure\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"not http\r\n\r\n",
    ],
)
async def test_what_only_looks_like_a_socket_is_none(data: bytes) -> None:
    async with answering(data) as url:
        with pytest.raises(NotSent, match=r"^no socket could be opened$"):
            await WebSocketClient(url, 2_000).open(HANDSHAKE)


async def test_who_does_not_answer_is_not_waited_for() -> None:
    async with answering(b"") as url:
        with pytest.raises(NotSent, match=r"^connecting took too long$"):
            await WebSocketClient(url, 50).open(HANDSHAKE)


async def test_who_is_not_there_was_sent_nothing() -> None:
    with pytest.raises(NotSent, match=r"^Connection refused$"):
        await WebSocketClient("http://127.0.0.1:9/v1", 2_000).open(HANDSHAKE)


async def test_an_authority_of_its_own_is_trusted_and_no_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    server = authority.server(authority.issue("server"))
    trusting = client_context(str(authority.file))
    async with echoing(server) as (url, _):
        async with opened(url, tls=trusting) as socket:
            await socket.send(b"{}")
            assert await socket.receive() == b"{}"
        with pytest.raises(NotSent, match=r"^TLS failed$"):
            await WebSocketClient(url, 2_000, tls=client_context()).open(HANDSHAKE)


async def test_through_a_proxy_goes_a_tunnel_that_the_proxy_cannot_look_into(
    tmp_path: Path,
) -> None:
    authority = Authority(tmp_path)
    server = authority.server(authority.issue("server"))
    trusting = client_context(str(authority.file))
    async with echoing(server) as (url, _), proxying(authorization="Basic bWU6c2VjcmV0IQ==") as by:
        proxy_url = by.url.replace("//", "//me:secret%21@")
        async with opened(url, proxy_url=proxy_url, tls=trusting) as socket:
            await socket.send(b"{}")
            assert await socket.receive() == b"{}"
        with pytest.raises(NotSent, match=r"^the HTTP proxy answered 407$"):
            await WebSocketClient(url, 2_000, by.url, trusting).open(HANDSHAKE)
    assert by.heads[0].startswith("CONNECT 127.0.0.1:")
    assert not any(b"sk-1" in data for data in by.carried)


def test_clients_of_one_configuration_are_equal_and_show_no_credential() -> None:
    one = WebSocketClient("http://a/v1", 1, "http://me:secret@b", client_context())
    assert one == WebSocketClient("http://a/v1", 1, "http://me:secret@b", client_context())
    assert one != WebSocketClient("http://c/v1", 1, "http://me:secret@b")
    assert "secret" not in repr(one)
