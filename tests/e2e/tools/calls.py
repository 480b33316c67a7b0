"""Calls that offer tools, in every API, and what the ledger has of risk points."""

from collections.abc import Mapping
from typing import Any, Final

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope
from proxy.ledger.records import Balance, Reservation
from tests.e2e.degrade.calls import budget
from tests.e2e.stack import TENANT, Stack

POINTS: Final = Unit.RISK_POINTS
CENT: Final = 1_000_000
"""In microcents."""

LISTED: Final = [
    {"name": "delete_user", "fee": "$0.01", "risk_points": 5},
    {"name": "delete_*", "risk_points": 3},
    {"name": "search", "fee": "$0.02"},
]
NAMES: Final = ("search", "delete_row", "delete_user", "read")
POINTS_OFFERED: Final = 8
FEES_OFFERED: Final = 3 * CENT

CHAT: Final = "/v1/chat/completions"
RESPONSES: Final = "/v1/responses"
MESSAGES: Final = "/v1/messages"
PATHS: Final = (CHAT, RESPONSES, MESSAGES)

_HELLO: Final = [{"role": "user", "content": "hi"}]
_EMPTY: Final = {"type": "object", "properties": {}}


def body(path: str = CHAT, *names: str, **more: object) -> dict[str, Any]:
    """A call that offers tools of these names, by default all."""
    names = names or NAMES
    if path == CHAT:
        tools: list[dict[str, Any]] = [
            {"type": "function", "function": {"name": name, "parameters": _EMPTY}} for name in names
        ]
        said: dict[str, Any] = {"model": "gpt-4o", "messages": _HELLO, "max_tokens": 100}
    elif path == RESPONSES:
        tools = [{"type": "function", "name": name, "parameters": _EMPTY} for name in names]
        said = {"model": "gpt-4o", "input": "hi", "max_output_tokens": 100}
    else:
        tools = [{"name": name, "input_schema": _EMPTY} for name in names]
        said = {"model": "claude-haiku-4-5", "messages": _HELLO, "max_tokens": 100}
    return said | {"tools": tools} | more


def names_in(sent: Mapping[str, Any]) -> list[str]:
    """The tools that a body offers."""
    return [tool.get("function", tool)["name"] for tool in sent.get("tools", ())]


def upstreams(base_url: str) -> list[dict[str, object]]:
    """One for each way of speaking."""
    return [
        {"name": "claude", "base_url": base_url, "api": "anthropic", "api_key": "none"}
        | {"models": ["claude*"]},
        {"name": "gpt", "base_url": base_url, "api_key": "none"},
    ]


def budgets(points: int, *, microcents: int = 100 * 100 * CENT) -> list[dict[str, object]]:
    """Money, and so many risk points."""
    return [budget(microcents), {**budget(0), "unit": "RISK_POINTS", "allocated": points}]


async def points(stack: Stack, scope: Scope = TENANT) -> Balance:
    """The budget in risk points."""
    found = await stack.books.all_balances()
    (balance,) = [
        b for b in found if (b.scope, b.unit, b.period) == (scope, POINTS, Period.LIFETIME)
    ]
    return balance


def fees(row: Reservation) -> int:
    """How much of what a call was charged is for tools."""
    return int(row.settled_metadata.get("fees", "0"))
