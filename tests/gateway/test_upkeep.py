"""A ledger is sealed soon, and keeps no more than it has to."""

from collections.abc import AsyncIterator

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.gateway.runtime import upkeep
from proxy.gateway.runtime.upkeep import Upkeep
from proxy.ledger.seal import RUN_ENTRIES
from tests.ledger.builders import DEV, declare, line, spend
from tests.ledger.harness import DAY_MS, MINUTE_MS, SqliteHarness, scratch


@pytest.fixture(autouse=True)
def in_one_breath(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "_BREATH_S", 0)


@pytest.fixture
async def home() -> AsyncIterator[SqliteHarness]:
    """A ledger with one budget."""
    with scratch() as directory:
        harness = SqliteHarness(directory)
        try:
            await declare(harness.ledger, line(DEV, 10**6))
            yield harness
        finally:
            await harness.close()


def open_upkeep(home: SqliteHarness, retention_ms: int | None = None) -> Upkeep:
    return Upkeep(home.ledger, home.clock, retention_ms=retention_ms)


async def sealed(home: SqliteHarness) -> list[int]:
    return [seal.last_seq for seal in await home.ledger.seals("dev")]


async def test_what_is_there_is_sealed_once_a_minute(home: SqliteHarness) -> None:
    keeper = open_upkeep(home)
    home.advance_ms(MINUTE_MS - 1)
    await keeper.seal()
    assert await sealed(home) == []
    home.advance_ms(1)
    await keeper.seal()
    assert await sealed(home) == [1]
    await spend(home.ledger, 1)
    home.advance_ms(MINUTE_MS - 1)
    await keeper.seal()
    assert await sealed(home) == [1]
    home.advance_ms(1)
    await keeper.seal()
    assert await sealed(home) == [1, 4]


async def test_full_runs_are_sealed_without_waiting_and_however_many(
    home: SqliteHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_RUNS", 1)
    for _ in range(2 * RUN_ENTRIES // 3 + 1):
        await spend(home.ledger, 1)
    await open_upkeep(home).seal()
    assert await sealed(home) == [RUN_ENTRIES, 2 * RUN_ENTRIES]


async def test_what_is_older_than_its_retention_goes(
    home: SqliteHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_THINGS", 2)
    keeper = open_upkeep(home, retention_ms=DAY_MS)
    for _ in range(5):
        await spend(home.ledger, 1)
    home.advance_ms(DAY_MS)
    await spend(home.ledger, 1)
    await keeper.prune()
    assert (await home.ledger.verify()).reservations == 6
    home.advance_ms(1)
    await keeper.prune()
    assert (await home.ledger.verify()).reservations == 1


async def test_without_retention_nothing_goes(home: SqliteHarness) -> None:
    await spend(home.ledger, 1)
    home.advance_ms(1_000 * DAY_MS)
    await open_upkeep(home).prune()
    assert (await home.ledger.verify()).reservations == 1


async def test_a_ledger_that_is_away_is_looked_after_later(home: SqliteHarness) -> None:
    keeper = open_upkeep(home, retention_ms=DAY_MS)
    await spend(home.ledger, 1)
    home.advance_ms(2 * DAY_MS)
    away = home.path.with_name("away")
    home.path.rename(away)
    await keeper.seal()
    await keeper.prune()
    with pytest.raises(LedgerUnavailable):
        await home.ledger.verify()
    away.rename(home.path)
    await keeper.seal()
    await keeper.prune()
    assert await sealed(home) == [4]
    assert (await home.ledger.verify()).reservations == 0
