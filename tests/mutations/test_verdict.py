"""An edit is noticed by the tests it names, and an edit of one home on that home alone."""

import pytest

from tests.ledger.harness import BACKENDS
from tests.mutations.mutation import CONTRACT, Mutation
from tests.mutations.runner import read_results
from tests.mutations.verdict import HOME_OF, backend_of, complaints

PURE = "tests/pricing/test_hold.py::test_a"
SHARED = f"{CONTRACT}/test_life.py::test_a"
OWN = "tests/ledger/redis/home/test_time.py::test_a"


def mutation(file: str, *tests: str) -> Mutation:
    return Mutation("break it", file, "old", "new", tests)


IN_LUA = mutation("proxy/ledger/redis/lua/lib/books.lua", SHARED)


def by_backend(*red: str) -> dict[str, bool]:
    return {f"{SHARED}[{backend}]": backend not in red for backend in BACKENDS}


def test_every_backend_is_of_a_home() -> None:
    assert set(HOME_OF) == set(BACKENDS)


def test_a_home_is_told_by_its_files() -> None:
    files = ("pricing/cost.py", "proxy/ledger/sqlite/clock.py", "proxy/ledger/redis/asking.py")
    assert [mutation(file).home for file in files] == [None, "sqlite", "redis"]


@pytest.mark.parametrize(
    ("test", "backend"),
    [
        (f"{SHARED}[redis]", "redis"),
        (f"{SHARED}[redis-6.2]", "redis-6.2"),
        (f"{SHARED}[redis-6.2-60-True]", "redis-6.2"),
        (f"{SHARED}[redis-6]", "redis"),
        (f"{SHARED}[valkey-cluster-steps9-tenant:dev]", "valkey-cluster"),
        (f"{SHARED}[sqlite-power]", "sqlite-power"),
        (f"{SHARED}[sqlite-powerless]", "sqlite"),
        (f"{SHARED}[sqlites]", None),
        (SHARED, None),
    ],
)
def test_the_backend_of_a_test_is_told_by_its_id(test: str, backend: str | None) -> None:
    assert backend_of(test) == backend


def test_an_edit_is_noticed_when_one_case_of_each_test_is_red() -> None:
    edit = mutation("pricing/cost.py", PURE, SHARED)
    assert complaints(edit, {f"{PURE}[1]": True, f"{PURE}[2]": False, SHARED: False}) == []
    assert complaints(edit, {f"{PURE}[1]": True, SHARED: False}) == [f"{PURE} is green"]
    assert complaints(edit, {f"{PURE}_b": False, SHARED: False}) == [f"{PURE} is green"]


def test_an_edit_of_a_home_is_red_on_all_its_backends_and_green_on_others() -> None:
    redis = ("valkey", "valkey-cluster", "redis", "redis-6.2")
    assert complaints(IN_LUA, by_backend(*redis)) == []
    assert complaints(IN_LUA, by_backend(*redis[1:])) == [f"{SHARED} is green on valkey"]
    assert complaints(IN_LUA, by_backend(*redis, "sqlite-power")) == [
        f"{SHARED} is red on sqlite-power"
    ]
    assert complaints(IN_LUA, by_backend(*redis, "model")) == [f"{SHARED} is red on model"]


def test_an_edit_of_a_home_is_seen_on_both_sides() -> None:
    assert complaints(IN_LUA, {f"{SHARED}[valkey]": False, f"{SHARED}[model]": True}) == [
        f"{SHARED} was run on no home but redis"
    ]
    assert complaints(IN_LUA, {f"{SHARED}[sqlite]": True}) == [f"{SHARED} was not run on redis"]


def test_a_test_that_only_one_home_has_need_only_be_red() -> None:
    edit = mutation("proxy/ledger/redis/lua/lib/clock.lua", OWN)
    assert complaints(edit, {OWN: False}) == []
    assert complaints(edit, {OWN: True}) == [f"{OWN} is green"]


def test_results_are_read_from_the_summary() -> None:
    summary = f"""\
..F.                                                  [100%]
PASSED {SHARED}[redis]
PASSED {OWN}
FAILED {SHARED}[valkey-a b] - AssertionError: assert PASSED tests::x - y
ERROR {OWN} - the server is gone
ERROR of no test
3 passed, 1 failed in 0.12s
"""
    assert read_results(summary) == {
        f"{SHARED}[redis]": True,
        f"{SHARED}[valkey-a b]": False,
        OWN: False,
    }
