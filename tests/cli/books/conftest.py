"""A ledger for each test: a file, and a store that many share."""

from pathlib import Path

import pytest

from tests.cli.books.ledgers import make_ledger
from tests.servers.fixtures import server, valkey
from tests.servers.process import Server

__all__ = ["server", "valkey"]


@pytest.fixture(params=["file", "store"])
def config_file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Commands do the same in each."""
    if request.param == "file":
        return make_ledger(tmp_path)
    store: Server = request.getfixturevalue("server")
    return make_ledger(tmp_path, ledger_url=store.unix_url)
