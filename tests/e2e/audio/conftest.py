"""One proxy for all rows of a module, as at the other endpoints."""

from tests.e2e.endpoints.conftest import stack

__all__ = ["stack"]
