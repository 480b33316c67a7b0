"""One row for each thing a section refuses beyond its single values."""

import pytest

from proxy.config.model import Config
from tests.config.test_values import HASH
from tests.config.writing import problems, read

NOT_SUPPORTED = "not supported in this version"
OTHER_HASH = "a" * 64
BAND = "{used_pct: 1, caps: {max_tokens: 1}}"


def policy(rest: str) -> str:
    return f"policies: [{{name: a, scope: '*', {rest}}}]"


def override(rest: str) -> str:
    return f"pricing: {{overrides: [{{model: m, {rest}}}]}}"


def keys(*rests: str) -> str:
    return f"keys: [{', '.join(f'{{name: {rest}}}' for rest in rests)}]"


def test_a_key_of_a_later_version_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Config, "later_keys", frozenset({"tomorrow"}))

    assert problems("tomorrow: yes") == [("tomorrow", NOT_SUPPORTED)]


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("pricing: {unknown_model: dearest}", "pricing.unknown_model", '"dearest"'),
    ],
)
def test_a_value_of_a_later_version_says_so(text: str, path: str, value: str) -> None:
    assert problems(text) == [(path, f"{value} is {NOT_SUPPORTED}")]


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        (
            "settle: {overage: REJECT}",
            "settle.overage",
            '"REJECT" is not possible here: the money is spent when the bill is known',
        ),
        ("settle: {overage: NEVER}", "settle.overage", "not one of the accepted values"),
        (
            "ledger: {url: 'sqlite:///:memory:'}",
            "ledger.url",
            "a ledger in memory would forget what was spent",
        ),
        ("ledger: {url: 'sqlite:///'}", "ledger.url", "not the address of a ledger"),
        ("ledger: {url: 'sqlite://a.db'}", "ledger.url", "not the address of a ledger"),
        ("ledger: {url: 'sqlite:///data/'}", "ledger.url", "not the address of a ledger"),
        ("ledger: {url: 'mysql://a'}", "ledger.url", "not the address of a ledger"),
        (
            "ledger: {url: 'sqlite:///a.db?mode=ro'}",
            "ledger.url",
            "options in the address are not accepted",
        ),
        (
            "ledger: {url: 'redis+sentinel://a:26379'}",
            "ledger.url",
            "the name of the master is missing: redis+sentinel://host:26379/name/0",
        ),
        (
            "ledger: {url: 'redis://a,b'}",
            "ledger.url",
            "redis:// takes one host; sentinels and clusters have schemes of theirs",
        ),
        (
            "ledger: {url: 'redis://a', durability: power}",
            "ledger.durability",
            "not ours to promise of a store: let it say appendfsync always",
        ),
        (
            "ledger: {replay_ms: 10000}",
            "ledger.replay_ms",
            "without effect: a ledger in a file forgets nothing that was answered",
        ),
        ("ledger: {url: 'redis://a', replay_ms: 0}", "ledger.replay_ms", "out of range"),
        (
            "identity: {default: {tenant: 'Acme Corp'}}",
            "identity.default.tenant",
            "cannot stand in a scope as it is written",
        ),
        (
            "identity: {default: {tenant: enc-abc}}",
            "identity.default.tenant",
            "cannot stand in a scope as it is written",
        ),
        ("identity: {default: {run: a}}", "identity.default.run", "unknown key"),
        (
            "identity: {accept: [agent, agent]}",
            "identity.accept[1]",
            "the same as entry [0] of this list",
        ),
        ("identity: {accept: [planet]}", "identity.accept[0]", "not one of the accepted values"),
        (
            keys(f"a, sha256: {HASH}", f"a, sha256: {OTHER_HASH}"),
            "keys[1]",
            "the same name as entry [0] of this list",
        ),
        (
            keys(f"a, sha256: {HASH}", f"b, sha256: {HASH.upper()}"),
            "keys[1]",
            "the same sha256 as entry [0] of this list",
        ),
        (
            "budgets: [{scope: 'tenant:a', allocated: $1}, {scope: 'tenant:A', allocated: $2}]",
            "budgets[1]",
            "the same scope, unit and window as entry [0] of this list",
        ),
        ("ledger: {config_version: 0}", "ledger.config_version", "out of range"),
        (
            "policies: [{name: a, scope: '*'}]",
            "policies[0]",
            "neither bands nor an effect: it would change nothing",
        ),
        (policy("bands: []"), "policies[0].bands", "empty"),
        (
            policy("bands: [{used_pct: 1}]"),
            "policies[0].bands[0]",
            "neither caps nor models nor another effect: it would change nothing",
        ),
        (
            policy(f"bands: [{BAND}, {BAND}]"),
            "policies[0].bands[1]",
            "the same used_pct as entry [0] of this list",
        ),
        (
            policy(f"bands: [{BAND}], when: {{used_pct: {{gte: 1}}}}"),
            "policies[0].when",
            "beside bands: put it into a band",
        ),
        (policy("caps: {}"), "policies[0].caps", "empty"),
        (policy("caps: {max_tokens: 0}"), "policies[0].caps.max_tokens", "out of range"),
        (policy("caps: {tool_allowlist: []}"), "policies[0].caps.tool_allowlist", "empty"),
        (
            policy("caps: {tool_denylist: ['*']}"),
            "policies[0].caps.tool_denylist[0]",
            "not written as it must be",
        ),
        (
            policy("caps: {tool_allowlist: [x], tool_denylist: [y]}"),
            "policies[0].caps.tool_denylist",
            "without effect beside tool_allowlist",
        ),
        (policy("models: {}"), "policies[0].models", "empty"),
        (
            policy("models: {gpt-4o: 'gpt-*'}"),
            'policies[0].models["gpt-4o"]',
            "not written as it must be",
        ),
        (
            policy("caps: {max_tokens: 1}}, {name: a, scope: '*', caps: {max_tokens: 1}"),
            "policies[1]",
            "the same name as entry [0] of this list",
        ),
        ("degrade: {max_share_pct: 0}", "degrade.max_share_pct", "out of range"),
        ("degrade: {max_share_pct: 101}", "degrade.max_share_pct", "out of range"),
        (
            "degrade: {fallback_models: {a: [b, a]}}",
            "degrade.fallback_models.a",
            "a model cannot stand in for itself",
        ),
        ("degrade: {fallback_models: {a: []}}", "degrade.fallback_models.a", "empty"),
        (
            "degrade: {fallback_models: {'a*': b}}",
            'degrade.fallback_models["a*"]',
            "not written as it must be",
        ),
        (
            override("input_per_mtok: -0.1, output_per_mtok: 1"),
            "pricing.overrides[0].input_per_mtok",
            "out of range",
        ),
        (
            override("input_per_mtok: .nan, output_per_mtok: 1"),
            "pricing.overrides[0].input_per_mtok",
            "not a finite number",
        ),
        (
            override("input_per_mtok: 'NaN', output_per_mtok: 1"),
            "pricing.overrides[0].input_per_mtok",
            "not a finite number",
        ),
        (
            override("input_per_mtok: $1, output_per_mtok: 1"),
            "pricing.overrides[0].input_per_mtok",
            "text that cannot be read as such",
        ),
        (
            override("input_per_mtok: 0, output_per_mtok: 0"),
            "pricing.overrides[0]",
            "every price is zero: write free: true if the model costs nothing",
        ),
        (
            override("input_per_mtok: 1"),
            "pricing.overrides[0]",
            "input_per_mtok and output_per_mtok are needed together",
        ),
        (
            override("cache_read_per_mtok: 1"),
            "pricing.overrides[0]",
            "input_per_mtok and output_per_mtok are needed together",
        ),
        (
            override("free: true, input_per_mtok: 1, output_per_mtok: 1"),
            "pricing.overrides[0]",
            "free: true and a price contradict each other",
        ),
        (override("tokenizer: o201k"), "pricing.overrides[0].tokenizer", "unknown"),
        (
            "pricing: {overrides: [{model: m}]}",
            "pricing.overrides[0]",
            "neither prices nor limits nor free: true",
        ),
        (
            "pricing: {overrides: [{model: m, free: true}, {model: m, free: true}]}",
            "pricing.overrides[1]",
            "the same model as entry [0] of this list",
        ),
        (
            "pricing: {unbounded: 5}",
            "pricing.unbounded",
            'a bare number below one cent: write "$5.00"',
        ),
        ("responses: {deny_status: 200}", "responses.deny_status", "out of range"),
        ("templates_max: 0", "templates_max", "out of range"),
        ("shutdown_ms: -1", "shutdown_ms", "out of range"),
        ("degrade:", "degrade", "no value"),
        ("degrade: 5", "degrade", "not of the kind that is accepted"),
        ("upstreams: []", "upstreams", "empty"),
        ("budgets: {scope: a}", "budgets", "a map"),
        ("just text", "", "text that cannot be read as such"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, path: str, problem: str) -> None:
    if not path:
        text = f"{text} # upstreams:"
    assert problems(text) == [(path, problem)]


def test_one_fallback_model_needs_no_list() -> None:
    config = read("degrade: {fallback_models: {a: b, c: [d, e]}}")

    assert config.degrade.fallback_models == {"a": ("b",), "c": ("d", "e")}


def test_an_amount_for_unbounded_calls_is_money() -> None:
    assert read("pricing: {unbounded: $2.50}").pricing.unbounded == 250_000_000
    assert read("").pricing.unbounded == "deny"


def test_a_key_with_only_the_permission_to_reserve_is_a_key() -> None:
    config = read(keys(f"a, sha256: {HASH}, permissions: ['reservations:create']"))

    assert config.keys[0].permissions == ("reservations:create",)
