"""What callers and operators are told of a call: headers, usage, figures, log lines."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from proxy.config.load import parse
from proxy.domain.clock import SystemClock
from proxy.domain.money import MICROCENTS_PER_USD, usd
from simulator.behaviour import Behaviour, Cut, Hang, Wire
from simulator.server import Simulator
from tests.e2e.stack import Stack, config_text, running
from tests.e2e.wire import (
    RawAnswer,
    answered,
    call,
    connected,
    encode,
    exchange,
    read_answer,
    request_bytes,
    without_extra_chunk,
)

# gpt-4o, "hi": 8 tokens in at $2.50, at most 100 out at $10 per million.
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}
HOLD = 8 * 250 + 100 * 1000
COST = 8 * 250 + 20 * 1000
TWENTY = Behaviour(output_tokens=20)
STREAM = BODY | {"stream": True}
STREAM_WITH_USAGE = STREAM | {"stream_options": {"include_usage": True}}

AGENT = "X-Cycles-Agent: bot"
TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"traceparent: 00-{TRACE}-b7ad6b7169203331-01"
BUDGETS: list[dict[str, object]] = [
    {"scope": "tenant:dev", "allocated": "$100.00", "period": "none"},
    {"scope": "tenant:dev/agent:*", "allocated": "$0.01", "period": "day"},
]


def budget_headers(answer: RawAnswer) -> dict[str, str]:
    return {
        name: value
        for name, value in answer.headers.items()
        if name.startswith(("x-budget-", "x-cycles-"))
    }


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["json", "stream"])
async def test_an_answer_says_what_it_means_for_the_budget(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any]
) -> None:
    """Cost is not on streams: it is known only after the headers."""
    simulator.behave(TWENTY)
    async with running(tmp_path, simulator, budgets=BUDGETS) as stack:
        answer = await answered(stack.base_url, body, AGENT, TRACEPARENT)

        expected = {
            "x-budget-decision": "ALLOW",
            "x-budget-reservation-id": (await stack.row()).reservation_id,
            "x-budget-estimate-usd": "0.00102",
            "x-budget-remaining-usd": usd(MICROCENTS_PER_USD // 100 - HOLD),
            "x-budget-scope": "tenant:dev/agent:bot",
            "x-cycles-trace-id": TRACE,
        }
        if "stream" not in body:
            expected["x-budget-cost-usd"] = usd(COST)
        assert budget_headers(answer) == expected
        assert simulator.total_microcents == COST


async def test_a_refusal_says_how_much_is_left_and_what_it_would_pay_for(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with running(tmp_path, simulator, budgets=BUDGETS) as stack:
        answer = await answered(stack.base_url, BODY | {"max_tokens": 9_000, "n": 9}, AGENT)

        headers, error = budget_headers(answer), answer.error()
        assert headers.pop("x-cycles-trace-id") == error["budget"]["trace_id"]
        assert headers == {
            "x-budget-decision": "DENY",
            "x-budget-scope": "tenant:dev/agent:bot",
            "x-budget-remaining-usd": "0.01",
        }
        assert answer.headers["x-should-retry"] == "false"
        assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
        budget = error["budget"]
        # The shortest answer worth having is 256 tokens, nine times; the budget pays for 110.
        assert budget["required"] == 8 * 250 + 9 * 256 * 1000
        assert budget["remaining"] == MICROCENTS_PER_USD // 100
        assert budget["affordable_max_tokens"] == (MICROCENTS_PER_USD // 100 - 8 * 250) // 9_000
        assert budget["resets_at"].endswith("T00:00:00Z")
        assert "$0.01 remains" in error["message"]
        assert budget["resets_at"] in error["message"]


async def test_a_call_is_one_line_of_ids_and_amounts(tmp_path: Path, simulator: Simulator) -> None:
    simulator.behave(TWENTY)
    async with running(tmp_path, simulator, budgets=BUDGETS) as stack:
        await answered(stack.base_url, BODY, AGENT, TRACEPARENT)

        (line,) = stack.log.events("call")
        row = await stack.row()
        told: dict[str, Any] = {name: value for name, value in line.items() if value is not None}
        assert told.pop("added_us") >= 0
        assert told.pop("total_us") > 0
        assert told == {
            "event": "call",
            "trace_id": TRACE,
            "api": "chat",
            "decision": "ALLOW",
            "status": 200,
            "scope": "tenant:dev/agent:bot",
            "model": "gpt-4o",
            "served_model": "gpt-4o-2024-08-06",
            "upstream": "simulated",
            "bound": "exact",
            "reservation_id": row.reservation_id,
            "estimate_microcents": HOLD,
            "held_microcents": HOLD,
            "charged_microcents": COST,
            "held_tokens": 8 + 100,
            "charged_tokens": 8 + 20,
            "outcome": "complete",
        }
        assert row.trace_id == TRACE


async def samples(stack: Stack) -> list[Sample]:
    came = await exchange(stack.admin_url, request_bytes(method="GET", path="/metrics"))
    answer = read_answer(came)
    assert answer is not None
    assert answer.headers["content-type"].startswith("text/plain")
    families = text_string_to_metric_families(answer.body.decode())
    return [sample for family in families for sample in family.samples]


def values(found: list[Sample], name: str) -> dict[tuple[str, ...], float]:
    """The values of a figure by its labels, in the order of their names."""
    return {
        tuple(label for _, label in sorted(sample.labels.items())): sample.value
        for sample in found
        if sample.name == name
    }


async def test_the_figures_are_those_of_the_calls(tmp_path: Path, simulator: Simulator) -> None:
    lost = Behaviour(cut=Cut(at="before_headers"))
    simulator.script(TWENTY, TWENTY, lost, Behaviour(output_tokens=300, ignore_limit=True))
    async with running(tmp_path, simulator, budgets=BUDGETS) as stack:
        await answered(stack.base_url, BODY, AGENT)
        await answered(stack.base_url, STREAM, AGENT)
        await answered(stack.base_url, BODY, AGENT)
        await answered(stack.base_url, BODY, AGENT)
        await answered(stack.base_url, BODY | {"n": 128}, AGENT)
        await answered(stack.base_url, BODY | {"model": "gpt-99"}, AGENT)
        await exchange(stack.base_url, request_bytes(method="GET", path="/v1/models"))
        found = await samples(stack)

    # By api, decision, model and status.
    assert values(found, "spendgate_calls_total") == {
        ("chat", "ALLOW", "gpt-4o", "200"): 3,
        ("chat", "ALLOW", "gpt-4o", "502"): 1,
        ("chat", "DENY", "gpt-4o", "429"): 1,
        ("chat", "DENY", "gpt-99", "400"): 1,
        ("models", "ALLOW", "none", "200"): 1,
    }
    charged = 2 * COST + 8 * 250 + 300 * 1000
    assert charged == simulator.total_microcents - simulator.bills[2].amount_microcents
    cost = values(found, "spendgate_cost_usd_total")
    assert {key: round(value * 1e8) for key, value in cost.items()} == {("gpt-4o", "dev"): charged}
    assert values(found, "spendgate_uncovered_usd_total") == {(): 0}
    assert values(found, "spendgate_reservations_open") == {(): 0}
    assert values(found, "spendgate_reservations_uncertain") == {(): 1}
    assert values(found, "spendgate_settlements_pending") == {(): 0}
    assert values(found, "spendgate_estimate_exceeded_total") == {("chat", "exact", "gpt-4o"): 1}
    (broken,) = stack.log.events("bound_broken")
    assert (broken["model"], broken["api"], broken["bound"]) == ("gpt-4o", "chat", "exact")
    assert broken["held_microcents"] == HOLD
    assert broken["cost_microcents"] == 8 * 250 + 300 * 1000
    assert values(found, "spendgate_estimate_ratio_count") == {(): 3}
    assert values(found, "spendgate_added_latency_seconds_count") == {(): 7}
    assert values(found, "spendgate_time_to_first_byte_seconds_count") == {(): 3}
    assert values(found, "spendgate_ledger_seconds_count")[("reserve",)] == 5
    remaining = values(found, "spendgate_budget_remaining_usd")
    assert {key: round(value * 1e8) for key, value in remaining.items()} == {
        ("lifetime", "tenant:dev"): 100 * MICROCENTS_PER_USD - charged - HOLD,
        ("day", "tenant:dev/agent:bot"): MICROCENTS_PER_USD // 100 - charged - HOLD,
    }


async def test_tokens_left_are_a_figure_of_their_own(tmp_path: Path, simulator: Simulator) -> None:
    simulator.behave(TWENTY)
    tokens = {"unit": "TOKENS", "allocated": 1_000}
    budgets = [
        *BUDGETS,
        {"scope": "tenant:dev", "rolling": "24h", **tokens},
        {"scope": "tenant:dev", "per": "run", "idle_ttl": "24h", **tokens},
    ]
    async with running(tmp_path, simulator, budgets=budgets) as stack:
        await answered(stack.base_url, BODY, "X-Cycles-Run: 7")
        found = await samples(stack)

    assert values(found, "spendgate_budget_remaining_tokens") == {
        ("rolling:86400000", "tenant:dev"): 1_000 - 28,
        ("lifetime", "tenant:dev/run:7"): 1_000 - 28,
    }


async def test_an_older_configuration_is_not_followed_and_that_is_said(
    tmp_path: Path, simulator: Simulator
) -> None:
    """A proxy that still has yesterday's file must not undo what today's changed."""
    newer = {"budgets": BUDGETS, "ledger": {"url": url(tmp_path), "config_version": 7}}
    older = {
        "budgets": [{"scope": "tenant:dev", "allocated": "$1.00", "period": "none"}],
        "ledger": {"url": url(tmp_path), "config_version": 6},
    }
    async with running(tmp_path, simulator, **newer):
        pass
    async with running(tmp_path, simulator, **older) as stack:
        (told,) = stack.log.events("declaration_ignored")
        assert (told["version"], told["version_in_force"]) == (6, 7)
        assert (await stack.balance()).allocated == 100 * MICROCENTS_PER_USD
        assert (await answered(stack.base_url, BODY)).status == 200

        text = config_text(tmp_path, simulator.base_url, newer)
        await stack.server.reload(parse(text, file="test", env={}))
        assert len(stack.log.events("declaration_ignored")) == 1


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


class LaterClock(SystemClock):
    """A clock that a test may set."""

    later_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.later_ms


async def test_a_budget_that_nobody_used_for_long_goes_and_that_is_said(
    tmp_path: Path, simulator: Simulator
) -> None:
    clock = LaterClock()
    template = {"scope": "tenant:dev/agent:*", "allocated": "$1.00", "period": "none"}
    budgets = [BUDGETS[0], template | {"idle_ttl": "1m"}]
    async with running(tmp_path, simulator, clock, budgets=budgets) as stack:
        await answered(stack.base_url, BODY, AGENT)
        clock.later_ms = 61_000

        (told,) = await stack.log.until("budget_retired")
        assert told == {
            "event": "budget_retired",
            "scope": "tenant:dev/agent:bot",
            "unit": "USD_MICROCENTS",
            "period": "lifetime",
        }
        assert [b.scope for b in await stack.books.all_balances()] == ["tenant:dev"]


async def test_a_call_in_flight_is_an_open_reservation(stack: Stack) -> None:
    stack.simulator.behave(Behaviour(gate="go"))
    async with connected(stack.base_url) as connection:
        await connection.send(request_bytes(encode(BODY)))
        await stack.simulator.until(lambda: stack.simulator.in_flight == 1)
        during = values(await samples(stack), "spendgate_reservations_open")
        stack.simulator.open_gate("go")
        await connection.read_all()

    assert during == {(): 1}
    assert values(await samples(stack), "spendgate_reservations_open") == {(): 0}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/actuator/health/liveness"])
async def test_health_is_on_both_ports_and_for_every_host(stack: Stack, path: str) -> None:
    for url in (stack.base_url, stack.admin_url):
        data = request_bytes(method="GET", path=path, host="10.1.2.3")
        answer = read_answer(await exchange(url, data))

        assert answer is not None
        assert (answer.status, answer.json()["status"]) == (200, "UP")
    assert stack.log.events("call") == []


async def test_metrics_are_not_on_the_port_of_the_callers(stack: Stack) -> None:
    data = request_bytes(method="GET", path="/metrics")

    answer = read_answer(await exchange(stack.base_url, data))

    assert answer is not None
    assert answer.status == 403


def usages(answer: RawAnswer) -> Iterator[dict[str, Any]]:
    for line in answer.body.decode().splitlines():
        if line.startswith("data: {") and (usage := json.loads(line[6:]).get("usage")):
            yield usage


EXPOSED: dict[str, object] = {"expose_cost": "usage"}


async def test_the_cost_stands_in_the_usage_of_an_answer(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(TWENTY)
    direct = await answered(simulator.address, BODY)
    simulator.reset()
    async with running(tmp_path, simulator, responses=EXPOSED) as stack:
        answer = await answered(stack.base_url, BODY, "Accept-Encoding: gzip")

    assert answer.headers["x-budget-cost-usd"] == usd(COST)
    expected = direct.json()
    expected["usage"]["cost_usd"] = usd(COST)
    assert answer.json() == expected


async def test_the_cost_stands_in_the_usage_of_a_stream_that_asked_for_it(
    tmp_path: Path, simulator: Simulator
) -> None:
    """Nothing else changes, and nobody gets a chunk more."""
    simulator.behave(TWENTY)
    direct = await answered(simulator.address, STREAM_WITH_USAGE)
    simulator.reset()
    async with running(tmp_path, simulator, responses=EXPOSED) as stack:
        asked = await answered(stack.base_url, STREAM_WITH_USAGE)
        simulator.reset()
        not_asked = await answered(stack.base_url, STREAM)

    (usage,) = usages(asked)
    (expected,) = usages(direct)
    assert usage == expected | {"cost_usd": usd(COST)}
    added = f',"cost_usd":"{usd(COST)}"'.encode()
    assert asked.body.replace(added, b"") == direct.body
    assert list(usages(not_asked)) == []
    assert not_asked.body == without_extra_chunk(direct.body)


@pytest.mark.parametrize("coding", ["gzip", "br"])
async def test_an_answer_that_is_compressed_unasked_keeps_its_bytes(
    tmp_path: Path, simulator: Simulator, coding: Any
) -> None:
    """Its cost is in the header."""
    simulator.behave(Behaviour(output_tokens=20, wire=Wire(compression=coding)))
    direct = await answered(simulator.address, BODY)
    simulator.reset()
    async with running(tmp_path, simulator, responses=EXPOSED) as stack:
        answer = await answered(stack.base_url, BODY)

    assert answer.body == direct.body
    assert answer.headers["x-budget-cost-usd"] == usd(COST)


async def test_a_stream_that_breaks_has_no_cost_to_show(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(Behaviour(output_tokens=20, hang=Hang(at="event", after=3)))
    async with running(tmp_path, simulator, responses=EXPOSED) as stack:
        async with connected(stack.base_url) as connection:
            await connection.send(request_bytes(encode(STREAM_WITH_USAGE)))
            await connection.read_until(b"\n\n")
            connection.hang_up()
        await stack.log.until("call")
        simulator.behave(Behaviour(output_tokens=20, cut=Cut(at="event", after=9)))
        broken = await call(stack.base_url, STREAM_WITH_USAGE)

    assert broken is not None
    assert b"cost_usd" not in broken.body
