"""Ways to an upstream: authorities of its own, mutual TLS, sessions, HTTP proxies."""

import ssl
from pathlib import Path

import pytest

from proxy.gateway.forward import BrokenOff, NotSent
from proxy.gateway.upstream.dial import http_proxy
from proxy.gateway.upstream.pool import HttpUpstream, UpstreamTimeouts
from proxy.gateway.upstream.tls import client_context
from tests.gateway.upstream.certificates import Authority
from tests.gateway.upstream.proxies import ESTABLISHED, HANG, proxying
from tests.gateway.upstream.wire import CLOSE, ask, playing, whole

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CLOSING = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
BASIC = "Basic bWU6c2VjcmV0IQ=="
"""me:secret!"""


def behind(proxy_url: str, *, connect_ms: int = 2_000) -> HttpUpstream:
    """An upstream that is nowhere, but for a tunnel."""
    return HttpUpstream(
        "https://127.0.0.1:1/v1",
        timeouts=UpstreamTimeouts(connect_ms=connect_ms, response_ms=5_000, idle_ms=5_000),
        max_connections=1,
        proxy=http_proxy(proxy_url),
    )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


async def test_an_authority_of_its_own_is_trusted_in_place_of_the_systems(
    authority: Authority, tmp_path: Path
) -> None:
    server = authority.server(authority.issue("server"))
    trusting = client_context(str(authority.file))
    other = client_context(str(Authority(tmp_path, "other").file))
    async with playing([OK], server_tls=server, client_tls=trusting) as (upstream, _):
        assert await whole(await ask(upstream)) == b"hello"
    for context in (other, client_context()):
        async with playing([OK], server_tls=server, client_tls=context) as (upstream, _):
            with pytest.raises(NotSent, match=r"^TLS failed \(CERTIFICATE_VERIFY_FAILED\)$"):
                await upstream.connect()


async def test_mutual_tls_shows_who_we_are(authority: Authority) -> None:
    own = authority.issue("client")
    server = authority.server(authority.issue("server"), asks_for_client=True)
    knowing = client_context(str(authority.file), str(own.certificate), str(own.key))
    async with playing([OK], server_tls=server, client_tls=knowing) as (upstream, player):
        assert await whole(await ask(upstream)) == b"hello"
        assert player.connections == 1


async def test_certificate_and_key_may_stand_in_one_file(
    authority: Authority, tmp_path: Path
) -> None:
    own = authority.issue("client")
    both = tmp_path / "both.pem"
    both.write_bytes(own.key.read_bytes() + own.certificate.read_bytes())

    assert isinstance(client_context(None, str(both)), ssl.SSLContext)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_second_connection_takes_up_the_session_of_the_first(
    authority: Authority, version: ssl.TLSVersion
) -> None:
    server = authority.server(authority.issue("server"))
    server.minimum_version = server.maximum_version = version
    context = client_context(str(authority.file))
    async with playing([CLOSING], [OK], [OK], server_tls=server, client_tls=context) as (
        upstream,
        player,
    ):
        for _ in range(2):
            assert await whole(await ask(upstream)) == b"hello"
        assert await whole(await ask(upstream)) == b"hello"
        assert player.connections == 2
    statistics = server.session_stats()
    assert (statistics["accept"], statistics["hits"]) == (2, 1)


async def test_a_session_that_the_server_does_not_know_is_no_failure(
    authority: Authority,
) -> None:
    party = authority.issue("server")
    context = client_context(str(authority.file))
    for _ in range(2):  # each server has tickets of its own
        server = authority.server(party)
        async with playing([OK], server_tls=server, client_tls=context) as (upstream, _):
            assert await whole(await ask(upstream)) == b"hello"
        assert server.session_stats()["hits"] == 0


async def test_a_connection_that_ended_in_the_middle_is_no_failure(authority: Authority) -> None:
    server = authority.server(authority.issue("server"))
    context = client_context(str(authority.file))
    async with playing(
        [OK[:-2], HANG], [OK[:-2], CLOSE], server_tls=server, client_tls=context
    ) as (upstream, player):
        (await ask(upstream)).abort()
        await player.all_closed.wait()
        with pytest.raises(BrokenOff):
            await whole(await ask(upstream))


@pytest.mark.parametrize("credentials", ["", "me:secret!@"])
async def test_a_tunnel_leads_through_a_proxy(authority: Authority, credentials: str) -> None:
    server = authority.server(authority.issue("server"))
    context = client_context(str(authority.file))
    async with proxying(authorization=BASIC if credentials else None) as between:
        proxy = http_proxy(f"http://{credentials}127.0.0.1:{between.port}")
        async with playing([OK], [OK], server_tls=server, client_tls=context, proxy=proxy) as (
            upstream,
            player,
        ):
            for _ in range(2):
                assert await whole(await ask(upstream)) == b"hello"

    (head,) = between.heads
    assert head.startswith("CONNECT 127.0.0.1:")
    assert ("Proxy-Authorization" in head) == bool(credentials)
    first = player.requests[0]
    assert first.startswith(b"POST /base/v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"roxy" not in first
    assert b"hello" not in b"".join(between.carried)


async def test_a_plain_upstream_is_asked_through_the_proxy_with_its_whole_address() -> None:
    async with proxying(authorization=BASIC) as between:
        proxy = http_proxy(f"http://me:secret!@127.0.0.1:{between.port}/")
        async with playing([OK], proxy=proxy) as (upstream, player):
            assert await whole(await ask(upstream)) == b"hello"

    (head,) = between.heads
    assert head.startswith("POST http://127.0.0.1:")
    assert f"\r\nProxy-Authorization: {BASIC}\r\n" in head
    assert player.requests[0].startswith(b"POST /base/v1/chat/completions HTTP/1.1\r\nHost: 127.")
    assert b"roxy" not in player.requests[0]


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 403 No\r\n\r\n", "the HTTP proxy answered 403"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", "the HTTP proxy answered 302"),
        (b"SSH-2.0-x\r\n\r\n", "the HTTP proxy does not answer as one"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "the HTTP proxy does not answer as one"),
        (b"HTTP/1.1 abc OK\r\n\r\n", "the HTTP proxy does not answer as one"),
        (b"HTTP/2 200\r\n\r\n", "the HTTP proxy does not answer as one"),
        (ESTABLISHED + b"and more", "the HTTP proxy does not answer as one"),
        (b"HTTP/1.1 200 " + b"x" * 20_000, "the HTTP proxy does not answer as one"),
        (b"HTTP/1.1 200 O", "the HTTP proxy closed the connection"),
    ],
)
async def test_a_proxy_that_opens_no_tunnel_is_no_way(answer: bytes, why: str) -> None:
    async with proxying(answer) as between:
        upstream = behind(between.url)
        for _ in range(2):  # what did not come about takes no room
            with pytest.raises(NotSent) as failure:
                await upstream.connect()
            assert str(failure.value) == why


async def test_a_proxy_that_wants_to_know_us_says_so_without_our_secret() -> None:
    async with proxying(authorization=BASIC) as between:
        proxy = http_proxy(f"http://me:wr%6Fng-secret@127.0.0.1:{between.port}")
        assert "secret" not in repr(proxy)
        with pytest.raises(NotSent, match=r"^the HTTP proxy answered 407$"):
            await behind(f"http://me:wr%6Fng-secret@127.0.0.1:{between.port}").connect()


async def test_what_is_not_tls_behind_a_tunnel_is_no_way() -> None:
    async with proxying(inside=OK) as between:
        with pytest.raises(NotSent, match=r"^TLS failed \(WRONG_VERSION_NUMBER\)$"):
            await behind(between.url).connect()


async def test_a_proxy_that_falls_silent_is_waited_for_no_longer_than_for_a_connection() -> None:
    async with proxying(HANG) as between:
        with pytest.raises(NotSent, match="connecting took too long"):
            await behind(between.url, connect_ms=1).connect()


async def test_a_proxy_that_is_not_there_is_no_way() -> None:
    with pytest.raises(NotSent, match="Connection refused"):
        await behind("http://127.0.0.1:1").connect()
