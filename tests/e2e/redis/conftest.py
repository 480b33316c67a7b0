"""A real store for each test, empty, and the section of a configuration that names it."""

from pathlib import Path

import pytest

from tests.servers.fixtures import server, valkey
from tests.servers.process import Server

__all__ = ["server", "store_ledger", "valkey"]

Section = dict[str, object]


@pytest.fixture
def store_ledger(server: Server, tmp_path: Path) -> Section:
    """Where the proxies of a test keep their holds."""
    return ledger_at(server.url, tmp_path)


def ledger_at(url: str, folder: Path, **more: object) -> Section:
    """A ledger in this store, and settlements that wait in this folder."""
    return {"url": url, "journal_dir": str(folder / "spendgate.d"), **more}
