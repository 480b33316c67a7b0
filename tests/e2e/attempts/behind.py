"""Proxies before two upstreams, of which the second stands in for the first."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from simulator.behaviour import Behaviour, Refusal
from simulator.server import Simulator
from tests.e2e.stack import Stack, running

SOON: Final = {"max_attempts": 2, "backoff_ms": 1}
"""Another attempt, almost at once."""

BODY: Final[dict[str, Any]] = {
    "model": "gpt-4o",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "Say something."}],
}
BODIES: Final = {"JSON": BODY, "SSE": BODY | {"stream": True}}


def failing(status: int = 503, retry_after: str | None = None) -> Behaviour:
    """An error in place of an answer."""
    return Behaviour(refusal=Refusal(status=status, code="of_upstream", retry_after=retry_after))


def asked_first(simulator: Simulator, **more: object) -> dict[str, object]:
    """An upstream, as a configuration says it."""
    return {"name": "first", "base_url": simulator.base_url, "api_key": "none", **more}


@asynccontextmanager
async def retrying(
    folder: Path,
    simulator: Simulator,
    /,
    retries: Mapping[str, object] | None = None,
    **more: object,
) -> AsyncIterator[Stack]:
    """A proxy that asks its only upstream more than once. `more` replaces sections."""
    upstream = asked_first(simulator, retries=SOON if retries is None else retries)
    async with running(folder, simulator, **{"upstreams": [upstream], **more}) as stack:
        yield stack


@asynccontextmanager
async def falling_back(
    folder: Path,
    simulator: Simulator,
    spare: Simulator,
    /,
    *,
    first: Mapping[str, object] | None = None,
    second: Mapping[str, object] | None = None,
    **more: object,
) -> AsyncIterator[Stack]:
    """A proxy that asks another upstream once the first has failed; `second` is about that."""
    upstreams = [
        asked_first(simulator, fallback=["spare"], **(first or {})),
        {"name": "spare", "base_url": spare.base_url, "api_key": "none", **(second or {})},
    ]
    async with running(folder, simulator, **{"upstreams": upstreams, **more}) as stack:
        yield stack
