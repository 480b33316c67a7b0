from pathlib import Path

import pytest

from proxy.ledger.sqlite.file.connection import Durability
from tests.benchmarks.ledger.player import Job, Kind, play
from tests.servers.fixtures import server, valkey
from tests.servers.process import Server

__all__ = ["server", "valkey"]

STORES = (Kind.STORE, Kind.PIPELINE, Kind.POOL)


def job(
    kind: Kind,
    directory: Path,
    *,
    callers: int,
    durability: Durability = "process",
    url: str = "",
    batch: int = 1,
) -> Job:
    return Job(kind, callers, 0.02, 0.05, str(directory), durability, url, batch)


def files_in(directory: Path) -> list[Path]:
    return list(directory.iterdir())


@pytest.mark.parametrize("durability", ["process", "power"])
async def test_a_ledger_on_a_file_tells_how_many_operations_a_transaction_had(
    durability: Durability, tmp_path: Path
) -> None:
    alone = await play(job(Kind.FILE, tmp_path, callers=1, durability=durability))
    assert alone.transactions == alone.operations > 0
    together = await play(job(Kind.FILE, tmp_path, callers=4, durability=durability))
    assert together.transactions is not None
    assert 1 < together.operations / together.transactions <= 4
    assert together.store_cpu_s is None
    assert files_in(tmp_path) == [], "a job leaves no file"


async def test_rows_are_written_in_transactions_of_the_size_that_is_asked(tmp_path: Path) -> None:
    tally = await play(job(Kind.ROWS, tmp_path, callers=4, batch=4))
    assert tally.transactions is not None
    assert tally.operations == 4 * tally.transactions > 0
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("kind", STORES)
async def test_each_job_begins_with_an_empty_store_and_tells_its_cpu_time(
    kind: Kind, tmp_path: Path, server: Server
) -> None:
    server.command("SET", "left by the last job", "1")
    tally = await play(job(kind, tmp_path, callers=4, url=server.url))
    assert tally.store_cpu_s is not None
    assert tally.store_cpu_s > 0
    assert tally.operations > 0
    assert tally.cpu_s > 0
    assert server.command("EXISTS", "left by the last job") == 0
