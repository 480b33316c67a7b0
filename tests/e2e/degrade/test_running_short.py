"""A budget that runs out: every rung in its order, alone and among many.

The journal is the witness: before each hold it says what was left, and so what fitted.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.reservation import State
from proxy.ledger.journal import Amounts, Entry, Kind, WindowName, replay
from simulator.server import Simulator
from tests.e2e.degrade.calls import (
    BODY,
    HOLD,
    INPUT,
    MINI_HOLD,
    TOKEN,
    assert_billed,
    budget,
    limit_of,
    policy,
    sent,
)
from tests.e2e.redis.conftest import ledger_at
from tests.e2e.stack import USD, Stack, held, running
from tests.e2e.wire import RawAnswer, answered
from tests.servers.fixtures import server, valkey

__all__ = ["server", "valkey"]

LEAST_TOKENS = 20
DEGRADE = {"min_output_tokens": LEAST_TOKENS, "fallback_models": {"gpt-4o": "gpt-4o-mini"}}
BAND_TOKENS = 40
BANDS = [{"used_pct": 60, "caps": {"max_tokens": BAND_TOKENS}}]

SHORTENED_LEAST = INPUT + LEAST_TOKENS * TOKEN
MINI_LEAST = 8 * 15 + LEAST_TOKENS * 60
RUNGS = (HOLD, SHORTENED_LEAST, MINI_HOLD, MINI_LEAST)
"""What must be left for the wish, a shorter answer, the stand-in, and its shortest answer."""


def stage(answer: RawAnswer, simulator: Simulator) -> str:
    """How far down the ladder a call went."""
    if answer.status != 200:
        return "DENY"
    caps = answer.headers.get("x-budget-caps", "")
    if "model" in caps:
        return "stand-in"
    if not caps:
        return "wish"
    return "band" if limit_of(sent(simulator)) == BAND_TOKENS else "shortened"


async def test_each_rung_comes_in_its_order_with_the_bands_in_between(
    tmp_path: Path, simulator: Simulator
) -> None:
    async with running(
        tmp_path,
        simulator,
        budgets=[budget(8 * HOLD + 20_000)],
        policies=[policy(bands=BANDS)],
        degrade=DEGRADE,
    ) as stack:
        stages = []
        for number in range(60):
            answer = await answered(stack.base_url, BODY | {"stream": number % 2 == 0})
            stages.append(stage(answer, simulator))

        assert list(dict.fromkeys(stages)) == ["wish", "band", "shortened", "stand-in", "DENY"]
        assert stages[-1] == "DENY"
        assert (await stack.balance()).remaining < MINI_LEAST
        await assert_billed(stack)


AGENTS = 8
SCOPES = [
    budget(17 * HOLD),
    budget(14 * HOLD + 33_333, "tenant:dev/app:shop"),
    budget(2 * HOLD + 70_000, "tenant:dev/app:shop/agent:*"),
    budget(SHORTENED_LEAST, "tenant:dev/app:shop/agent:agent-0"),
    budget(MINI_HOLD, "tenant:dev/app:shop/agent:agent-1"),
    budget(MINI_LEAST, "tenant:dev/app:shop/agent:agent-2"),
]
"""Three begin with too little for the wish, so that each rung is somebody's first."""


def rung_of(amount: int) -> int:
    """Which rung a hold of the wish's prompt is of."""
    if amount == HOLD:
        return 0
    if amount >= SHORTENED_LEAST:
        return 1
    return 2 if amount == MINI_HOLD else 3


def assert_no_lower_rung_while_a_higher_one_fitted(journal: Iterable[Entry]) -> Counter[int]:
    """Before each hold, the least that was left in its scopes was too little for every rung
    above it; how often each rung was granted."""
    granted: Counter[int] = Counter()
    before: Mapping[WindowName, Amounts] = {}
    for entry, after in replay(journal):
        if entry.kind is Kind.RESERVE:
            amounts = {posting.change.reserved for posting in entry.postings}
            (amount,) = amounts
            rung = rung_of(amount)
            granted[rung] += 1
            left = min(_remaining(posting.window, before, after) for posting in entry.postings)
            assert left >= amount
            assert all(left < least for least in RUNGS[:rung]), (rung, left)
        before = dict(after)
    return granted


def _remaining(
    window: WindowName, before: Mapping[WindowName, Amounts], after: Mapping[WindowName, Amounts]
) -> int:
    """What was left; all of it in a budget that was made for this very hold."""
    if window in before:
        return before[window].remaining
    return after[window].allocated


async def work(stack: Stack, number: int) -> Counter[str]:
    """Ask until there is a no that is no matter of waiting."""
    told: Counter[str] = Counter()
    body = BODY | {"stream": number % 2 == 0}
    while True:
        answer = await answered(stack.base_url, body, f"X-Cycles-Agent: agent-{number}")
        told[answer.headers["x-budget-decision"]] += 1
        if answer.status == 200:
            continue
        reason = answer.json()["error"]["budget"]["reason"]
        if reason == "budget_exceeded":
            return told
        assert reason == "budget_busy"


@pytest.mark.parametrize("home", ["file", "store"])
async def test_many_at_once_are_never_given_less_than_there_is(
    tmp_path: Path, simulator: Simulator, home: str, request: pytest.FixtureRequest
) -> None:
    ledger: dict[str, Any] = {}
    if home == "store":
        ledger = {"ledger": ledger_at(request.getfixturevalue("server").url, tmp_path)}
    identity = {"default": {"tenant": "dev", "app": "shop"}}
    async with running(
        tmp_path, simulator, budgets=SCOPES, degrade=DEGRADE, identity=identity, **ledger
    ) as stack:
        async with asyncio.timeout(60):
            told = await asyncio.gather(*(work(stack, number) for number in range(AGENTS)))

        granted = assert_no_lower_rung_while_a_higher_one_fitted(await stack.journal())
        assert sorted(granted) == [0, 1, 2, 3]
        assert all(each["DENY"] for each in told)
        rows = await stack.rows()
        assert {row.state for row in rows} == {State.COMMITTED}
        assert {rung_of(held(row)) for row in rows} == {0, 1, 2, 3}
        balances = {b.scope: b for b in await stack.books.all_balances() if b.unit is USD}
        above = min(b.remaining for scope, b in balances.items() if "/agent:" not in scope)
        for scope, balance in balances.items():
            if "/agent:" in scope:
                assert 0 <= min(above, balance.remaining) < MINI_LEAST
        await assert_billed(stack)
