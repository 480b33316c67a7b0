"""Budgets that no call can reach, ways out of templates, and templates in each other's way."""

import pytest

from tests.config.test_checks import paths, warned

NO_CALL = "no call can have this scope, as identity.default, identity.accept and keys stand"


def config(accept: str, *lines: str, more: str = "") -> str:
    budgets = "".join(f"  - {{{line}}}\n" for line in lines)
    return f"identity: {{default: {{tenant: dev}}, accept: {accept}}}\nbudgets:\n{budgets}{more}"


def usd(scope: str, rest: str = "") -> str:
    return f"scope: '{scope}', allocated: $1{rest}"


TENANT = usd("tenant:dev")


@pytest.mark.parametrize(
    ("scope", "accept", "reachable"),
    [
        ("tenant:dev/**/agent:*", "[agent]", True),
        ("tenant:dev/**/agent:*", "[app, agent]", True),
        ("tenant:dev/**/agent:*", "[app]", False),
        ("tenant:*/agent:bot", "[agent]", True),
        ("tenant:prod/**/agent:*", "[agent]", False),
        ("tenant:dev/workspace:*/**/agent:*", "[agent]", False),
        ("tenant:dev/app:web/**/agent:bot", "[app, workflow, agent]", True),
    ],
)
def test_a_template_over_levels_that_no_call_can_name_is_told(
    scope: str, accept: str, reachable: bool
) -> None:
    found = warned(config(accept, TENANT, usd(scope)))

    assert (("budgets[1].scope", NO_CALL) in found) is not reachable


@pytest.mark.parametrize(
    ("accept", "scope", "told"),
    [
        ("[run]", "tenant:dev", []),
        ("[agent]", "tenant:dev", ["budgets[0].per"]),
        ("[agent, run]", "tenant:dev/agent:*", []),
        ("[run]", "tenant:dev/agent:*", ["budgets[0].scope"]),
    ],
)
def test_a_budget_of_runs_that_no_call_can_name_is_told(
    accept: str, scope: str, told: list[str]
) -> None:
    assert paths(config(accept, usd(scope, ", per: run, idle_ttl: 24h"))) == told


def test_runs_that_never_go_are_told() -> None:
    assert warned(config("[run]", usd("tenant:dev", ", per: run"))) == [
        (
            "budgets[0].per",
            "without idle_ttl: runs pile up until templates_max, and then each new one is refused",
        )
    ]


@pytest.mark.parametrize(
    ("lines", "accept", "way_out"),
    [
        ([usd("tenant:dev/**/agent:*")], "[app, workflow, agent, toolset]", []),
        ([usd("tenant:dev/agent:*")], "[app, agent, run]", ["identity.accept[0]"]),
        (
            [usd("tenant:dev/agent:*"), usd("tenant:dev", ", per: run, idle_ttl: 1h")],
            "[app, agent, run]",
            ["identity.accept[0]"],
        ),
        (
            [usd("tenant:dev/agent:*", ", per: run, idle_ttl: 1h")],
            "[app, agent, run]",
            ["identity.accept[0]"],
        ),
        ([usd("tenant:dev", ", per: run, idle_ttl: 1h")], "[app, agent, run]", []),
        (
            ["scope: 'tenant:dev/agent:*', allocated: 1, unit: TOKENS"],
            "[app, agent]",
            ["identity.accept[0]"],
        ),
    ],
)
def test_a_level_that_leads_out_of_every_template_is_told(
    lines: list[str], accept: str, way_out: list[str]
) -> None:
    """A run is no way back in: whoever calls chooses its name."""
    found = [path for path in paths(config(accept, *lines)) if path.startswith("identity")]

    assert found == way_out


def test_the_way_out_of_runs_is_told_in_their_words() -> None:
    line = usd("tenant:dev/agent:*", ", per: run, idle_ttl: 1h")

    assert warned(config("[app, agent, run]", line)) == [
        (
            "identity.accept[0]",
            "a call that names its app leaves every budget of its run: "
            "add a template with app or ** in it, or fix its app",
        )
    ]


@pytest.mark.parametrize(
    ("one", "other", "behind"),
    [
        (usd("tenant:dev/agent:*"), usd("tenant:dev/**/agent:*"), 1),
        (usd("tenant:dev/**/agent:*"), usd("tenant:dev/agent:*"), 0),
        (usd("tenant:dev/**/agent:*"), usd("tenant:dev/app:web/agent:*"), 0),
        (usd("tenant:*/agent:bot"), usd("tenant:dev/agent:*"), 0),
        (usd("tenant:dev/app:*"), usd("tenant:dev/app:*/agent:*"), None),
        (usd("tenant:dev/app:a/agent:*"), usd("tenant:dev/app:b/agent:*"), None),
        (usd("tenant:dev/**/agent:*"), usd("tenant:dev/agent:bot"), None),
        (usd("tenant:dev/agent:*"), usd("tenant:dev/**/agent:*", ", period: day"), None),
        (
            usd("tenant:dev/agent:*"),
            "scope: 'tenant:dev/**/agent:*', allocated: 1, unit: TOKENS",
            None,
        ),
        (
            usd("tenant:dev/agent:*", ", per: run, idle_ttl: 1h"),
            usd("tenant:dev/**/agent:*", ", per: run, idle_ttl: 1h"),
            1,
        ),
        (usd("tenant:dev/agent:*"), usd("tenant:dev/**/agent:*", ", per: run, idle_ttl: 1h"), None),
    ],
)
def test_two_templates_for_one_budget_are_told(one: str, other: str, behind: int | None) -> None:
    """Only one of them makes it; a line for just that scope may well go before a template."""
    text = config("[app, agent, run]", TENANT, one, other)
    told = [found for found in warned(text) if "goes before" in found[1]]

    if behind is None:
        assert told == []
    else:
        problem = f"entry [{2 - behind}] matches some of its scopes too, and goes before"
        assert told == [(f"budgets[{behind + 1}].scope", problem)]


@pytest.mark.parametrize(("rolling", "is_told"), [("9m", True), ("10m", False), ("24h", False)])
def test_a_window_that_rolls_away_within_a_call_is_told(rolling: str, is_told: bool) -> None:
    """The default response timeout is ten minutes."""
    found = paths(config("[agent]", usd("tenant:dev", f", rolling: {rolling}")))

    assert found == (["budgets[0].rolling"] if is_told else [])


@pytest.mark.parametrize(
    ("unit", "is_told"),
    [("USD_MICROCENTS", False), ("TOKENS", False), ("CREDITS", True), ("RISK_POINTS", True)],
)
def test_a_unit_that_no_call_here_is_held_in_is_told(unit: str, is_told: bool) -> None:
    line = f"scope: 'tenant:dev', allocated: 5_000_000, unit: {unit}"
    found = paths(config("[agent]", TENANT, f"{line}, period: day"))

    assert found == (["budgets[1].unit"] if is_told else [])


KEY = "keys: [{name: a, sha256: '" + "a" * 64 + "', subject: {tenant: dev}}]"


def test_clients_of_the_authority_name_any_level_and_reserve_in_any_unit() -> None:
    """docs/protocol.md: a key that leaves levels open lets its clients fill them."""
    points = "scope: 'tenant:dev', allocated: 5, unit: RISK_POINTS, period: day"
    deep = usd("tenant:dev/workspace:eng/app:shop")
    without_key = config("[agent]", TENANT, deep, points)
    with_key = config("[agent]", TENANT, deep, points, more=KEY)
    foreign = config("[agent]", TENANT, usd("tenant:other"), more=KEY)

    assert sorted(paths(without_key)) == ["budgets[1].scope", "budgets[2].unit"]
    assert paths(with_key) == []
    assert paths(foreign) == ["budgets[1].scope"]
