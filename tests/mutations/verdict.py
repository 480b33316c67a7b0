"""What the tests of an edit have shown: who should have noticed it and did not, and who did
though it was none of theirs.

A test of the contract runs once for each backend. An edit of one home's file turns it red on
the backends of that home, and leaves it green on all others.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tests.mutations.mutation import CONTRACT, Mutation

HOME_OF: Final = {
    "model": "model",
    "sqlite": "sqlite",
    "sqlite-power": "sqlite",
    "valkey": "redis",
    "valkey-cluster": "redis",
    "redis": "redis",
    "redis-6.2": "redis",
}
"""The backends of `tests/ledger/harness.py`: all stores run the same scripts, and are one home."""

Results = Mapping[str, bool]
"""By the id of a test, whether it was green."""


def complaints(mutation: Mutation, results: Results) -> list[str]:
    """What is wrong with how this edit was noticed; nothing, when it was as it says."""
    found: list[str] = []
    for test in mutation.tests:
        own = {each: green for each, green in results.items() if _is_of(each, test)}
        if mutation.home is not None and test.startswith(CONTRACT):
            found += _by_home(test, mutation.home, own)
        elif all(own.values()):
            found.append(f"{test} is green")
    return found


def backend_of(test: str) -> str | None:
    """The backend that stands first among the parameters of a test, if one does."""
    parameters = test.partition("[")[2].rstrip("]")
    named = [name for name in HOME_OF if parameters == name or parameters.startswith(f"{name}-")]
    return max(named, key=len, default=None)


def _is_of(each: str, test: str) -> bool:
    return each == test or each.startswith(f"{test}[")


def _by_home(test: str, home: str, results: Results) -> Iterator[str]:
    """Red wherever this home is, green wherever it is not, and seen on both sides."""
    by_backend: dict[str, list[bool]] = {}
    for each, is_green in results.items():
        backend = backend_of(each)
        if backend is not None:
            by_backend.setdefault(backend, []).append(is_green)
    for backend, greens in by_backend.items():
        if HOME_OF[backend] == home and all(greens):
            yield f"{test} is green on {backend}"
        if HOME_OF[backend] != home and not all(greens):
            yield f"{test} is red on {backend}"
    yield from _unseen(test, home, by_backend)


def _unseen(test: str, home: str, backends: Iterable[str]) -> Iterator[str]:
    homes = {HOME_OF[backend] for backend in backends}
    if home not in homes:
        yield f"{test} was not run on {home}"
    if homes <= {home, "model"}:
        yield f"{test} was run on no home but {home}"
