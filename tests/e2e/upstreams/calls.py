"""Calls of a proxy with an upstream that is Azure, and what the upstream saw of them."""

from collections.abc import Mapping
from typing import Any, Final

from simulator.records import RequestSeen
from simulator.server import Simulator
from tests.e2e.stack import Stack
from tests.e2e.wire import RawAnswer, answered

KEY: Final = "0123456789abcdef0123456789abcdef"
VERSION: Final = "2024-10-21"
DATED: Final = f"?api-version={VERSION}"
HELLO: Final[Mapping[str, Any]] = {
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 50,
}


def azure(simulator: Simulator, **more: object) -> dict[str, Any]:
    """An upstream of the configuration that is this simulator."""
    return {
        "name": "azure",
        "base_url": simulator.azure_url,
        "api": "azure",
        "api_key": KEY,
        "api_version": VERSION,
        "deployments": {
            "mine": "gpt-4o",
            "small": "gpt-4o-mini",
            "vectors": "text-embedding-3-small",
            "old": "gpt-3.5-turbo-instruct",
        },
    } | more


def deployment(name: str, operation: str = "chat/completions") -> str:
    """The path of an operation, without its version."""
    return f"/openai/deployments/{name}/{operation}"


async def call(
    stack: Stack, path: str, *headers: str, body: Mapping[str, Any] = HELLO, **fields: object
) -> RawAnswer:
    """One call of the proxy."""
    return await answered(stack.base_url, {**body, **fields}, *headers, path=path)


def seen(stack: Stack) -> RequestSeen:
    """The only request that the upstream saw."""
    (request,) = stack.simulator.requests_seen
    return request


async def assert_paid(stack: Stack) -> None:
    """What was charged is the bill, and there is one."""
    assert stack.simulator.total_microcents > 0
    assert await stack.charged_and_uncovered() == (stack.simulator.total_microcents, 0)
