"""Calls that the proxy sends again, on real sockets: what callers see and what it costs."""

from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from proxy.domain.reservation import State
from simulator.behaviour import Behaviour, Cut
from simulator.server import Simulator
from tests.e2e.attempts.behind import BODIES, BODY, SOON, failing, retrying
from tests.e2e.stack import Stack, held
from tests.e2e.test_outage import Away, ledger_of
from tests.e2e.wire import answered

each_body = pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
HELD_BACK = Behaviour(cut=Cut(at="before_headers"), billed="in_full")
"""It is billed, and nobody sees a status."""


async def assert_paid(stack: Stack) -> None:
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)


@each_body
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 529])
async def test_what_failed_is_sent_again_as_it_was_and_charged_once(
    tmp_path: Path, simulator: Simulator, body: dict[str, Any], status: int
) -> None:
    simulator.script(failing(status, retry_after="0.001"))
    async with retrying(tmp_path, simulator) as stack:
        answer = await answered(stack.base_url, body)

        first, second = await stack.rows()
        assert (answer.status, answer.whole) == (200, True)
        assert answer.headers["x-budget-attempts"] == "2"
        assert answer.headers["x-budget-reservation-id"] == second.reservation_id
        assert [first.state, second.state] == [State.RELEASED, State.COMMITTED]
        one, again = simulator.requests_seen
        assert (one.path, one.body_bytes) == (again.path, again.body_bytes)
        await assert_paid(stack)


async def test_each_attempt_stands_in_the_journal_under_the_trace_of_its_call(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.script(failing(), failing())
    trace = "X-Cycles-Trace-Id: " + "5" * 32
    async with retrying(tmp_path, simulator, {"max_attempts": 3, "backoff_ms": 1}) as stack:
        await answered(stack.base_url, BODY, trace)

        assert {row.trace_id for row in await stack.rows()} == {"5" * 32}
        entries = [entry for entry in await stack.journal() if entry.reservation_id]
        assert {entry.trace_id for entry in entries} == {"5" * 32}
        kinds = [entry.kind for entry in entries]
        assert kinds == ["reserve", "dispatch", "release"] * 2 + ["reserve", "dispatch", "commit"]


async def test_the_log_and_the_figures_tell_of_each_attempt(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.script(failing(429))
    async with retrying(tmp_path, simulator) as stack, aiohttp.ClientSession() as session:
        await answered(stack.base_url, BODY)
        async with session.get(f"{stack.admin_url}/metrics") as page:
            figures = await page.text()

        first, second = await stack.rows()
        (failed,) = stack.log.events("attempt_failed")
        (call,) = stack.log.events("call")
        told = [failed[name] for name in ("attempt", "upstream", "outcome", "status", "pause_ms")]
        assert told == [1, "first", "refused", 429, 1]
        assert failed["reservation_id"] == first.reservation_id
        assert failed["trace_id"] == call["trace_id"] == first.trace_id
        assert [call[name] for name in ("upstream", "attempts", "status")] == ["first", 2, 200]
        assert call["reservation_id"] == second.reservation_id
        for outcome in ("refused", "complete"):
            labels = f'outcome="{outcome}",upstream="first"'
            assert f"spendgate_attempts_total{{{labels}}} 1.0" in figures


async def test_a_call_that_is_sent_once_says_nothing_of_attempts(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with retrying(tmp_path, simulator) as stack:
        answer = await answered(stack.base_url, BODY)

        (line,) = stack.log.events("call")
        assert "x-budget-attempts" not in answer.headers
        assert (line["upstream"], line["attempts"]) == ("first", None)


async def test_the_last_error_is_passed_on_as_it_came(tmp_path: Path, simulator: Simulator) -> None:
    simulator.behave(failing(503, retry_after="0.001"))
    async with retrying(tmp_path, simulator) as stack:
        async with AsyncOpenAI(base_url=stack.base_url, api_key="any", max_retries=0) as sdk:
            with pytest.raises(openai.InternalServerError) as failure:
                await sdk.chat.completions.create(**BODY)

        assert failure.value.code == "of_upstream"
        assert failure.value.response.headers["x-budget-attempts"] == "2"
        assert failure.value.response.headers["x-budget-cost-usd"] == "0.00"
        assert failure.value.response.headers["retry-after"] == "0.001"
        assert {row.state for row in await stack.rows()} == {State.RELEASED}


async def test_an_upstream_that_asks_for_a_long_pause_is_not_asked_again(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.behave(failing(429, retry_after="3600"))
    async with retrying(tmp_path, simulator) as stack:
        answer = await answered(stack.base_url, BODY)

        assert (answer.status, answer.headers["retry-after"]) == (429, "3600")
        assert len(simulator.requests_seen) == 1
        assert stack.log.events("attempt_failed") == []


@pytest.mark.parametrize("opts_in", [False, True])
async def test_what_nobody_saw_a_status_of_is_sent_again_by_choice_and_stays_held(
    tmp_path: Path, simulator: Simulator, opts_in: bool
) -> None:
    """Field-report 68: such attempts are billed all the same."""
    simulator.script(HELD_BACK)
    async with retrying(tmp_path, simulator, {**SOON, "after_no_status": opts_in}) as stack:
        answer = await answered(stack.base_url, BODY)

        first, *more = await stack.rows()
        assert (answer.status, len(more)) == ((200, 1) if opts_in else (502, 0))
        assert first.state is State.UNCERTAIN
        assert (await stack.balance()).uncertain == held(first)
        charged, uncovered = await stack.charged_and_uncovered()
        assert held(first) + charged >= simulator.total_microcents
        assert uncovered == 0


async def test_a_stream_that_broke_off_is_not_sent_again(
    tmp_path: Path, simulator: Simulator
) -> None:
    simulator.script(Behaviour(output_tokens=20, cut=Cut(at="event", after=3)))
    async with retrying(tmp_path, simulator, {**SOON, "after_no_status": True}) as stack:
        answer = await answered(stack.base_url, BODIES["SSE"])

        assert (answer.status, answer.whole) == (200, False)
        assert len(simulator.requests_seen) == 1


async def test_what_costs_nothing_is_passed_on_once(tmp_path: Path, simulator: Simulator) -> None:
    async with (
        retrying(tmp_path, simulator) as stack,
        aiohttp.ClientSession() as session,
        session.get(f"{stack.base_url}/models/no-such-model") as answer,
    ):
        assert answer.status == 404
        assert len(simulator.requests_seen) == 1
        assert await stack.rows() == ()


async def test_an_overloaded_claude_is_asked_again(tmp_path: Path, simulator: Simulator) -> None:
    simulator.script(failing(529))
    upstream = {"name": "claude", "base_url": simulator.base_url, "api_key": "none"}
    upstreams = [{**upstream, "api": "anthropic", "retries": SOON}]
    async with retrying(tmp_path, simulator, upstreams=upstreams) as stack:
        url = stack.base_url.removesuffix("/v1")
        async with AsyncAnthropic(base_url=url, api_key="any", max_retries=0) as sdk:
            message = await sdk.messages.create(
                model="claude-haiku-4-5",
                max_tokens=40,
                messages=[{"role": "user", "content": "Say something."}],
            )

        assert message.content
        assert [row.state for row in await stack.rows()] == [State.RELEASED, State.COMMITTED]
        await assert_paid(stack)


@each_body
async def test_a_call_that_left_without_a_hold_is_sent_again_without_one(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any]
) -> None:
    simulator.script(failing())
    async with retrying(tmp_path, simulator, ledger=ledger_of(tmp_path, "allow")) as stack:
        away = Away(monkeypatch, "reserve", "release", "apply")
        answer = await answered(stack.base_url, body)
        away.is_on = False
        await stack.log.until("ledger_back")

        assert (answer.status, answer.headers["x-budget-held"]) == (200, "false")
        assert answer.headers["x-budget-attempts"] == "2"
        assert [row.state for row in await stack.rows()] == [State.COMMITTED]
        await assert_paid(stack)
