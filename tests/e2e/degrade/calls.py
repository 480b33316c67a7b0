"""Calls whose price is known by heart, and what becomes of them."""

import json
from typing import Any

from proxy.domain.money import usd
from simulator.server import Simulator
from tests.e2e.stack import Stack
from tests.e2e.wire import RawAnswer

# gpt-4o, "hi": 8 tokens in at 250 microcents, each token out 1000. gpt-4o-mini: 15 and 60.
BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}
INPUT = 8 * 250
TOKEN = 1_000
HOLD = INPUT + 100 * TOKEN
MINI_HOLD = 8 * 15 + 100 * 60


def tool(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": {"properties": {}}}}


WITH_TOOLS = BODY | {"tools": [tool("search"), tool("read"), tool("write")], "tool_choice": "auto"}


def budget(microcents: int, scope: str = "tenant:dev", **more: object) -> dict[str, object]:
    return {"scope": scope, "allocated": f"${usd(microcents)}", "period": "none", **more}


def policy(**says: object) -> dict[str, object]:
    return {"name": "thrift", "scope": "tenant:dev/*", **says}


def sent(simulator: Simulator) -> dict[str, Any]:
    """The body that the upstream got last."""
    body = simulator.requests_seen[-1].body
    assert body is not None
    found: dict[str, Any] = json.loads(body)
    return found


def limit_of(body: dict[str, Any]) -> int:
    """The limit of a body, whichever of its two fields it stands in."""
    limits = [body[name] for name in ("max_tokens", "max_completion_tokens") if name in body]
    (limit,) = limits
    assert isinstance(limit, int)
    return limit


def told(answer: RawAnswer) -> dict[str, str]:
    """What the caller is told of changes."""
    names = ("decision", "model", "max-tokens", "caps")
    headers = {name: answer.headers.get(f"x-budget-{name}") for name in names}
    return {name: value for name, value in headers.items() if value is not None}


async def assert_billed(stack: Stack) -> None:
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)
    assert (await stack.balance()).reserved == 0


UNCHANGED = {"decision": "ALLOW"}
