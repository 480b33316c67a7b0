"""Waiting between two attempts, while the caller does."""

import asyncio
from contextlib import suppress

from proxy.gateway.runtime.door import Door


async def pause(duration_ms: int, door: Door) -> bool:
    """Wait for so long, or until the caller leaves; whether it is still there."""
    gone = asyncio.Event()
    door.when_gone(gone.set)
    with suppress(TimeoutError):
        async with asyncio.timeout(duration_ms / 1000):
            await gone.wait()
    return not door.gone
