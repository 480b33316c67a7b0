"""How far back a proxy goes when its store has failed over is what its configuration says."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proxy.config.load import parse
from proxy.domain.clock import SystemClock
from proxy.ledger.redis.wire.timing import LoopTimers
from proxy.opening import open_to_serve
from tests.e2e.redis.conftest import ledger_at
from tests.e2e.stack import ListLog, config_text
from tests.ledger.builders import DEV, balance_of, commit, declare, hold, line
from tests.servers.process import Server
from tests.servers.relay import Relay, relay_to


@pytest.fixture
async def relay(server: Server) -> AsyncIterator[Relay]:
    """What a proxy has to the store."""
    async with relay_to(server.socket_path) as relay:
        yield relay


@pytest.mark.parametrize(("replay_ms", "spent"), [(5_000, 1), (6_000, 8)])
async def test_what_was_settled_within_replay_ms_is_settled_again(
    tmp_path: Path,
    server: Server,
    relay: Relay,
    monkeypatch: pytest.MonkeyPatch,
    replay_ms: int,
    spent: int,
) -> None:
    now_ms = [0]
    monkeypatch.setattr(LoopTimers, "now_ms", lambda timers: now_ms[0])
    section = ledger_at(relay.url, tmp_path, replay_ms=replay_ms)
    config = parse(config_text(tmp_path, "http://upstream", {"ledger": section}), file="", env={})
    ledger = await open_to_serve(config, clock=SystemClock(), log=ListLog())
    await declare(ledger, line(DEV, 100))
    await commit(ledger, await hold(ledger, 10), 7)
    now_ms[0] += 5_001
    await commit(ledger, await hold(ledger, 10), 1)
    server.command("FLUSHALL")
    relay.cut()

    await ledger.expire(limit=10)

    assert (await balance_of(ledger, DEV)).spent == spent
    await ledger.close()
