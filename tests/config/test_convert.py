"""The sections as the words of the domain."""

from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from pricing.override import Override
from proxy.config.convert import budget_lines, ledger_file, ledger_place, policies, price_overrides
from proxy.config.sections.pricing import OverrideConfig
from proxy.domain.decision import Caps
from proxy.domain.money import Unit
from proxy.domain.period import Period, Step
from proxy.domain.policy import ALWAYS, Band, Bounds, Condition, Hours, Remainder
from proxy.domain.scope import ScopePattern
from proxy.ledger.records import BudgetLine, BudgetStatus
from tests.config.writing import read


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///spendgate.db", "spendgate.db"),
        ("sqlite:///data/spend%20gate.db", "data/spend%20gate.db"),
        ("sqlite:////var/lib/spendgate.db", "/var/lib/spendgate.db"),
    ],
)
def test_the_ledgers_file_is_what_follows_the_third_slash(url: str, path: str) -> None:
    assert ledger_file(read(f"ledger: {{url: '{url}'}}")) == Path(path)


@pytest.mark.parametrize(
    ("url", "same_place"),
    [
        ("redis://a", "redis://me:secret@a:6379/0"),
        ("unix:///run/a", "unix://:secret@/run/a?db=0"),
        ("redis+sentinel://a/main", "redis+sentinel://:secret@a:26379/main/0"),
        ("sqlite:///a.db", "sqlite:///./a.db"),
    ],
)
def test_a_ledger_is_in_one_place_for_all_who_name_it(url: str, same_place: str) -> None:
    place = ledger_place(read(f"ledger: {{url: '{url}'}}"))

    assert ledger_place(read(f"ledger: {{url: '{same_place}'}}")) == place


@pytest.mark.parametrize(
    "urls",
    [
        ("redis://a/0", "redis://a/1"),
        ("redis://a:1", "redis://a:2"),
        ("redis+sentinel://a/main", "redis+sentinel://a/other"),
        ("sqlite:///a.db", "sqlite:///b.db"),
    ],
)
def test_two_ledgers_are_in_two_places(urls: tuple[str, str]) -> None:
    one, other = (ledger_place(read(f"ledger: {{url: '{url}'}}")) for url in urls)

    assert one != other


def test_budgets_become_lines_of_the_ledger_in_their_order() -> None:
    config = read("""
budgets:
  - {scope: "tenant:dev", allocated: $100.00, period: month, overdraft_limit: $1.00}
  - {scope: "tenant:dev/agent:*", allocated: $20.00, period: day, status: frozen}
  - {scope: "tenant:old", allocated: $0.00, status: closed}
""")

    assert budget_lines(config) == (
        BudgetLine(
            ScopePattern("tenant:dev"),
            Unit.USD_MICROCENTS,
            Period.MONTH,
            10_000_000_000,
            overdraft_limit=100_000_000,
        ),
        BudgetLine(
            ScopePattern("tenant:dev/agent:*"),
            Unit.USD_MICROCENTS,
            Period.DAY,
            2_000_000_000,
            status=BudgetStatus.FROZEN,
        ),
        BudgetLine(
            ScopePattern("tenant:old"),
            Unit.USD_MICROCENTS,
            Period.LIFETIME,
            0,
            status=BudgetStatus.CLOSED,
        ),
    )


def test_a_line_of_the_ledger_says_all_that_a_budget_says() -> None:
    config = read("""
budgets:
  - {scope: "tenant:dev", unit: TOKENS, allocated: 20_000_000, period: week,
     timezone: Europe/Berlin, rollover: 5_000}
  - {scope: "tenant:dev/**/agent:*", allocated: $20.00, rolling: 24h, idle_ttl: 7d}
  - {scope: "tenant:dev", per: run, allocated: $5.00, idle_ttl: 90m}
""")

    assert budget_lines(config) == (
        BudgetLine(
            ScopePattern("tenant:dev"),
            Unit.TOKENS,
            Period(Step.WEEK, "Europe/Berlin"),
            20_000_000,
            rollover_max=5_000,
        ),
        BudgetLine(
            ScopePattern("tenant:dev/**/agent:*"),
            Unit.USD_MICROCENTS,
            Period(Step.ROLLING, rolling_ms=86_400_000),
            2_000_000_000,
            idle_ttl_ms=7 * 86_400_000,
        ),
        BudgetLine(
            ScopePattern("tenant:dev/run:*"),
            Unit.USD_MICROCENTS,
            Period.LIFETIME,
            500_000_000,
            idle_ttl_ms=5_400_000,
        ),
    )


def test_a_policy_of_bands_keeps_them() -> None:
    config = read("""
policies:
  - name: thrift
    scope: "tenant:dev/*"
    priority: 10
    bands:
      - {used_pct: 80, caps: {max_tokens: 2000}, models: {gpt-4o: gpt-4o-mini}}
      - {used_pct: 95, caps: {tool_denylist: [web_search]}}
      - {used_pct: 99, models: {"*": gpt-4.1-nano}}
""")

    (policy,) = policies(config)

    assert (policy.name, policy.pattern, policy.priority) == (
        "thrift",
        ScopePattern("tenant:dev/*"),
        10,
    )
    assert policy.bands == (
        Band(80, Caps(max_tokens=2000), {"gpt-4o": "gpt-4o-mini"}),
        Band(95, Caps(tool_denylist=("web_search",))),
        Band(99, Caps(), {"*": "gpt-4.1-nano"}),
    )


@pytest.mark.parametrize(
    ("when", "condition"),
    [
        ("when: {used_pct: {gte: 30}}, ", Condition(used_pct=Bounds(gte=30))),
        ("", ALWAYS),
    ],
)
def test_a_policy_without_bands_is_one_band(when: str, condition: Condition) -> None:
    rewrite = "caps: {tool_allowlist: [read]}, models: {a: b}"
    config = read(f"policies: [{{name: a, scope: '*', {when}{rewrite}}}]")

    (policy,) = policies(config)

    assert policy.bands == (Band(0, Caps(tool_allowlist=("read",)), {"a": "b"}, when=condition),)


def test_a_condition_is_read_with_its_units() -> None:
    config = read("""
policies:
  - name: late
    scope: "*"
    when:
      reserved_pct: {gt: 10, lte: 90}
      remaining: {unit: TOKENS, lt: 5000}
      burn_rate: {exhausted_within: 2h}
      window_elapsed_pct: {lt: 50}
      hours: {after: "22:30", before: "06:00", timezone: Europe/Berlin}
    n: 1
    reasoning_effort: {high: medium, "*": low}
    service_tier: {priority: default}
""")

    (band,) = policies(config)[0].bands

    assert band == Band(
        0,
        reasoning_effort={"high": "medium", "*": "low"},
        service_tier={"priority": "default"},
        n=1,
        when=Condition(
            reserved_pct=Bounds(gt=10, lte=90),
            remaining=Remainder(Unit.TOKENS, Bounds(lt=5000)),
            exhausted_within_ms=7_200_000,
            window_elapsed_pct=Bounds(lt=50),
            hours=Hours(22 * 60 + 30, 6 * 60, "Europe/Berlin"),
        ),
    )


@pytest.mark.parametrize(
    ("deny", "text"), [("true", ""), ('"The office is closed."', "The office is closed.")]
)
def test_a_policy_denies_in_its_own_words(deny: str, text: str) -> None:
    (policy,) = policies(read(f"policies: [{{name: shut, scope: '*', deny: {deny}}}]"))

    assert policy.bands == (Band(0, deny=text),)


def test_a_band_with_a_pace_has_a_count_of_its_own() -> None:
    config = read("""
policies:
  - name: Thrift
    scope: "*"
    bands:
      - {used_pct: 80, caps: {max_steps_remaining: 20}}
      - {used_pct: 95, caps: {max_steps_remaining: 3, cooldown_ms: 500}}
      - {used_pct: 99, caps: {max_tokens: 5}}
""")

    first, second, third = policies(config)[0].bands

    assert (first.steps, second.steps, third.steps) == ("Thrift-80", "Thrift-95", None)
    assert second.caps == Caps(max_steps_remaining=3, cooldown_ms=500)


def test_overrides_keep_their_order_and_their_digits() -> None:
    config = read("""
pricing:
  overrides:
    - {model: "local/*", free: true}
    - {model: mine, input_per_mtok: 0.15, output_per_mtok: "0.60", cache_read_per_mtok: 0.075,
       context_window: 131072, hidden_output: false, tokenizer: o200k_base}
""")

    assert price_overrides(config) == (
        Override("local/*", free=True),
        Override(
            "mine",
            input_per_mtok=Decimal("0.15"),
            output_per_mtok=Decimal("0.60"),
            cache_read_per_mtok=Decimal("0.075"),
            context_window=131_072,
            hidden_output=False,
            tokenizer="o200k_base",
        ),
    )


def test_nothing_an_override_can_state_is_missing_in_the_file() -> None:
    assert {each.name for each in fields(Override)} == set(OverrideConfig.model_fields)
