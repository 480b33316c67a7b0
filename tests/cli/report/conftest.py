"""A ledger for each test: a file, and a store that many share."""

from tests.cli.books.conftest import config_file, server, valkey

__all__ = ["config_file", "server", "valkey"]
