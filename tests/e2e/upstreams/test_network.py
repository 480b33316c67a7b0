"""A whole proxy with an upstream behind TLS of its own, mutual, and behind an HTTP proxy."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from proxy.config.load import parse
from simulator.server import Simulator
from tests.e2e.stack import config_text, running
from tests.e2e.upstreams.calls import assert_paid, call
from tests.e2e.wire import CHAT
from tests.gateway.upstream.certificates import Authority
from tests.gateway.upstream.proxies import proxying


@asynccontextmanager
async def encrypted(simulator: Simulator, tls: ssl.SSLContext) -> AsyncIterator[str]:
    """The address of what decrypts for the simulator."""
    port = int(simulator.address.rpartition(":")[2])

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        copies = (_copy(reader, back), _copy(there, writer))
        await asyncio.gather(*copies, return_exceptions=True)

    server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    finally:
        server.close()
        await server.wait_closed()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65_536):
            sink.write(data)
            await sink.drain()
    finally:
        sink.close()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_call_goes_through_a_proxy_to_an_upstream_that_wants_to_know_us(
    tmp_path: Path, simulator: Simulator, stream: bool
) -> None:
    authority = Authority(tmp_path)
    own = authority.issue("own")
    tls = authority.server(authority.issue("server"), asks_for_client=True)
    async with encrypted(simulator, tls) as url, proxying() as between:
        upstream = {
            "name": "a",
            "base_url": url,
            "api_key": "none",
            "ca_file": str(authority.file),
            "client_cert_file": str(own.certificate),
            "client_key_file": str(own.key),
            "http_proxy": between.url,
        }
        async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
            answer = await call(stack, CHAT, model="gpt-4o", stream=stream)

            assert answer.status == 200
            assert answer.whole
            await stack.log.until("call")
            await assert_paid(stack)
        assert [head.split()[0] for head in between.heads] == ["CONNECT"]


async def test_an_upstream_whose_authority_is_not_trusted_is_not_reached(
    tmp_path: Path, simulator: Simulator
) -> None:
    authority = Authority(tmp_path)
    tls = authority.server(authority.issue("server"))
    async with encrypted(simulator, tls) as url:
        upstream = {"name": "a", "base_url": url, "api_key": "sk-of-ours"}
        async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
            answer = await call(stack, CHAT, model="gpt-4o")

            assert (answer.status, answer.error()["code"]) == (502, "upstream_unreachable")
            assert "CERTIFICATE_VERIFY_FAILED" in answer.error()["message"]
            assert simulator.requests_seen == []


async def test_a_proxy_that_lets_nobody_through_is_no_way(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And variables of the environment, which others read, are no way either."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with proxying(authorization="Basic c2VjcmV0") as between:
        secret = "pr0xy-mark"
        upstream = {
            "name": "a",
            "base_url": simulator.base_url,
            "api_key": "none",
            "http_proxy": between.url.replace("//", f"//me:{secret}@"),
        }
        direct = {"name": "b", "base_url": simulator.base_url, "api_key": "none"}
        async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
            answer = await call(stack, CHAT, model="gpt-4o")
            assert answer.status == 407
            assert secret.encode() not in answer.body
        (tmp_path / "direct").mkdir()
        async with running(tmp_path / "direct", simulator, upstreams=[direct]) as stack:
            assert (await call(stack, CHAT, model="gpt-4o")).status == 200


async def test_certificates_are_read_again_on_reload(tmp_path: Path, simulator: Simulator) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    trusted = tmp_path / "trusted.pem"
    trusted.write_bytes(old.file.read_bytes())
    async with encrypted(simulator, new.server(new.issue("server"))) as url:
        upstream = {"name": "a", "base_url": url, "api_key": "none", "ca_file": str(trusted)}
        changes = {"upstreams": [upstream]}
        async with running(tmp_path, simulator, upstreams=[upstream]) as stack:
            assert (await call(stack, CHAT, model="gpt-4o")).status == 502
            trusted.write_bytes(new.file.read_bytes())
            text = config_text(tmp_path, simulator.base_url, changes)
            await stack.server.reload(parse(text, file="test", env={}))

            assert (await call(stack, CHAT, model="gpt-4o")).status == 200
