"""What is valid and still not what anybody meant."""

import pytest

from proxy.config.checks import warnings
from proxy.config.findings import spell
from proxy.config.load import parse
from tests.config.test_values import HASH
from tests.config.writing import FILE, UPSTREAM, read

CALM = """
identity: {default: {tenant: dev}}
budgets: [{scope: "tenant:dev", allocated: $100}]
"""


def warned(text: str) -> list[tuple[str, str]]:
    return [(spell(finding.path), finding.problem) for finding in warnings(read(text))]


def paths(text: str) -> list[str]:
    return [path for path, _ in warned(text)]


def test_a_plain_configuration_raises_no_warning() -> None:
    assert warned(CALM) == []


def test_a_warning_has_file_and_line_and_says_that_it_is_one() -> None:
    (finding,) = warnings(read(CALM + "listen: {proxy: '0.0.0.0:7676'}"))

    assert str(finding) == (
        f"warning: {FILE}:4: listen.proxy: 0.0.0.0:7676 is open to other machines, "
        "and identity.require_key is false"
    )


@pytest.mark.parametrize(
    ("address", "is_open"),
    [
        ("0.0.0.0:7676", True),
        ("[::]:7676", True),
        ("10.0.0.7:7676", True),
        ("sidecar:7676", True),
        ("127.0.0.1:7676", False),
        ("127.1.2.3:7676", False),
        ("[::1]:7676", False),
        ("localhost:7676", False),
    ],
)
def test_a_door_that_is_open_to_other_machines_is_told(address: str, is_open: bool) -> None:
    assert (paths(CALM + f"listen: {{proxy: '{address}'}}") == ["listen.proxy"]) is is_open


def with_key(api_key: str, more: str = CALM) -> str:
    return more + UPSTREAM.replace("sk-secret", api_key)


def test_an_empty_credential_is_told_with_the_variable_to_set() -> None:
    config = parse(with_key("${OPENAI_API_KEY:-}"), file=FILE, env={})

    (finding,) = warnings(config)

    assert str(finding) == (
        f"warning: {FILE}:6: upstreams[0].api_key: empty (is OPENAI_API_KEY set?): calls will be "
        "refused with 503 (accepted: a secret; passthrough; or none for a server that asks for "
        "no key)"
    )


def test_an_empty_credential_in_the_file_is_told() -> None:
    assert warned(with_key("")) == [
        ("upstreams[0].api_key", "empty: calls will be refused with 503")
    ]


def test_passing_credentials_through_is_told() -> None:
    assert warned(with_key("passthrough")) == [
        (
            "upstreams[0].api_key",
            "passthrough: callers hold keys of their own, and may go around us",
        )
    ]
    assert warned(with_key("none")) == []


def test_passing_through_what_callers_may_not_bring_is_told() -> None:
    text = f"""
identity: {{default: {{tenant: dev}}, require_key: true}}
keys: [{{name: ci, sha256: {HASH}}}]
budgets: [{{scope: "tenant:dev", allocated: $100}}]
"""
    assert warned(with_key("passthrough", text)) == [
        (
            "upstreams[0].api_key",
            "passthrough, while callers must bring our keys, which never pass",
        )
    ]


def test_nobody_to_charge_is_told() -> None:
    assert "identity.default" in paths("budgets: [{scope: 'tenant:dev', allocated: $1}]")
    assert "identity.default" not in paths("identity: {accept: [tenant]}")


def test_a_key_may_bring_the_tenant() -> None:
    text = f"""
identity: {{require_key: true}}
keys: [{{name: ci, sha256: {HASH}, subject: {{tenant: dev}}}}]
budgets: [{{scope: "tenant:dev", allocated: $100}}]
"""
    assert warned(text) == []


def test_a_tenant_that_only_some_keys_bring_is_not_told() -> None:
    """Calls without a key are refused then, and that can be meant."""
    text = f"keys: [{{name: ci, sha256: {HASH}, subject: {{tenant: dev}}}}]"

    assert "identity.default" not in paths(text)


def test_a_required_key_that_nobody_has_is_told() -> None:
    text = """
identity: {default: {tenant: dev}, require_key: true}
budgets: [{scope: "tenant:dev", allocated: $100}]
"""
    assert warned(text) == [
        ("identity.require_key", "true, and there are no keys: every call is refused")
    ]


def test_a_key_that_contradicts_the_sidecar_is_told() -> None:
    text = CALM + f"keys: [{{name: ci, sha256: {HASH}, subject: {{tenant: Prod, app: ci}}}}]"

    assert warned(text) == [
        (
            "keys[0].subject.tenant",
            "not the tenant of identity.default: calls with this key are refused",
        )
    ]
    assert paths(text.replace("Prod", "DEV")) == []


def test_no_budget_at_all_is_told() -> None:
    assert warned("identity: {default: {tenant: dev}}") == [
        ("budgets", "none: every call that costs anything is refused")
    ]


def test_budgets_that_pay_for_no_call_are_told() -> None:
    budget = "{scope: 'tenant:dev', unit: %s, allocated: 5}"
    text = f"identity: {{default: {{tenant: dev}}}}\nbudgets: [{budget}]"

    assert warned(text % "CALLS") == [
        ("budgets", "none in US dollars or tokens: every call that costs anything is refused")
    ]
    assert warned(text % "TOKENS") == []


@pytest.mark.parametrize(
    ("identity", "scope", "reachable"),
    [
        ("{default: {tenant: dev}}", "tenant:dev", True),
        ("{default: {tenant: Dev}}", "tenant:dev", True),
        ("{default: {tenant: dev}}", "tenant:prod", False),
        ("{default: {tenant: dev}}", "tenant:*", True),
        ("{default: {tenant: dev}}", "tenant:dev/agent:*", True),
        ("{default: {tenant: dev}}", "tenant:dev/agent:bot", True),
        ("{default: {tenant: dev}}", "tenant:dev/agent:bot/toolset:*", True),
        ("{default: {tenant: dev}}", "tenant:dev/app:*", False),
        ("{default: {tenant: dev}}", "agent:*", False),
        ("{default: {tenant: dev}, accept: []}", "tenant:dev/agent:*", False),
        ("{default: {tenant: dev, app: web}}", "tenant:dev", True),
        ("{default: {tenant: dev, app: web}}", "tenant:dev/agent:*", False),
        ("{default: {tenant: dev, app: web}}", "tenant:dev/app:web/agent:*", True),
        ("{default: {tenant: dev, app: web}}", "tenant:dev/app:api/agent:*", False),
        ("{default: {tenant: dev, toolset: t}}", "tenant:dev/agent:*", True),
        ("{default: {}, accept: [tenant]}", "tenant:dev", True),
    ],
)
def test_a_budget_that_no_call_can_reach_is_told(
    identity: str, scope: str, reachable: bool
) -> None:
    """A misspelt level is a budget that never says no."""
    text = f"identity: {identity}\nbudgets: [{{scope: '{scope}', allocated: $1}}]"

    assert ("budgets[0].scope" not in paths(text)) is reachable


@pytest.mark.parametrize(
    ("scope", "reachable"),
    [
        ("*", True),
        ("tenant:dev/*", True),
        ("tenant:prod/*", False),
        ("tenant:dev/agent:bot/*", True),
        ("tenant:dev/app:web/*", False),
    ],
)
def test_a_policy_that_no_call_can_reach_is_told(scope: str, reachable: bool) -> None:
    text = CALM + f"policies: [{{name: a, scope: '{scope}', caps: {{max_tokens: 1}}}}]"

    assert ("policies[0].scope" not in paths(text)) is reachable


def test_a_budget_that_only_a_key_reaches_is_reachable() -> None:
    text = f"""
identity: {{default: {{tenant: dev}}}}
keys: [{{name: ci, sha256: {HASH}, subject: {{app: ci}}}}]
budgets:
  - {{scope: "tenant:dev", allocated: $1}}
  - {{scope: "tenant:dev/app:ci", allocated: $1}}
  - {{scope: "tenant:dev/app:web", allocated: $1}}
"""
    assert paths(text) == ["budgets[2].scope"]


def template(scope: str, accept: str, more: str = "") -> str:
    return f"""
identity: {{default: {{tenant: dev}}, accept: {accept}}}
budgets:
  - {{scope: "tenant:dev", allocated: $100}}
  - {{scope: "{scope}", allocated: $1}}
{more}
"""


@pytest.mark.parametrize(
    ("scope", "accept", "way_out"),
    [
        ("tenant:dev/agent:*", "[agent, toolset, run]", None),
        ("tenant:dev/agent:*", "[app, agent]", "identity.accept[0]"),
        ("tenant:dev/agent:*", "[agent, workflow]", "identity.accept[1]"),
        ("tenant:dev/app:*", "[app, agent]", None),
        ("tenant:dev/app:x/agent:*", "[app, agent]", None),
        ("tenant:dev/toolset:*", "[agent, toolset]", "identity.accept[0]"),
    ],
)
def test_an_accepted_level_that_leads_out_of_every_template_is_told(
    scope: str, accept: str, way_out: str | None
) -> None:
    """With one more name in its call, an agent would have only the tenant's limit."""
    found = [path for path in paths(template(scope, accept)) if path.startswith("identity.accept")]

    assert found == ([way_out] if way_out else [])


def test_a_second_template_can_close_the_way_out() -> None:
    open_way = template("tenant:dev/agent:*", "[app, agent]")
    closed = template(
        "tenant:dev/agent:*", "[app, agent]", '  - {scope: "tenant:dev/app:*", allocated: $1}'
    )

    assert paths(open_way) == ["identity.accept[0]"]
    assert paths(closed) == []


def test_a_price_per_token_is_told() -> None:
    """Bifrost #5243: a price per token where a million is meant makes a budget endless."""
    text = CALM + (
        "pricing: {overrides: [{model: m, input_per_mtok: 0.00000015, output_per_mtok: 0.6}]}"
    )
    ((path, problem),) = warned(text)

    assert path == "pricing.overrides[0]"
    assert problem.startswith("input_per_mtok is 0.00000015 USD per million tokens")


def test_plausible_prices_are_not_told() -> None:
    text = CALM + "pricing: {overrides: [{model: m, input_per_mtok: 0.15, output_per_mtok: 0.6}]}"

    assert warned(text) == []
