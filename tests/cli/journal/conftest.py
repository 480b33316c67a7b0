"""A ledger for each test."""

from pathlib import Path

import pytest

from tests.cli.books.ledgers import CENT, hold, make_ledger, on_ledger

FAR_MS = 10**15


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """Two budgets and two calls: six entries, three to a seal."""
    file = make_ledger(tmp_path)
    for key, uncertain in (("1", False), ("2", True)):
        hold(file, CENT, key=key, uncertain=uncertain)
        on_ledger(file, lambda ledger: ledger.seal(before_ms=FAR_MS, limit=9))
    return file
