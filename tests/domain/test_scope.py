"""Scopes of a subject, and the patterns that name them."""

import base64
import hashlib

import pytest

from proxy.domain.scope import (
    Scope,
    ScopePattern,
    all_scopes,
    budget_scopes,
    carve_of,
    derive,
    encode_value,
    is_level_scope,
    parse_pattern,
    purse_of,
    steps_patterns,
    steps_scope,
    tenant_of,
)
from proxy.domain.subject import PURSE, RUN, Subject


def test_every_level_that_is_given_makes_a_scope() -> None:
    subject = Subject(tenant="acme", app="web", agent="bot")
    assert derive(subject) == (
        "tenant:acme",
        "tenant:acme/app:web",
        "tenant:acme/app:web/agent:bot",
    )
    assert derive(Subject(dimensions={"run": "7"})) == ()


def test_a_run_stands_beside_each_scope_of_its_subject() -> None:
    subject = Subject(tenant="acme", agent="bot", dimensions={"run": "Nightly 7"})
    run = encode_value("Nightly 7")
    assert budget_scopes(subject) == (
        "tenant:acme",
        f"tenant:acme/run:{run}",
        "tenant:acme/agent:bot",
        f"tenant:acme/agent:bot/run:{run}",
    )
    assert derive(subject) == ("tenant:acme", "tenant:acme/agent:bot")
    assert budget_scopes(Subject(tenant="acme")) == ("tenant:acme",)
    assert budget_scopes(Subject(dimensions={"run": "7"})) == ()


PARENT = Subject(tenant="acme", app="web")


def spender(purse: Scope, run: str | None = None, **levels: str) -> Subject:
    dimensions: dict[str, str] = {PURSE: purse} | ({RUN: run} if run is not None else {})
    return Subject(tenant="acme", app="web", **levels, dimensions=dimensions)


@pytest.mark.parametrize(
    ("pattern", "run", "place"),
    [
        ("tenant:acme/*", "7", "tenant:acme/run:7/steps:a-run"),
        ("tenant:acme/*", None, "tenant:acme/agent:bot/steps:a-day"),
        ("tenant:acme", "7", "tenant:acme/run:7/steps:a-run"),
        ("tenant:acme", None, "tenant:acme/steps:a-day"),
        ("tenant:acme/agent:*", "7", "tenant:acme/agent:bot/run:7/steps:a-run"),
    ],
)
def test_calls_are_counted_for_a_run_or_for_who_makes_them(
    pattern: str, run: str | None, place: str
) -> None:
    subject = Subject(tenant="acme", agent="bot", dimensions={RUN: run} if run else {})
    scope = steps_scope(all_scopes(subject), ScopePattern(pattern), "A")

    assert scope == place
    assert budget_scopes(subject.counted_at(scope)) == (*budget_scopes(subject), place)
    assert all_scopes(subject.counted_at(scope)) == all_scopes(subject)
    assert [made.matches(scope) for made in steps_patterns("A")] == [run is not None, run is None]
    assert not is_level_scope(scope)


def test_who_is_counted_nowhere_is_as_they_were() -> None:
    subject = Subject(tenant="acme")
    assert subject.counted_at(None) is subject


def test_a_purse_holds_in_place_of_the_scopes_that_it_was_carved_from() -> None:
    purse = purse_of(PARENT, "rsv_1")
    assert purse == "tenant:acme/app:web/purse:rsv_1"
    assert budget_scopes(spender(purse)) == (purse,)
    below = spender(purse, agent="bot", toolset="web")
    assert budget_scopes(below) == (
        purse,
        "tenant:acme/app:web/agent:bot",
        "tenant:acme/app:web/agent:bot/toolset:web",
    )
    assert derive(below) == (*derive(PARENT), *budget_scopes(below)[1:])
    assert all_scopes(below) == (*derive(below), purse)


def test_a_run_of_a_child_holds_in_the_runs_that_its_carve_did_not() -> None:
    purse = purse_of(PARENT, "rsv_1")
    assert budget_scopes(spender(purse, run="7", agent="bot")) == (
        "tenant:acme/run:7",
        "tenant:acme/app:web/run:7",
        purse,
        "tenant:acme/app:web/agent:bot",
        "tenant:acme/app:web/agent:bot/run:7",
    )
    in_the_run = purse_of(Subject(tenant="acme", app="web", dimensions={RUN: "7"}), "rsv_2")
    assert in_the_run == "tenant:acme/app:web/run:7/purse:rsv_2"
    assert budget_scopes(spender(in_the_run, run="7", agent="bot")) == (
        in_the_run,
        "tenant:acme/app:web/agent:bot",
        "tenant:acme/app:web/agent:bot/run:7",
    )


def test_scopes_that_are_not_on_the_path_of_a_purse_hold_as_ever() -> None:
    purse = purse_of(Subject(tenant="acme", app="we"), "rsv_1")
    assert budget_scopes(spender(purse)) == (purse, "tenant:acme/app:web")


def test_a_purse_names_the_hold_that_fills_it() -> None:
    assert carve_of(purse_of(PARENT, "rsv_1")) == "rsv_1"
    for scope in (
        "tenant:acme",
        "purse:rsv_1",
        "tenant:acme/purse:",
        "tenant:acme/purse:x/agent:b",
    ):
        assert carve_of(Scope(scope)) is None


@pytest.mark.parametrize("value", ["Bot", "bot-1", "a.b_c", "7", "x" * 128])
def test_a_plain_value_stands_in_lower_case(value: str) -> None:
    assert encode_value(value) == value.lower()


@pytest.mark.parametrize("value", ["", "a b", "a/b", "a:b", "bøt", "x" * 129, "enc-abc", "ENC-abc"])
def test_any_other_value_stands_as_its_digest(value: str) -> None:
    digest = base64.b32encode(hashlib.sha256(value.encode()).digest()).decode().lower()
    assert encode_value(value) == f"enc-{digest[:20]}"


@pytest.mark.parametrize(
    ("pattern", "scope", "matches"),
    [
        ("tenant:dev", "tenant:dev", True),
        ("tenant:dev", "tenant:dev/agent:bot", False),
        ("tenant:dev", "tenant:dev/run:7", False),
        ("tenant:dev", "tenant:device", False),
        ("tenant:a.c", "tenant:abc", False),
        # A wildcard is one whole value.
        ("tenant:*", "tenant:dev", True),
        ("tenant:*", "tenant:dev/agent:bot", False),
        ("tenant:dev/agent:*", "tenant:dev/agent:bot", True),
        ("tenant:dev/agent:*", "tenant:dev", False),
        ("tenant:dev/agent:*", "tenant:dev/workspace:w/agent:bot", False),
        ("tenant:dev/agent:*", "tenant:dev/agent:bot/toolset:t", False),
        ("tenant:dev/agent:*", "tenant:dev/agent:bot/run:7", False),
        ("tenant:*/agent:bot", "tenant:any/agent:bot", True),
        ("tenant:*/agent:bot", "tenant:any/agent:cli", False),
        # Any levels between, or none; a run is no level.
        ("tenant:dev/**/agent:*", "tenant:dev/agent:bot", True),
        ("tenant:dev/**/agent:*", "tenant:dev/workspace:w/app:a/agent:bot", True),
        ("tenant:dev/**/agent:*", "tenant:dev/workspace:w", False),
        ("tenant:dev/**/agent:*", "tenant:other/agent:bot", False),
        ("tenant:dev/**/agent:*", "tenant:dev/agent:bot/toolset:t", False),
        ("tenant:dev/**/agent:*", "tenant:dev/agent:bot/run:7", False),
        ("tenant:*/**/toolset:t", "tenant:dev/agent:bot/toolset:t", True),
        ("tenant:dev/**/agent:*/toolset:t", "tenant:dev/app:a/agent:bot/toolset:t", True),
        # Runs.
        ("tenant:dev/run:*", "tenant:dev/run:7", True),
        ("tenant:dev/run:*", "tenant:dev", False),
        ("tenant:dev/run:*", "tenant:dev/agent:bot/run:7", False),
        ("tenant:dev/agent:*/run:*", "tenant:dev/agent:bot/run:7", True),
        ("tenant:dev/**/agent:*/run:*", "tenant:dev/app:a/agent:bot/run:7", True),
        ("tenant:dev/**/agent:*/run:*", "tenant:dev/run:7", False),
        # A scope and all below it.
        ("tenant:dev/*", "tenant:dev", True),
        ("tenant:dev/*", "tenant:dev/agent:bot", True),
        ("tenant:dev/*", "tenant:device", False),
        ("*", "tenant:any/agent:any", True),
    ],
)
def test_a_pattern_means_these_scopes_and_no_others(
    pattern: str, scope: str, matches: bool
) -> None:
    assert ScopePattern(pattern).matches(Scope(scope)) is matches


@pytest.mark.parametrize(
    ("pattern", "is_template", "is_subtree"),
    [
        ("tenant:dev", False, False),
        ("tenant:dev/run:7", False, False),
        ("tenant:*", True, False),
        ("tenant:*/agent:bot", True, False),
        ("tenant:dev/**/agent:bot", True, False),
        ("tenant:dev/run:*", True, False),
        ("tenant:dev/*", False, True),
        ("*", False, True),
    ],
)
def test_a_pattern_of_many_scopes_is_a_template_or_a_subtree(
    pattern: str, is_template: bool, is_subtree: bool
) -> None:
    assert ScopePattern(pattern).is_template is is_template
    assert ScopePattern(pattern).is_subtree is is_subtree


def test_the_template_that_spells_out_most_governs() -> None:
    in_order = [
        "tenant:*/**/agent:*",
        "tenant:*/agent:*",
        "tenant:dev/**/agent:*",
        "tenant:dev/agent:*",
        "tenant:dev/**/agent:bot",
        "tenant:dev/app:a/**/agent:bot",
    ]
    patterns = [ScopePattern(text) for text in in_order]
    assert sorted(reversed(patterns), key=lambda p: p.specificity) == patterns


def test_a_pattern_of_runs_means_each_run_of_its_scopes() -> None:
    runs = parse_pattern("tenant:dev/agent:*", subtree=False).per_run()
    assert runs.text == "tenant:dev/agent:*/run:*"
    assert runs.is_template


@pytest.mark.parametrize(
    ("text", "subtree"),
    [
        ("tenant:Dev/agent:*", False),
        ("tenant:dev/**/agent:*", False),
        ("tenant:*/**/app:a/**/toolset:*", False),
        ("tenant:dev/*", True),
        ("*", True),
    ],
)
def test_a_pattern_is_read_in_lower_case(text: str, subtree: bool) -> None:
    assert parse_pattern(text, subtree=subtree).text == text.lower()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "level:value"),
        ("tenant", "level:value"),
        ("run:7", "level:value"),
        ("planet:earth", "level:value"),
        ("*", "level:value"),
        ("tenant:dev/*", "level:value"),
        ("agent:bot/tenant:dev", "out of order"),
        ("tenant:dev/tenant:dev", "out of order"),
        ("tenant:dev/**/tenant:x", "out of order"),
        ("**/agent:bot", "between"),
        ("tenant:dev/**", "between"),
        ("tenant:dev/**/**/agent:bot", "between"),
        ("tenant:de*", "whole value"),
        ("tenant:a b", "characters"),
        ("tenant:", "characters"),
    ],
)
def test_what_no_scope_can_match_is_no_pattern(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_pattern(text, subtree=False)


def test_a_scope_is_in_the_books_of_its_tenant_or_of_nobody() -> None:
    assert [tenant_of(scope) for scope in ("tenant:dev/agent:bot", "agent:bot")] == ["dev", ""]
