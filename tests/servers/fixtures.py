"""Servers as fixtures. Each is started once a session and ends with it, whatever happens.

A test that stops its server, or changes what others rely on, starts one of its own.
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.servers.binaries import FINDERS, require
from tests.servers.certificates import Certificates, make_certificates
from tests.servers.cluster import RunningCluster, running_cluster
from tests.servers.process import Server, running
from tests.servers.relay import Relay, relay_to

__all__ = ["any_server", "binary", "certificates", "cluster", "relay", "server", "valkey"]


@pytest.fixture(scope="session", params=FINDERS)
def binary(request: pytest.FixtureRequest) -> Path:
    """Each kind of server in turn."""
    name: str = request.param
    return require(name)


@pytest.fixture(scope="session")
def any_server(binary: Path) -> Iterator[Server]:
    """A server of each kind in turn."""
    with running(binary) as server:
        yield server


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey, for what does not hang on the kind of server."""
    with running(require("valkey")) as server:
        yield server


@pytest.fixture
def server(valkey: Server) -> Server:
    """The Valkey, empty."""
    valkey.command("FLUSHALL")
    valkey.command("SCRIPT", "FLUSH")
    return valkey


@pytest.fixture(scope="session")
def cluster(binary: Path) -> Iterator[RunningCluster]:
    """A cluster of each kind of server in turn."""
    with running_cluster(binary) as cluster:
        yield cluster


@pytest.fixture
async def relay(server: Server) -> AsyncIterator[Relay]:
    """A relay to the Valkey."""
    async with relay_to(server.socket_path) as relay:
        yield relay


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA for this session, and what it says about localhost."""
    return make_certificates(tmp_path_factory.mktemp("certificates"))
