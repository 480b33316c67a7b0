"""A model is sent to the upstream that is meant for it, and to no other."""

from fractions import Fraction

import pytest

from proxy.domain.errors import Reason, Refused
from proxy.gateway.routes import Route, Routes

OPENAI = Route("openai", "openai", ("gpt-*", "o3*"), "openai")
LOCAL = Route("local", "openai", ("gpt-4o", "llama/*"), "local", multiplier=Fraction(0))
CLAUDE = Route("claude", "anthropic", ("claude-*",), "anthropic")
LOCKED = Route("locked", "openai", ("secret-*",), "openai", has_credential=False)
ROUTES = Routes([OPENAI, LOCAL, CLAUDE, LOCKED])

EAST = Route(
    "east",
    "azure",
    ("o3*",),
    "openai",
    deployments={"mine": "gpt-4o", "twin": "gpt-4o", "gpt-4.1": "gpt-4.1-mini"},
)
WEST = Route("west", "azure", ("*",), "openai", deployments={"mine": "gpt-5", "mini": "o3-mini"})
BARE = Route("bare", "azure", ("*",), "openai")


@pytest.mark.parametrize(
    ("model", "route"),
    [
        ("gpt-4o", OPENAI),
        ("o3-mini", OPENAI),
        ("llama/8b", LOCAL),
        ("claude-opus", CLAUDE),
        ("secret-1", LOCKED),
        ("o2", None),
        ("GPT-4o", None),
    ],
)
def test_the_first_that_matches_serves_a_model(model: str, route: Route | None) -> None:
    assert ROUTES.find(model) is route


def test_a_model_that_nobody_serves_is_refused_by_its_name() -> None:
    with pytest.raises(Refused) as refusal:
        ROUTES.of("o2")

    assert (refusal.value.reason, refusal.value.param) == (Reason.MODEL_NOT_SERVED, "model")
    assert "'o2'" in str(refusal.value)


@pytest.mark.parametrize(
    ("model", "route"),
    [
        ("gpt-4o", OPENAI),
        ("llama/8b", LOCAL),
        ("claude-opus", None),
        ("secret-1", None),
        ("o2", None),
    ],
)
def test_a_stand_in_speaks_the_same_api_and_could_be_sent(model: str, route: Route | None) -> None:
    assert ROUTES.stand_in(model, beside=OPENAI) is route


@pytest.mark.parametrize(("tier", "expected"), [("default", {None}), ("flex", {"flex"})])
def test_a_call_that_names_no_tier_is_served_on_that_of_its_upstream(
    tier: str, expected: set[str | None]
) -> None:
    assert Route("a", "openai", ("*",), "openai", auto_tier=tier).auto_tiers == expected


def test_what_could_not_be_sent_is_still_where_its_own_model_goes() -> None:
    assert ROUTES.stand_in("secret-1", beside=LOCKED) is LOCKED


@pytest.mark.parametrize(
    ("name", "in_path", "in_body"),
    [
        ("mine", ("gpt-4o", "mine"), ("gpt-4o", "mine")),
        ("mini", ("o3-mini", "mini"), ("o3-mini", "mini")),
        # Plain callers mean the model, where an upstream before has it.
        ("gpt-4.1", ("gpt-4.1-mini", "gpt-4.1"), ("gpt-4.1", None)),
        ("gpt-4o", ("gpt-4o", None), ("gpt-4o", None)),
        ("other", ("other", None), ("other", None)),
    ],
)
def test_a_name_is_a_deployment_where_one_is_listed(
    name: str, in_path: tuple[str, str | None], in_body: tuple[str, str | None]
) -> None:
    routes = Routes([Route("first", "openai", ("gpt-4.1",), "openai"), EAST, WEST])

    assert routes.meant_by(name, is_deployment=True) == in_path
    assert routes.meant_by(name, is_deployment=False) == in_body


def test_a_deployment_goes_where_it_is_and_a_model_where_it_is_served_first() -> None:
    routes = Routes([OPENAI, EAST, WEST])

    assert routes.of("gpt-4o", deployment="mine") is EAST
    assert routes.of("gpt-5", deployment="mine") is WEST
    assert routes.of("gpt-4o") is OPENAI
    assert Routes([EAST]).of("gpt-4o") is EAST  # by its deployments, whatever `models` say


@pytest.mark.parametrize(
    ("model", "asked", "name"),
    [
        ("gpt-4o", None, "mine"),
        ("gpt-4o", "twin", "twin"),
        ("gpt-4o", "gpt-4.1", "mine"),
        ("o3-mini", None, "o3-mini"),
    ],
)
def test_an_upstream_calls_a_model_by_its_deployment(
    model: str, asked: str | None, name: str
) -> None:
    assert EAST.name_of(model, asked=asked) == name
    assert OPENAI.name_of(model, asked=asked) == model


def test_nothing_stands_in_without_a_deployment() -> None:
    assert Routes([EAST]).stand_in("o3-mini", beside=EAST) is None
    assert Routes([EAST]).stand_in("gpt-4o", beside=EAST) is EAST
    assert Routes([BARE]).stand_in("o3-mini", beside=BARE) is BARE


def test_azure_and_openai_stand_in_for_each_other() -> None:
    routes = Routes([OPENAI, WEST])

    assert routes.stand_in("mistral", beside=OPENAI) is None
    assert Routes([EAST, WEST]).stand_in("gpt-5", beside=OPENAI) is WEST
    assert routes.stand_in("gpt-4o", beside=WEST) is OPENAI


def test_what_names_no_model_goes_to_the_first_upstream_that_speaks_its_api() -> None:
    other = Route("other", "openai", ("*",), "openai")
    azure = Route("azure", "azure", ("*",), "azure")
    claude = Route("claude", "anthropic", ("claude*",), "anthropic")

    assert Routes([other, claude]).first(speaks="anthropic") is claude
    assert Routes([claude, azure, other]).first(speaks="openai") is azure
    assert Routes([claude]).first(speaks="openai") is claude
