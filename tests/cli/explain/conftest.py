"""A ledger for each test: a file, and a store that many share. Vocabularies are read once."""

from tests.cli.books.conftest import config_file, server, valkey
from tests.cli.estimates import load_once, loaded

__all__ = ["config_file", "load_once", "loaded", "server", "valkey"]
