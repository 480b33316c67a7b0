"""Calls with an Idempotency-Key: made once, charged once, answered the same."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simulator.behaviour import Behaviour, Cut, Hang, Refusal
from simulator.server import Simulator
from tests.e2e.stack import Stack, running
from tests.e2e.wire import CHAT, RawAnswer, answered, connected, encode, request_bytes

PROMPT = "the-words-of-a-prompt"
ANSWER = "the-words-of-an-answer"
KEY = "Idempotency-Key: the-name-of-a-call"
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": PROMPT}],
}
STREAM = BODY | {"stream": True}
OTHER = BODY | {"max_tokens": 99}
ON = {"window_ms": 600_000}


@asynccontextmanager
async def deduping(folder: Path, **changes: object) -> AsyncIterator[Stack]:
    settings: dict[str, object] = {"dedupe": ON} | changes
    async with Simulator() as simulator, running(folder, simulator, **settings) as stack:
        yield stack


async def ask(stack: Stack, body: object = BODY, *headers: str) -> RawAnswer:
    return await answered(stack.base_url, body, *(headers or (KEY,)))


def content_of(folder: Path) -> bytes:
    """All files in it."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def calls_made(stack: Stack) -> int:
    return len(stack.simulator.requests_seen)


async def assert_charged_by_bill(stack: Stack) -> None:
    assert sum(await stack.charged_and_uncovered()) == stack.simulator.total_microcents


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["JSON", "SSE"])
async def test_the_same_call_again_gets_the_same_answer_and_costs_nothing(
    tmp_path: Path, body: dict[str, Any]
) -> None:
    async with deduping(tmp_path) as stack:
        first = await ask(stack, body, KEY, "Accept-Encoding: gzip")
        again = await ask(stack, body)

        assert (first.status, again.status, again.whole) == (200, 200, True)
        assert again.body == first.body
        assert again.headers["content-type"] == first.headers["content-type"]
        same = "x-budget-reservation-id"
        assert again.headers[same] == first.headers[same]
        assert again.headers["x-cycles-trace-id"] != first.headers["x-cycles-trace-id"]
        assert again.headers["x-budget-replayed"] == "true"
        assert "x-budget-replayed" not in first.headers
        assert "x-budget-remaining-usd" not in again.headers
        assert calls_made(stack) == 1
        assert len(await stack.rows()) == 1
        await assert_charged_by_bill(stack)
        lines = await stack.log.until("call", 2)
        assert (lines[-1]["reason"], lines[-1]["status"]) == ("replayed", 200)


async def test_whoever_comes_while_the_first_runs_waits_for_its_answer(tmp_path: Path) -> None:
    async with deduping(tmp_path) as stack:
        stack.simulator.behave(Behaviour(gate="open"))
        tasks = [asyncio.create_task(ask(stack)) for _ in range(5)]
        await stack.simulator.until(lambda: calls_made(stack) == 1)
        assert (await ask(stack, OTHER)).error()["code"] == "idempotency_mismatch"
        stack.simulator.open_gate("open")
        answers = await asyncio.gather(*tasks)

        assert {answer.status for answer in answers} == {200}
        assert len({answer.body for answer in answers}) == 1
        assert sum("x-budget-replayed" in answer.headers for answer in answers) == 4
        assert calls_made(stack) == 1
        await assert_charged_by_bill(stack)


async def test_a_key_is_of_one_body(tmp_path: Path) -> None:
    async with deduping(tmp_path) as stack:
        await ask(stack)
        other = await ask(stack, OTHER)

        assert (other.status, other.error()["code"]) == (422, "idempotency_mismatch")
        assert other.headers["x-should-retry"] == "false"
        asked = await answered(stack.base_url, BODY, KEY, path=f"{CHAT}?api-version=2")
        assert asked.error()["code"] == "idempotency_mismatch"
        assert calls_made(stack) == 1


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        (("Idempotency-Key: another",), "/v1/chat/completions"),
        ((KEY, "Authorization: Bearer sk-another"), "/v1/chat/completions"),
        ((KEY, "x-api-key: sk-another"), "/v1/chat/completions"),
        ((KEY,), "/s/agent=bot/v1/chat/completions"),
        ((KEY,), "/s/run=7/v1/chat/completions"),
        ((), "/v1/chat/completions"),
    ],
)
async def test_a_key_is_of_one_credential_subject_and_path(
    tmp_path: Path, headers: tuple[str, ...], path: str
) -> None:
    identity = {"default": {"tenant": "dev"}, "accept": ["agent", "run"]}
    async with deduping(tmp_path, identity=identity) as stack:
        await ask(stack)
        other = await answered(stack.base_url, BODY, *headers, path=path)

        assert other.status == 200
        assert "x-budget-replayed" not in other.headers
        assert calls_made(stack) == 2


async def test_another_process_knows_of_the_call_and_not_of_its_answer(tmp_path: Path) -> None:
    async with deduping(tmp_path) as stack:
        assert (await ask(stack)).status == 200
    async with deduping(tmp_path) as stack:
        gone, other = await ask(stack), await ask(stack, OTHER)

        assert (gone.status, gone.error()["code"]) == (409, "idempotency_answer_gone")
        assert (other.status, other.error()["code"]) == (422, "idempotency_mismatch")
        assert gone.headers["x-should-retry"] == "false"
        assert "retry-after" not in gone.headers
        assert calls_made(stack) == 0
        assert len(await stack.rows()) == 1


@pytest.mark.parametrize(
    "first", [Behaviour(refusal=Refusal(500)), Behaviour(refusal=Refusal(429))], ids=["500", "429"]
)
async def test_what_cost_nothing_may_be_tried_again_until_it_costs(
    tmp_path: Path, first: Behaviour
) -> None:
    async with deduping(tmp_path) as stack:
        stack.simulator.script(first, first, Behaviour())
        statuses = [(await ask(stack)).status for _ in range(4)]

        assert statuses == [statuses[0], statuses[0], 200, 200]
        assert statuses[0] >= 400
        assert calls_made(stack) == 3
        await assert_charged_by_bill(stack)


async def test_a_denial_is_not_remembered_and_its_call_may_be_made_smaller(tmp_path: Path) -> None:
    budgets = [{"scope": "tenant:dev", "allocated": "$0.01", "period": "none"}]
    degrade = {"shorten": False}
    async with deduping(tmp_path, budgets=budgets, degrade=degrade) as stack:
        for _ in range(2):
            denied = await ask(stack, BODY | {"max_tokens": 10_000})
            assert (denied.status, denied.headers["x-budget-decision"]) == (429, "DENY")
        assert (await ask(stack)).status == 200
        assert (await ask(stack, BODY | {"max_tokens": 10_000})).status == 422
        assert calls_made(stack) == 1


@pytest.mark.parametrize(
    ("body", "cut"),
    [(BODY, Cut("before_headers")), (BODY, Cut("byte", 3)), (STREAM, Cut("event", 3))],
    ids=["no status", "JSON", "SSE"],
)
async def test_an_answer_that_was_cut_is_not_given_again_and_not_made_again(
    tmp_path: Path, body: dict[str, Any], cut: Cut
) -> None:
    async with deduping(tmp_path) as stack:
        stack.simulator.script(Behaviour(output_tokens=9, cut=cut), Behaviour())
        async with connected(stack.base_url) as connection:
            await connection.send(request_bytes(encode(body), KEY))
            await connection.read_all()
        again = await ask(stack, body)

        assert (again.status, again.error()["code"]) == (409, "idempotency_answer_gone")
        assert calls_made(stack) == 1


async def test_who_waits_for_a_caller_that_hangs_up_gets_what_the_ledger_says(
    tmp_path: Path,
) -> None:
    async with deduping(tmp_path) as stack:
        stack.simulator.behave(Behaviour(output_tokens=9, hang=Hang("event", 3)))
        async with connected(stack.base_url) as first:
            await first.send(request_bytes(encode(STREAM), KEY))
            await first.read_until(b"data: ")
            waiting = asyncio.create_task(ask(stack, STREAM))
            other = asyncio.create_task(ask(stack, OTHER | {"stream": True}))
            assert (await other).status == 422
            first.hang_up()
            second = await waiting

        assert (second.status, second.error()["code"]) == (409, "idempotency_answer_gone")
        assert calls_made(stack) == 1
        assert len(await stack.rows()) == 1


async def test_who_waits_may_leave_and_the_first_goes_on(tmp_path: Path) -> None:
    async with deduping(tmp_path) as stack:
        stack.simulator.behave(Behaviour(gate="open"))
        first = asyncio.create_task(ask(stack))
        await stack.simulator.until(lambda: calls_made(stack) == 1)
        async with connected(stack.base_url) as second:
            await second.send(request_bytes(encode(BODY), KEY))
            assert (await ask(stack, OTHER)).status == 422
            second.hang_up()
            gone = await stack.log.until("call", 2)
        stack.simulator.open_gate("open")

        assert gone[-1]["client_left"] is True
        assert (await first).status == 200
        assert (await ask(stack)).headers["x-budget-replayed"] == "true"
        assert calls_made(stack) == 1


async def test_an_answer_for_which_there_is_no_memory_is_gone(tmp_path: Path) -> None:
    async with deduping(tmp_path, dedupe=ON | {"max_bytes": 65_536}) as stack:
        stack.simulator.behave(Behaviour(content="x" * 70_000, ignore_limit=True))
        first, again = await ask(stack), await ask(stack)

        assert (first.status, again.status) == (200, 409)
        assert calls_made(stack) == 1


async def test_by_default_a_key_passes_and_means_nothing(tmp_path: Path) -> None:
    async with deduping(tmp_path, dedupe={}) as stack:
        assert (await ask(stack)).status == 200
        assert "x-budget-replayed" not in (await ask(stack, OTHER)).headers

        assert calls_made(stack) == 2
        assert all(
            seen.headers.get("Idempotency-Key") == "the-name-of-a-call"
            for seen in stack.simulator.requests_seen
        )


async def test_neither_prompt_nor_answer_nor_key_reaches_a_disk_or_the_log(tmp_path: Path) -> None:
    async with deduping(tmp_path) as stack:
        stack.simulator.behave(Behaviour(content=ANSWER))
        assert ANSWER in (await ask(stack)).body.decode()
        assert ANSWER in (await ask(stack)).body.decode()
        assert (await ask(stack, OTHER)).status == 422
        log = str(stack.log.lines)
    written = content_of(tmp_path)

    for secret in (PROMPT, ANSWER, "the-name-of-a-call"):
        assert secret.encode() not in written
        assert secret not in log
