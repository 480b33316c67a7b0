"""A ledger for each test: a file, and a store that many share. Vocabularies are read once."""

import pytest

from pricing.tokens import Tokenizers
from tests.cli.books.conftest import config_file, server, valkey

__all__ = ["config_file", "server", "valkey"]


@pytest.fixture(scope="package")
def loaded() -> Tokenizers:
    tokenizers = Tokenizers()
    tokenizers.load()
    return tokenizers


@pytest.fixture(autouse=True)
def _load_once(loaded: Tokenizers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.cli.estimate.forecast.Tokenizers", lambda: loaded)
