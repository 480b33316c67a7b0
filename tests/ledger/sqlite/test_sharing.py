"""One server for a file, and commands beside it."""

import asyncio
import subprocess
import sys

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.domain.period import Period
from tests.ledger.builders import DEV, USD, ask, balance_of, declare, line
from tests.ledger.harness import SqliteHarness


async def test_a_second_server_is_kept_out(sqlite: SqliteHarness) -> None:
    with pytest.raises(LedgerUnavailable, match=r"another process serves.*must use Redis"):
        sqlite.open()
    await sqlite.restart()
    await declare(sqlite.ledger, line(DEV, 1))


async def test_a_command_works_beside_the_server(sqlite: SqliteHarness) -> None:
    """It funds, the server admits; the server holds, the command sees it."""
    await declare(sqlite.ledger, line(DEV, 10))
    command = sqlite.open(serves=False)
    await command.fund(DEV, USD, Period.LIFETIME, 90, "ops")
    assert (await sqlite.ledger.reserve(ask(100))).amount == 100
    assert (await balance_of(command, DEV)).reserved == 100
    assert (await command.verify()).differences == ()
    await command.close()
    assert (await balance_of(sqlite.ledger, DEV)).remaining == 0


FUNDER = """
import asyncio, sys
from pathlib import Path
from proxy.domain.clock import SystemClock
from proxy.domain.period import Period
from tests.ledger.builders import DEV, USD
from proxy.ledger.sqlite.ledger import SqliteLedger

async def main():
    ledger = SqliteLedger.open(
        Path(sys.argv[1]), clock=SystemClock(), new_id=lambda: "rsv_none", serves=False
    )
    for _ in range(100):
        await ledger.fund(DEV, USD, Period.LIFETIME, 1, "ops")
    await ledger.close()

asyncio.run(main())
"""


async def test_two_processes_that_write_at_once_lose_nothing(sqlite: SqliteHarness) -> None:
    """LiteLLM #34887: contention dropped increments."""
    await declare(sqlite.ledger, line(DEV, 100_000))
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FUNDER, str(sqlite.path), stdin=subprocess.DEVNULL
    )
    ended = asyncio.ensure_future(process.wait())
    held = 0
    while not ended.done() or held < 100:
        held += (await sqlite.ledger.reserve(ask(1))).amount
    assert ended.result() == 0
    balance = await balance_of(sqlite.ledger, DEV)
    assert (balance.allocated, balance.reserved) == (100_100, held)
    assert (await sqlite.ledger.verify()).differences == ()
