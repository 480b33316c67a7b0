"""Any sequence of operations, crashes and clock moves: home and model agree throughout.

A life that breaks prints its seed and the fewest steps that break it.
"""

import pytest

from tests.ledger.harness import HOMES
from tests.ledger.machine.life import live


def check(backend: str, seeds: range) -> None:
    for seed in seeds:
        broken = live(backend, seed)
        assert broken is None, str(broken)


@pytest.mark.parametrize("backend", HOMES)
def test_a_home_does_what_the_model_does(backend: str) -> None:
    check(backend, range(20))


@pytest.mark.parametrize("backend", ["sqlite", "valkey"])
@pytest.mark.parametrize("first", range(20, 80, 20))
def test_a_home_does_what_the_model_does_for_many_lives(backend: str, first: int) -> None:
    check(backend, range(first, first + 20))


@pytest.mark.soak
@pytest.mark.parametrize("backend", HOMES)
@pytest.mark.parametrize("first", range(0, 5_000, 100))
def test_a_home_does_what_the_model_does_for_very_many_lives(backend: str, first: int) -> None:
    check(backend, range(first, first + 100))
