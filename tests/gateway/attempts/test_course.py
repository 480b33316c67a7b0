"""Where the next attempt goes, and that there is a last one."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.domain.errors import Reason, Refused
from proxy.gateway.attempts.course import Course, Turn
from proxy.gateway.attempts.retries import RetryRules
from proxy.gateway.ending import Ending, Outcome
from proxy.gateway.routes import Route, Routes

FAILED = Ending(Outcome.FAILED, 503)
TWICE = RetryRules(max_attempts=2, backoff_ms=100)
ONCE = RetryRules()


def route(
    name: str,
    retries: RetryRules = ONCE,
    *fallback: str,
    models: tuple[str, ...] = ("*",),
    deployments: Mapping[str, str] | None = None,
) -> Route:
    return Route(
        name,
        "openai",
        models,
        "openai",
        retries=retries,
        fallback=fallback,
        deployments=deployments or {},
    )


def after(
    course: Course, asked: Route, ending: Ending = FAILED, headers: Mapping[str, str] | None = None
) -> Turn | None:
    return course.after(asked, ending, CIMultiDict(headers or {}), now_ms=0, jitter=0.0)


def of(turn: Turn | None, model: str = "gpt-4o") -> Route | None:
    """Where a model goes in this turn."""
    return None if turn is None else turn.routes.of(model)


def test_the_same_upstream_is_asked_as_often_as_its_rules_say() -> None:
    first = route("a", RetryRules(max_attempts=3, backoff_ms=100))
    course = Course(Routes([first]), first, has_key=False)

    second, third, last = after(course, first), after(course, first), after(course, first)

    assert [turn and turn.pause_ms for turn in (second, third, last)] == [100, 200, None]
    assert of(second) is of(third) is first


def test_stand_ins_follow_in_their_order_each_as_often_as_its_own_rules_say() -> None:
    a, b, c = route("a", TWICE, "b", "c"), route("b", TWICE), route("c")
    course = Course(Routes([a, b, c]), a, has_key=False)

    asked = [a]
    while (turn := after(course, asked[-1])) is not None:
        asked.append(turn.routes.of("gpt-4o"))

    assert [each.name for each in asked] == ["a", "a", "b", "b", "c"]


def test_to_go_elsewhere_takes_no_pause() -> None:
    a, b = route("a", ONCE, "b"), route("b")
    turn = after(Course(Routes([a, b]), a, has_key=False), a)

    assert turn is not None
    assert turn.pause_ms == 0


def test_an_upstream_that_wants_to_be_left_alone_sends_the_call_elsewhere_at_once() -> None:
    a, b = route("a", TWICE, "b"), route("b")

    for headers in ({"x-should-retry": "false"}, {"Retry-After": "3600"}):
        turn = after(Course(Routes([a, b]), a, has_key=False), a, headers=headers)
        assert (of(turn) or a).name == "b"


def test_an_upstream_that_cannot_be_asked_is_left_out() -> None:
    a, b, c = route("a", ONCE, "b", "c"), route("b"), route("c")
    course = Course(Routes([a, b, c]), a, has_key=False)
    after(course, a)

    assert (of(course.elsewhere()) or a).name == "c"
    assert course.elsewhere() is None


def test_what_must_not_be_sent_again_goes_nowhere_else_either() -> None:
    a, b = route("a", TWICE, "b"), route("b")

    for ending in (Ending(Outcome.REFUSED, 400), Ending(Outcome.NO_STATUS)):
        assert after(Course(Routes([a, b]), a, has_key=False), a, ending) is None


def test_a_call_that_only_its_upstream_can_answer_is_asked_of_nobody_else() -> None:
    a, b = route("a", TWICE, "b"), route("b")
    course = Course(Routes([a, b]), a, has_key=False, may_move=False)

    assert (of(after(course, a)) or b).name == "a"
    assert after(course, a) is None


def test_the_stand_ins_of_a_stand_in_do_not_count() -> None:
    a, b, c = route("a", ONCE, "b"), route("b", ONCE, "c", "a"), route("c")
    course = Course(Routes([a, b, c]), a, has_key=False)
    turn = after(course, a)
    assert turn is not None

    assert after(course, turn.routes.of("gpt-4o")) is None


def test_a_stand_in_serves_what_the_other_did_and_nothing_more() -> None:
    azure = route("azure", ONCE, "b", models=("gpt-*",), deployments={"mine": "o3"})
    b, c = route("b", models=("llama/*",)), route("c", models=("claude-*",))
    routes = Routes([azure, b, c]).with_stand_in("b", instead_of="azure")

    served = {model: routes.find(model) for model in ("gpt-4o", "o3", "llama/8b", "claude-1", "x")}

    assert {model: each and each.name for model, each in served.items()} == {
        "gpt-4o": "b",
        "o3": "b",
        "llama/8b": "b",
        "claude-1": "c",
        "x": None,
    }


def test_a_call_for_a_deployment_goes_to_who_stands_in_for_where_that_is() -> None:
    plain, azure = route("plain"), route("azure", deployments={"mine": "gpt-4o"})
    routes = Routes([plain, azure, route("b", models=("x",))])

    assert routes.of("gpt-4o", deployment="mine") is azure
    elsewhere = routes.with_stand_in("b", instead_of="azure")
    assert elsewhere.of("gpt-4o", deployment="mine").name == "b"
    assert elsewhere.of("gpt-4o").name == "plain"


def test_a_stand_in_that_lists_deployments_takes_only_models_that_have_one() -> None:
    azure = route("azure", deployments={"mine": "gpt-4o"})
    routes = Routes([route("a"), azure])

    assert routes.with_stand_in("azure", instead_of="a").of("gpt-4o").name == "azure"
    with pytest.raises(Refused) as refused:
        routes.with_stand_in("azure", instead_of="a").of("o3")
    assert refused.value.reason is Reason.MODEL_NOT_SERVED


def test_a_stand_in_has_the_prices_and_the_rules_of_its_own() -> None:
    a, b = route("a", ONCE, "b", models=("gpt-*",)), route("b", TWICE, models=("x",))

    stand_in = Routes([a, b]).with_stand_in("b", instead_of="a").of("gpt-4o")

    assert (stand_in.name, stand_in.retries, stand_in.provider) == ("b", TWICE, b.provider)


@given(
    often=st.lists(st.integers(1, 10), min_size=1, max_size=6),
    endings=st.lists(st.sampled_from(Outcome), max_size=70),
)
def test_there_is_a_last_attempt_whatever_comes_of_them(
    often: list[int], endings: list[Outcome]
) -> None:
    """No upstream is asked more often than its rules say, nor after one that answered."""
    names = [str(number) for number in range(len(often))]
    rules = [RetryRules(max_attempts=each, after_no_status=True) for each in often]
    routes = [route(name, rules[int(name)], *names[1:]) for name in names]
    course, asked = Course(Routes(routes), routes[0], has_key=False), ["0"]
    for outcome in [*endings, *[Outcome.FAILED] * (sum(often) + 1)]:
        turn = after(course, routes[int(asked[-1])], Ending(outcome, 503))
        if turn is None:
            break
        assert outcome not in (Outcome.COMPLETE, Outcome.BROKEN)
        asked.append(turn.routes.of("gpt-4o").name)
    assert asked == sorted(asked, key=int)
    assert all(asked.count(name) <= often[int(name)] for name in names)
