"""One edit of one file, and the tests that notice it."""

from typing import Final, NamedTuple

CONTRACT: Final = "tests/ledger/contract"

_HOMES: Final = {"proxy/ledger/sqlite/": "sqlite", "proxy/ledger/redis/": "redis"}


class Mutation(NamedTuple):
    """Put `new` in the place of `old`, which stands once in `file`: each of `tests` fails."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    @property
    def home(self) -> str | None:
        """The home of the ledger whose file it is: tests of the contract fail there alone."""
        found = (home for path, home in _HOMES.items() if self.file.startswith(path))
        return next(found, None)
