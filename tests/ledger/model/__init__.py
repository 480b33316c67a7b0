"""A ledger in dictionaries, to compare homes with."""

from tests.ledger.model.holds import Model

__all__ = ["Model"]
