"""A ledger for each test."""

from pathlib import Path

import pytest

from tests.cli.books.ledgers import make_ledger


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    return make_ledger(tmp_path)
