"""No kill -9 breaks the promise (semantics 1), whichever of three proxies it meets when."""

from pathlib import Path

import pytest

from proxy.opening import open_beside
from tests.e2e.redis.killing.books import read_books
from tests.e2e.redis.killing.judge import judge
from tests.e2e.redis.killing.life import REFUSED, live
from tests.e2e.redis.killing.plan import CALLS, draw_plan
from tests.servers.process import Server

SEEDS = (0, 5)
"""One whose proxy stays away and one whose proxy comes back."""

SOAK_SEEDS = range(20)


@pytest.mark.parametrize("seed", SEEDS)
async def test_a_killed_proxy_leaves_no_call_free_and_nothing_held_that_was_not_sent(
    seed: int, tmp_path: Path, server: Server
) -> None:
    await assert_kept(seed, tmp_path, server)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SOAK_SEEDS)
async def test_whichever_is_killed_when(seed: int, tmp_path: Path, server: Server) -> None:
    await assert_kept(seed, tmp_path, server)


async def assert_kept(seed: int, folder: Path, server: Server) -> None:
    """Live the plan of a seed, and look at all that it left."""
    life = await live(draw_plan(seed), folder, server.url)
    home = await open_beside(server.url)
    try:
        books, audit = await read_books(home), await home.verify()
    finally:
        await home.close()

    broken = list(judge(life, books))
    assert broken == [], f"seed {seed}: {len(broken)} rules broken, first {broken[0]}"
    assert audit.differences == (), f"seed {seed}"
    assert len(life.statuses) > CALLS, f"seed {seed}: the kill hurt nobody"
    assert REFUSED in life.statuses.values(), f"seed {seed}: there was room for all"
