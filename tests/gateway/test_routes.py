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
