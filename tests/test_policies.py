"""Which policy decides, and what it leaves of a call."""

from collections.abc import Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.policy import Band, Bounds, Condition, Policy
from proxy.domain.scope import Scope, ScopePattern, derive
from proxy.domain.sub_budget import UNLIMITED
from proxy.domain.subject import Subject
from proxy.ledger.records import Balance, BudgetStatus
from proxy.policies import Policies, Wish, choice_for, entry_for, limited

SCOPES = derive(Subject(tenant="dev", agent="bot"))
TENANT, AGENT = SCOPES


def balance(
    scope: Scope, used_pct: int, *, period: Period = Period.MONTH, debt: int = 0, reserved: int = 0
) -> Balance:
    """A budget of 1,000,000, of which so many percent are used up."""
    return Balance(
        scope=scope,
        unit=Unit.USD_MICROCENTS,
        period=period,
        window_start_ms=0,
        window_end_ms=None,
        allocated=1_000_000,
        reserved=reserved,
        spent=used_pct * 10_000 - debt,
        debt=debt,
        uncertain=0,
        uncovered=0,
        overdraft_limit=0,
        is_over_limit=False,
        status=BudgetStatus.ACTIVE,
    )


def policy(name: str, pattern: str, *bands: tuple[int, int], priority: int = 0) -> Policy:
    """A policy whose bands are pairs of used_pct and max_tokens."""
    return Policy(
        name,
        ScopePattern(pattern),
        priority,
        tuple(Band(used_pct, Caps(max_tokens)) for used_pct, max_tokens in bands),
    )


def wish(policies: Sequence[Policy], *balances: Balance, scopes: Sequence[Scope] = SCOPES) -> Wish:
    return Policies(policies).wish("gpt-4o", scopes=scopes, balances=balances)


def decided(policies: Sequence[Policy], *balances: Balance) -> str | None:
    return wish(policies, *balances).policy


def test_without_policies_a_call_stays_as_it_was_asked_for() -> None:
    assert wish([]) == Wish(policy=None, model=None, caps=Caps())


@pytest.mark.parametrize(
    ("pattern", "applies"),
    [
        ("*", True),
        ("tenant:dev", True),
        ("tenant:dev/*", True),
        ("tenant:*", True),
        ("tenant:dev/agent:*", True),
        ("tenant:dev/agent:bot", True),
        ("tenant:dev/agent:bot/*", True),
        ("tenant:prod/*", False),
        ("tenant:dev/agent:other", False),
        ("tenant:dev/agent:bot/toolset:*", False),
        ("tenant:dev/app:*", False),
    ],
)
def test_a_policy_applies_when_one_of_the_calls_scopes_matches(pattern: str, applies: bool) -> None:
    assert (decided([policy("p", pattern, (0, 100))]) == "p") is applies


def test_a_caller_cannot_leave_a_policy_by_naming_a_level_below() -> None:
    """Otherwise an `X-Cycles-Toolset` header would lift every cap of the agent."""
    below = derive(Subject(tenant="dev", agent="bot", toolset="anything"))

    assert wish([policy("p", "tenant:dev/agent:*", (0, 7))], scopes=below).max_tokens == 7


@pytest.mark.parametrize(
    ("used_pct", "max_tokens"),
    [(0, None), (79, None), (80, 2000), (94, 2000), (95, 500), (100, 500), (250, 500)],
)
def test_the_highest_band_that_is_reached_holds(used_pct: int, max_tokens: int | None) -> None:
    thrift = policy("thrift", "tenant:dev/*", (80, 2000), (95, 500))

    assert wish([thrift], balance(TENANT, used_pct)).max_tokens == max_tokens


def test_what_is_used_is_rounded_down() -> None:
    """79.99 percent is not yet 80."""
    almost = replace(balance(TENANT, 80), spent=799_999)

    assert decided([policy("p", "*", (80, 1))], almost) is None


def test_debt_counts_as_used_and_holds_in_flight_do_not() -> None:
    thrift = [policy("thrift", "*", (80, 2000))]

    assert decided(thrift, balance(TENANT, 80, debt=800_000)) == "thrift"
    assert decided(thrift, balance(TENANT, 10, reserved=900_000)) is None


def test_of_several_windows_and_scopes_the_most_used_counts() -> None:
    thrift = [policy("thrift", "tenant:dev/*", (80, 2000))]

    assert decided(thrift, balance(TENANT, 10), balance(AGENT, 85)) == "thrift"
    assert decided(thrift, balance(TENANT, 10), balance(TENANT, 85, period=Period.DAY)) == "thrift"
    assert decided(thrift, balance(TENANT, 10), balance(AGENT, 79)) is None


def test_a_policy_looks_at_the_budgets_of_its_own_scopes_only() -> None:
    for_agents = [policy("p", "tenant:dev/agent:*", (80, 2000))]

    assert decided(for_agents, balance(TENANT, 100), balance(AGENT, 5)) is None
    assert decided(for_agents, balance(TENANT, 0), balance(AGENT, 80)) == "p"


def test_a_scope_without_a_budget_has_used_nothing() -> None:
    assert decided([policy("p", "tenant:dev/agent:*", (1, 5))]) is None
    assert decided([policy("p", "tenant:dev/agent:*", (0, 5))]) == "p"


def test_nothing_allocated_is_all_used_up() -> None:
    empty = replace(balance(TENANT, 0), allocated=0)

    assert decided([policy("p", "*", (100, 5))], empty) == "p"


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (policy("a", "*", (0, 1)), policy("b", "tenant:dev/agent:bot", (0, 1), priority=-1), "a"),
        (policy("a", "*", (0, 1), priority=1), policy("b", "*", (0, 1), priority=2), "b"),
        (policy("a", "tenant:dev", (0, 1)), policy("b", "tenant:dev/agent:bot", (0, 1)), "b"),
        (policy("a", "tenant:dev/*", (0, 1)), policy("b", "tenant:dev", (0, 1)), "b"),
        (policy("a", "tenant:*", (0, 1)), policy("b", "tenant:dev", (0, 1)), "b"),
        (policy("a", "tenant:dev/*", (0, 1)), policy("b", "tenant:*", (0, 1)), "b"),
        (policy("a", "*", (0, 1)), policy("b", "tenant:dev/*", (0, 1)), "b"),
    ],
)
def test_priority_decides_and_then_the_more_specific_scope(
    first: Policy, second: Policy, winner: str
) -> None:
    assert decided([first, second]) == winner
    assert decided([second, first]) == winner


def test_between_equals_the_first_in_the_file_decides() -> None:
    one, two = policy("one", "tenant:dev", (0, 1)), policy("two", "tenant:dev", (0, 2))

    assert decided([one, two]) == "one"
    assert decided([two, one]) == "two"


def test_a_policy_whose_bands_are_not_reached_leaves_the_word_to_the_next() -> None:
    late = policy("late", "*", (90, 1), priority=10)
    always = policy("always", "*", (0, 4000))

    assert decided([late, always], balance(TENANT, 50)) == "always"
    assert decided([late, always], balance(TENANT, 90)) == "late"


def test_nothing_is_merged() -> None:
    """The winner says nothing about tools, so the loser's list does not hold either."""
    winner = Policy("w", ScopePattern("*"), 2, (Band(0, Caps(max_tokens=9)),))
    loser = Policy(
        "l", ScopePattern("*"), 1, (Band(0, Caps(tool_denylist=("x",)), {"gpt-4o": "small"}),)
    )

    assert wish([winner, loser]) == Wish("w", None, Caps(max_tokens=9))


def test_all_that_a_band_says_holds_at_once() -> None:
    caps = Caps(max_tokens=500, tool_denylist=("web_search",))
    thrift = Policy("t", ScopePattern("*"), 0, (Band(0, caps, {"gpt-4o": "gpt-4o-mini"}),))

    granted = wish([thrift])

    assert granted == Wish("t", "gpt-4o-mini", caps)
    assert granted.max_tokens == 500
    assert not granted.caps.allows_tool("web_search")


def test_a_band_may_have_a_condition_of_its_own() -> None:
    """The higher band is reached and does not hold, so the lower one does."""
    rush = Condition(reserved_pct=Bounds(gte=50))
    bands = (Band(50, Caps(max_tokens=9)), Band(80, Caps(max_tokens=5), when=rush))
    thrift = Policy("t", ScopePattern("*"), 0, bands)

    assert wish([thrift], balance(TENANT, 90)).max_tokens == 9
    assert wish([thrift], balance(TENANT, 90, reserved=500_000)).max_tokens == 5


def test_what_a_call_is_not_let_do_is_a_wish_as_well() -> None:
    shut = Policy("shut", ScopePattern("*"), 0, (Band(80, deny="Not now."),))
    open_wish, shut_wish = wish([shut]), wish([shut], balance(TENANT, 80))

    assert limited(open_wish, "gpt-4o", UNLIMITED) is open_wish
    with pytest.raises(Refused) as refused:
        limited(shut_wish, "gpt-4o", UNLIMITED)
    assert (refused.value.reason, str(refused.value)) == (Reason.POLICY_DENIED, "Not now.")


def test_the_calls_of_a_band_are_counted_by_its_name() -> None:
    paced = Band(0, Caps(max_steps_remaining=3), steps="t-0")

    assert wish([Policy("t", ScopePattern("*"), 0, (paced,))]).steps == f"{AGENT}/steps:t-0-day"


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("high", "medium"),
        ("xhigh", "low"),
        ("low", None),
        (None, "minimal"),
    ],
)
def test_a_choice_is_mapped_by_what_was_asked_for(asked: str | None, given: str | None) -> None:
    table = {"high": "medium", "*": "low", "unset": "minimal"}

    assert choice_for(asked, table) == given
    assert choice_for(asked, {}) is None


def test_each_policy_says_why_it_decides_or_not() -> None:
    policies = [
        policy("elsewhere", "tenant:prod/*", (0, 1), priority=3),
        policy("late", "*", (90, 1), priority=2),
        policy("now", "tenant:dev/agent:*", (10, 1), (50, 2), priority=1),
        policy("spare", "*", (0, 1)),
    ]
    seen = (balance(TENANT, 80), balance(AGENT, 60))

    considered = Policies(policies).considered(scopes=SCOPES, balances=seen, at_ms=0)

    assert [(each.policy, each.used_pct, each.band, each.unmet) for each in considered] == [
        ("elsewhere", 0, None, "scope"),
        ("late", 80, None, "used_pct"),
        ("now", 60, 50, None),
        ("spare", 80, 0, None),
    ]


def test_a_model_that_stands_in_for_itself_is_no_swap() -> None:
    same = Policy("s", ScopePattern("*"), 0, (Band(0, Caps(), {"gpt-4*": "gpt-4o"}),))

    assert wish([same]).model is None


@pytest.mark.parametrize(
    ("model", "stand_in"),
    [
        ("gpt-4o", "exact"),
        ("gpt-4o-2024-08-06", "dated"),
        ("gpt-4o-mini", "mini"),
        ("gpt-4.1", "gpt"),
        ("GPT-4o", "any"),
        ("o3", "any"),
        ("claude", "any"),
        ("o4", "question"),
    ],
)
def test_an_exact_name_goes_before_wildcards_and_the_longer_wildcard_before_others(
    model: str, stand_in: str
) -> None:
    table = {
        "*": "any",
        "gpt-*": "gpt",
        "gpt-4o*": "dated",
        "gpt-4o-mini*": "mini",
        "gpt-4o": "exact",
        "?4": "question",
    }

    assert entry_for(model, table) == stand_in
    assert entry_for(model, dict(reversed(table.items()))) == stand_in


def test_a_stand_in_is_not_replaced_again() -> None:
    table = {"a": "b", "b": "c"}

    assert entry_for("a", table) == "b"
    assert entry_for("c", table) is None


def test_of_wildcards_alike_the_first_counts() -> None:
    assert entry_for("ab", {"a*": "one", "*b": "two"}) == "one"
    assert entry_for("ab", {"*b": "two", "a*": "one"}) == "two"


def test_only_scopes_that_a_policy_looks_at_are_watched() -> None:
    """A call that no policy concerns needs no look at the ledger."""
    policies = Policies([policy("p", "tenant:dev/agent:*", (80, 1))])

    assert policies.watched(SCOPES) == (AGENT,)
    assert policies.watched(derive(Subject(tenant="prod"))) == ()
    assert Policies([]).watched(SCOPES) == ()


PATTERNS = ["*", "tenant:*", "tenant:dev", "tenant:dev/*", "tenant:dev/agent:*", "tenant:prod/*"]
bands = st.lists(
    st.tuples(st.integers(0, 150), st.integers(1, 5000)), min_size=1, unique_by=lambda band: band[0]
)


@st.composite
def policy_lists(draw: st.DrawFn) -> list[Policy]:
    """Policies of which no two have the same priority and pattern."""
    places = draw(
        st.lists(st.tuples(st.sampled_from(PATTERNS), st.integers(-1, 1)), unique=True, max_size=6)
    )
    return [
        policy(f"p{number}", pattern, *draw(bands), priority=priority)
        for number, (pattern, priority) in enumerate(places)
    ]


balances = st.tuples(
    st.builds(balance, st.just(TENANT), st.integers(0, 150)),
    st.builds(balance, st.just(AGENT), st.integers(0, 150)),
)


@given(policy_lists(), balances, st.randoms(use_true_random=False))
def test_the_order_of_the_file_decides_only_between_equals(
    policies: list[Policy], seen: tuple[Balance, Balance], random: Random
) -> None:
    shuffled = list(policies)
    random.shuffle(shuffled)

    assert wish(policies, *seen) == wish(shuffled, *reversed(seen))


@given(bands, st.integers(0, 200), st.randoms(use_true_random=False))
def test_the_order_of_bands_never_matters(
    rows: list[tuple[int, int]], used_pct: int, random: Random
) -> None:
    shuffled = list(rows)
    random.shuffle(shuffled)
    seen = balance(TENANT, used_pct)

    assert wish([policy("p", "*", *rows)], seen) == wish([policy("p", "*", *shuffled)], seen)


@given(policy_lists(), balances)
def test_the_decision_is_what_the_rule_says_in_words(
    policies: list[Policy], seen: tuple[Balance, Balance]
) -> None:
    """The rule once more, by elimination instead of by sorting."""
    candidates = []
    for each in policies:
        used = [b.used_pct for b in seen if each.pattern.matches(b.scope)]
        reached = [b for b in each.bands if b.used_pct <= max(used, default=0)]
        if reached and any(each.pattern.matches(scope) for scope in SCOPES):
            candidates.append((each, reached))
    granted = wish(policies, *seen)

    if not candidates:
        assert granted == Wish()
        return
    top = max(each.priority for each, _ in candidates)
    best = [(each, reached) for each, reached in candidates if each.priority == top]
    deepest = max(each.pattern.depth for each, _ in best)
    names = {each.name for each, _ in best if each.pattern.depth == deepest}
    assert granted.policy in names
    (chosen,) = [reached for each, reached in best if each.name == granted.policy]
    assert granted.caps == max(chosen, key=lambda band: band.used_pct).caps
