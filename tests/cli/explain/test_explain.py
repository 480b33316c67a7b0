"""`explain` says who decides about a call, and why; and what is still known of one that left."""

import json
from pathlib import Path
from typing import Any

from proxy.domain.subject import Subject
from proxy.ledger.records import ReserveRequest, Span
from proxy.opening import Home
from tests.cli.books.ledgers import CENT, TOKENS, USD, make_ledger, on_ledger
from tests.cli.commands import answered, run, write_config

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
BODY = {
    "model": "gpt-4o",
    "max_tokens": 500,
    "messages": [{"role": "user", "content": "say this is a test"}],
}
POLICIES = """
degrade: {fallback_models: {"gpt-4o": ["gpt-3.5-turbo", "gpt-4o-mini"]}}
policies:
  - {name: elsewhere, scope: "tenant:prod/*", priority: 9, n: 1}
  - {name: late, scope: "*", priority: 5, bands: [{used_pct: 80, n: 1}]}
  - {name: rush, scope: "*", priority: 4, when: {reserved_pct: {gte: 10}}, n: 1}
  - {name: tiers, scope: "*", priority: 3, service_tier: {priority: default}, n: 2}
  - {name: spare, scope: "*", priority: 1, n: 3}
"""


def body(folder: Path, **fields: Any) -> str:
    file = folder / "body.json"
    file.write_text(json.dumps(BODY | fields))
    return str(file)


def explained(folder: Path, *, more: str = POLICIES, **fields: Any) -> str:
    """What people read of it."""
    config = write_config(folder, more=more)
    return run("explain", body(folder, **fields), "-c", str(config)).output


def line_of(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_each_policy_says_why_it_decides_or_not(tmp_path: Path) -> None:
    said = explained(tmp_path)

    assert "is for other scopes" in line_of(said, "elsewhere")
    assert "does not hold: used_pct" in line_of(said, "late")
    assert "does not hold: reserved_pct" in line_of(said, "rush")
    assert "decides: at most 2 answers, service tier priority to default" in line_of(said, "tiers")
    assert "would hold, and another goes before it" in line_of(said, "spare")
    places = [said.index(f"\n{name}") for name in ("elsewhere", "late", "rush", "tiers", "spare")]
    assert places == sorted(places)


def test_programs_read_the_same(tmp_path: Path) -> None:
    config = write_config(tmp_path, more=POLICIES)
    told = answered("explain", body(tmp_path, n=3), "-c", str(config))

    assert told["policy"] == "tiers"
    assert told["decision"] == "ALLOW_WITH_CAPS"
    assert told["caps"] == ["n"]
    assert [(each["name"], each.get("unmet"), each.get("band")) for each in told["policies"]] == [
        ("elsewhere", "scope", None),
        ("late", "used_pct", None),
        ("rush", "reserved_pct", None),
        ("tiers", None, 0),
        ("spare", None, 0),
    ]


def test_each_rung_has_its_price_and_who_cannot_stand_in_is_named(tmp_path: Path) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
    said = explained(tmp_path, response_format=schema)

    assert "gpt-3.5-turbo cannot stand in: it lacks json schema for this call" in said
    assert said.count("gpt-4o-mini") == 2
    assert "$0.0051" in said


def test_each_budget_has_its_headroom_and_says_its_own(tmp_path: Path) -> None:
    config = write_config(
        tmp_path,
        budgets="""
  - {scope: "tenant:dev", allocated: $10.00, period: month}
  - {scope: "tenant:dev", allocated: $0.001, period: day}
  - {scope: "tenant:dev", unit: CALLS, allocated: 5}
""",
    )
    refused = run("explain", body(tmp_path), "-c", str(config))

    assert refused.exit_code == 1
    assert "$10.00" in line_of(refused.output, "month  ")
    assert "no: budget_exceeded" in line_of(refused.output, "day  ")
    assert "5 calls" in line_of(refused.output, "rung 1, 1 call")
    assert "DENY" in refused.output


def test_a_policy_that_denies_says_so(tmp_path: Path) -> None:
    config = write_config(tmp_path, more="policies: [{name: shut, scope: '*', deny: true}]")
    refused = run("explain", body(tmp_path), "-c", str(config))

    assert refused.exit_code == 1
    assert "decides: no call at all" in line_of(refused.output, "shut")
    assert "The policy shut allows no calls at present" in refused.output


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    wrong = run("explain", str(tmp_path / "none.json"), "-c", str(write_config(tmp_path)))

    assert wrong.exit_code == 2
    assert "No such file" in wrong.output


def test_a_budget_says_how_long_it_lasts_at_its_rate(tmp_path: Path) -> None:
    """$0.30 in 24 hours, and $9.70 remains: 776 hours, or 32 days."""
    config = make_ledger(
        tmp_path, budgets='[{scope: "tenant:dev", allocated: $10.00, rolling: 24h}]'
    )
    leave_a_call(config)

    said = run("explain", body(tmp_path), "-c", str(config)).output

    assert " 32d " in line_of(said, "$9.70")


def leave_a_call(config_file: Path) -> None:
    """One call that was made, after another, with its budgets known before and after."""

    async def work(ledger: Home) -> None:
        def request(number: int, trace_id: str) -> ReserveRequest:
            return ReserveRequest(
                key=f"call/{number}",
                payload_hash="a",
                subject=Subject(tenant="dev", agent="bot"),
                plan=({USD: Span(CENT, 30 * CENT), TOKENS: Span(100, 100)},),
                ttl_ms=60_000,
                action_name="gpt-4o",
                trace_id=trace_id,
                price_version="prices 1",
                metadata={"policy": "thrift", "bound": "exact"},
            )

        first = await ledger.reserve(request(1, "f" * 32))
        await ledger.commit(
            first.reservation_id, actual={USD: 10 * CENT, TOKENS: 5}, key="c", payload_hash="c"
        )
        second = await ledger.reserve(request(2, TRACE_ID))
        await ledger.dispatch(second.reservation_id)
        await ledger.commit(
            second.reservation_id,
            actual={USD: 20 * CENT, TOKENS: 5},
            key="d",
            payload_hash="d",
            metadata={"served_model": "gpt-4o-mini"},
        )

    on_ledger(config_file, work)


def test_of_a_past_call_its_hold_is_known_and_what_its_budgets_had(
    config_file: Path,
) -> None:
    leave_a_call(config_file)
    told = answered("explain", TRACE_ID, "-c", str(config_file))

    (attempt,) = told["attempts"]
    assert attempt["policy"] == "thrift"
    assert attempt["asked_for"] == "gpt-4o"
    assert attempt["served_by"] == "gpt-4o-mini"
    assert attempt["state"] == "COMMITTED"
    assert "$0.20" in attempt["charged"]
    assert [(each["scope"], each["remaining"], each["held"]) for each in attempt["budgets"]] == [
        ("tenant:dev", 990 * CENT, 30 * CENT),
        ("tenant:dev/agent:bot", 90 * CENT, 30 * CENT),
    ]
    assert any("body" in what for what in told["not_known"])


def test_people_read_it_too(config_file: Path) -> None:
    leave_a_call(config_file)
    said = run("explain", TRACE_ID, "-c", str(config_file)).output

    assert "Attempt 1 of 1" in said
    assert "$9.90" in line_of(said, "tenant:dev  ")
    assert "Not known any more" in said


def test_a_trace_without_a_hold_says_what_that_may_mean(config_file: Path) -> None:
    leave_a_call(config_file)
    nothing = run("explain", "0" * 32, "-c", str(config_file))

    assert nothing.exit_code == 1
    assert "no hold has this trace id" in nothing.output
