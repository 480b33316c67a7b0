"""A whole proxy whose ledger is an authority elsewhere, before an upstream that bills."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proxy.config.load import parse
from proxy.domain.clock import SystemClock
from proxy.serving import Server
from simulator.behaviour import Behaviour, Wire
from simulator.server import Simulator
from tests.e2e.degrade.calls import BODY, HOLD, WITH_TOOLS, limit_of, policy, sent, told
from tests.e2e.stack import ListLog, config_text, loaded_tokenizers
from tests.e2e.wire import answered
from tests.ledger.cycles.fates import Answer, HoldReply, Json, LoseRequest, error
from tests.ledger.cycles.process import until
from tests.ledger.cycles.stub import KEY, Budget, Stub

TENANT = "tenant:dev"
PLENTY = 10**9


@dataclass
class Proxy:
    base_url: str
    server: Server
    log: ListLog


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    behaviour = Behaviour(output_tokens=100_000)
    async with Simulator(keep_bodies=True, behaviour=behaviour) as started:
        yield started


@asynccontextmanager
async def elsewhere(
    folder: Path, simulator: Simulator, stub: Stub, /, *, ledger: Json | None = None, **more: object
) -> AsyncIterator[Proxy]:
    """A proxy whose holds are the stub's; its questions from before the first call forgotten."""
    ledger = {
        "url": f"cycles+{stub.url}",
        "api_key": KEY,
        "journal_dir": str(folder / "journal"),
        **(ledger or {}),
    }
    text = config_text(folder, simulator.base_url, {"ledger": ledger, "budgets": [], **more})
    log = ListLog()
    config = parse(text, file="test", env={})
    server = Server(config, SystemClock(), log, tokenizers=loaded_tokenizers())
    await server.start()
    stub.seen.clear()
    try:
        yield Proxy(f"http://{server.addresses['proxy']}/v1", server, log)
    finally:
        await server.stop()


def everything_below(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


@pytest.fixture
def budget(stub: Stub) -> Budget:
    return stub.fund(TENANT, PLENTY)


@pytest.mark.parametrize("body", [BODY, BODY | {"stream": True}], ids=["json", "stream"])
async def test_a_call_costs_one_reserve_and_one_commit(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget, body: Json
) -> None:
    async with elsewhere(tmp_path, simulator, stub) as proxy:
        answer = await answered(proxy.base_url, body)
        assert answer.status == 200
        assert told(answer) == {"decision": "ALLOW"}
        await until(lambda: stub.settlements())
    assert stub.operations() == ["reserve", "commit"]
    assert stub.settlements() == [simulator.total_microcents]
    assert (budget.reserved, budget.spent) == (0, simulator.total_microcents)


async def test_a_stream_whose_hold_grows_there_is_charged_whole_and_leaves_nothing_held(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    body = BODY | {"model": "gpt-4.1-mini", "stream": True, "max_tokens": 4_000}
    learning = {"answers_min": 1, "quantile_pct": 100, "margin_pct": 0, "lookahead_tokens": 20}
    async with elsewhere(tmp_path, simulator, stub, hold="learned", learning=learning) as proxy:
        simulator.behave(Behaviour(output_tokens=20))
        assert (await answered(proxy.base_url, body)).whole
        simulator.behave(Behaviour(output_tokens=800, wire=Wire(pace_ms=1)))
        assert (await answered(proxy.base_url, body)).whole
        await until(lambda: budget.spent == simulator.total_microcents)
    assert stub.operations().count("reserve") > 3
    assert [bill.output.completion_tokens for bill in simulator.bills] == [20, 800]
    assert budget.reserved == 0


async def test_nobody_waits_for_a_commit(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    released = asyncio.Event()
    stub.spoil("commit", HoldReply(released))
    async with elsewhere(tmp_path, simulator, stub) as proxy:
        answer = await answered(proxy.base_url, BODY)
        assert answer.status == 200
        assert answer.headers["x-budget-cost-usd"]
        assert not released.is_set()
        released.set()


@pytest.mark.parametrize(
    ("caps", "changed"),
    [
        ({"max_tokens": 40}, {"max-tokens": "40", "caps": "max_tokens"}),
        ({"max_tokens": 4_000}, {}),
        ({"tool_denylist": ["read"]}, {"caps": "tools"}),
        ({"tool_allowlist": ["read"]}, {"caps": "tools"}),
        ({"max_tokens": 40, "tool_denylist": ["write"]}, {"max-tokens": "40", "caps": "max_tokens,tools"}),  # noqa: E501
        ({"max_steps_remaining": 3}, {}),
    ],
)  # fmt: skip
async def test_ceilings_that_come_with_a_hold_are_put_on_the_body(
    tmp_path: Path,
    simulator: Simulator,
    stub: Stub,
    budget: Budget,
    caps: Json,
    changed: dict[str, str],
) -> None:
    """After the reserve and without another: they only make the call cheaper."""
    stub.caps = caps
    async with elsewhere(tmp_path, simulator, stub, degrade={"min_output_tokens": 16}) as proxy:
        answer = await answered(proxy.base_url, WITH_TOOLS)
        assert answer.status == 200
        assert told(answer) == {"decision": "ALLOW_WITH_CAPS" if changed else "ALLOW"} | changed
        await until(lambda: stub.settlements())
    body = sent(simulator)
    assert limit_of(body) == min(100, caps.get("max_tokens", 100))
    names = {tool["function"]["name"] for tool in body["tools"]}
    allowed = set(caps.get("tool_allowlist", {"search", "read", "write"}))
    assert names == allowed - set(caps.get("tool_denylist", ()))
    assert stub.operations() == ["reserve", "commit"]
    assert stub.settlements() == [simulator.total_microcents]


async def test_of_two_ceilings_the_stricter_counts(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    """Policies of ours still apply; how much is used up is known from earlier answers."""
    budget.spent = PLENTY // 2
    stub.caps = {"max_tokens": 60, "tool_denylist": ["read"]}
    ours = policy(bands=[{"used_pct": 40, "caps": {"max_tokens": 30, "tool_denylist": ["write"]}}])
    async with elsewhere(
        tmp_path, simulator, stub, policies=[ours], degrade={"min_output_tokens": 16}
    ) as proxy:
        await answered(proxy.base_url, WITH_TOOLS)
        await until(lambda: stub.settlements())
    body = sent(simulator)
    assert limit_of(body) == 30
    assert [tool["function"]["name"] for tool in body["tools"]] == ["search"]


async def test_a_ceiling_too_low_for_an_answer_hands_the_call_to_a_stand_in(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    """The authority caps what is dear."""
    stub.caps_for = lambda amount: {"max_tokens": 10} if amount == HOLD else None
    degrade = {"min_output_tokens": 50, "fallback_models": {"gpt-4o": ["gpt-4o-mini"]}}
    async with elsewhere(tmp_path, simulator, stub, degrade=degrade) as proxy:
        answer = await answered(proxy.base_url, BODY)
        assert told(answer)["model"] == "gpt-4o-mini; requested=gpt-4o"
        await until(lambda: stub.settlements())
    assert stub.operations() == ["reserve", "reserve", "release", "commit"]
    assert stub.settlements() == [simulator.total_microcents]
    assert budget.reserved == 0


async def test_a_ceiling_of_nothing_is_a_refusal(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    stub.caps = {"max_tokens": 0}
    async with elsewhere(tmp_path, simulator, stub) as proxy:
        answer = await answered(proxy.base_url, BODY)
        assert answer.error()["budget"]["reason"] == "policy_denied"
        await until(lambda: budget.reserved == 0)
    assert simulator.requests_seen == []


async def test_evidence_is_passed_on(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    stub.extra = {"cycles_evidence": {"evidence_id": "a" * 64, "cycles_evidence_url": "http://e/a"}}
    async with elsewhere(tmp_path, simulator, stub) as proxy:
        answer = await answered(proxy.base_url, BODY)
    assert answer.headers["x-cycles-evidence"] == "a" * 64 + " http://e/a"


async def test_a_budget_that_is_used_up_is_a_refusal_as_ever(
    tmp_path: Path, simulator: Simulator, stub: Stub
) -> None:
    stub.fund(TENANT, 10)
    async with elsewhere(tmp_path, simulator, stub) as proxy:
        answer = await answered(proxy.base_url, BODY)
        told = answer.error()["budget"]
    assert (told["reason"], told["scope"], told["remaining"]) == ("budget_exceeded", TENANT, 10)
    assert simulator.requests_seen == []


async def test_while_it_is_away_calls_are_refused(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    async with elsewhere(tmp_path, simulator, stub) as proxy:
        stub.spoil("reserve", LoseRequest(), LoseRequest())
        answer = await answered(proxy.base_url, BODY)
        assert (answer.status, answer.error()["code"]) == (503, "authority_unavailable")
        assert (await answered(proxy.base_url, BODY)).status == 200


async def test_while_it_is_away_calls_may_be_let_leave_and_are_charged_later(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    async with elsewhere(tmp_path, simulator, stub, ledger={"when_unavailable": "allow"}) as proxy:
        stub.spoil("reserve", LoseRequest(), LoseRequest())
        answer = await answered(proxy.base_url, BODY)
        assert answer.headers["x-budget-held"] == "false"
        await until(lambda: stub.settlements())
    assert stub.settlements() == [simulator.total_microcents]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_not_accepted_lets_nothing_leave(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget, status: int
) -> None:
    """It may be a suspended tenant: that is no outage, whatever outages allow."""
    async with elsewhere(tmp_path, simulator, stub, ledger={"when_unavailable": "allow"}) as proxy:
        stub.spoil("reserve", error("UNAUTHORIZED" if status == 401 else "FORBIDDEN", status))
        answer = await answered(proxy.base_url, BODY)
    assert answer.status in (403, 503)
    assert simulator.requests_seen == []


async def test_an_authority_that_is_away_at_the_start_is_said_so_and_waited_for(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    stub.spoil("balances", Answer(503))
    async with elsewhere(tmp_path, simulator, stub) as proxy:
        (line,) = proxy.log.events("authority_advice")
        assert line["advice"] == "the budget authority answered 503"
        assert (await answered(proxy.base_url, BODY)).status == 200


async def test_no_key_and_no_prompt_reaches_the_log_or_the_disk(
    tmp_path: Path, simulator: Simulator, stub: Stub, budget: Budget
) -> None:
    secret: Any = "a prompt that nobody may keep"
    body = BODY | {"messages": [{"role": "user", "content": secret}]}
    released = asyncio.Event()
    stub.spoil("commit", HoldReply(released))
    async with elsewhere(tmp_path, simulator, stub) as proxy:
        await answered(proxy.base_url, body)
        files = everything_below(tmp_path)
        released.set()
    for told_anywhere in (files, json.dumps(proxy.log.lines).encode(), repr(stub.seen).encode()):
        assert secret.encode() not in told_anywhere
        assert KEY.encode() not in told_anywhere
