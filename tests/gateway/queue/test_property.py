"""Any calls, in any order: no line is jumped, nobody is forgotten, nothing is left behind."""

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.domain.scope import Scope
from proxy.gateway.runtime.queue import Patience
from tests.gateway.queue.world import TENANT, TOKENS, USD, Budget, Call, World

AGENTS = ("a", "b")
BUDGETS = [
    Budget(scope, unit)
    for scope in (TENANT, *(Scope(f"{TENANT}/agent:{agent}") for agent in AGENTS))
    for unit in (USD, TOKENS)
]

amounts = st.integers(1, 6)
a_while = st.integers(0, 60)
on_the_way = st.sampled_from((0, 0, 1, 3))
seldom = st.one_of(st.none(), st.none(), st.none(), st.integers(0, 80))

calls = st.builds(
    Call,
    at_ms=a_while,
    agent=st.sampled_from((None, *AGENTS)),
    amounts=st.fixed_dictionaries({USD: amounts, TOKENS: amounts}),
    free=st.sampled_from((frozenset(), frozenset(), frozenset({USD}))),
    holds_ms=a_while,
    charged_pct=st.sampled_from((0, 0, 50, 100)),
    asks_ms=on_the_way,
    hears_ms=on_the_way,
    leaves_ms=seldom,
    is_cancelled_ms=seldom,
    is_elsewhere=st.sampled_from((False, False, False, True)),
)
patiences = st.builds(
    Patience,
    max_wait_ms=st.sampled_from((1, 40, 400, 5_000)),
    max_length=st.sampled_from((1, 3, 100)),
)
rooms = st.dictionaries(st.sampled_from(BUDGETS), st.integers(1, 12), min_size=1)


@settings(max_examples=600)
@given(room=rooms, patience=patiences, asked=st.lists(calls, min_size=2, max_size=10))
def test_any_calls_wait_in_order_and_not_for_nothing(
    room: Mapping[Budget, int], patience: Patience, asked: list[Call]
) -> None:
    world = World(room, patience)
    runs = world.live(asked)
    assert not world.broken, "\n".join(world.broken)
    assert len(runs) == len(asked)
