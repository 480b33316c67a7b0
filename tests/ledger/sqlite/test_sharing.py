"""One server for a file, commands beside it, and no other user of the machine."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.sqlite.ledger import SqliteLedger
from tests.ledger.builders import DEV, USD, ask, balance_of, declare, fund, line, usd
from tests.ledger.harness import ManualClock, SqliteHarness, copy_ledger


async def test_a_second_server_is_kept_out(sqlite: SqliteHarness) -> None:
    with pytest.raises(LedgerUnavailable, match=r"another process serves.*must use Redis"):
        sqlite.open()
    await sqlite.restart()
    await declare(sqlite.ledger, line(DEV, 1))


@pytest.fixture
def link(sqlite: SqliteHarness, tmp_path: Path) -> Path:
    """Another name of the ledger, in another directory."""
    link = tmp_path / "link.db"
    link.symlink_to(sqlite.path)
    return link


def open_at(path: Path, *, serves: bool = True) -> SqliteLedger:
    return SqliteLedger.open(path, clock=ManualClock(), new_id=lambda: "rsv_1", serves=serves)


async def test_a_second_server_is_kept_out_by_another_name_too(
    sqlite: SqliteHarness, link: Path
) -> None:
    with pytest.raises(LedgerUnavailable, match="another process serves"):
        open_at(link)
    await sqlite.close()
    server = open_at(link)
    with pytest.raises(LedgerUnavailable, match="another process serves"):
        open_at(sqlite.path)
    await server.close()
    assert [found.name for found in link.parent.iterdir()] == [link.name]


def lead(link: Path, target: Path) -> None:
    """Let the link lead there from now on."""
    link.unlink()
    link.symlink_to(target)


async def test_a_link_that_leads_elsewhere_is_waited_for(sqlite: SqliteHarness, link: Path) -> None:
    """Commands would look there, and find nothing of what is held here."""
    await declare(sqlite.ledger, line(DEV, 100))
    await sqlite.close()
    server = open_at(link)
    lead(link, copy_of(sqlite.path))
    with pytest.raises(LedgerUnavailable, match="moved, removed or replaced"):
        await server.reserve(ask(1))
    lead(link, sqlite.path)
    assert (await server.reserve(ask(1))).amounts == usd(1)
    away = sqlite.path.rename(sqlite.path.with_name("away.db"))
    lead(link, away)
    with pytest.raises(LedgerUnavailable, match="moved, removed or replaced"):
        await server.balances([DEV], USD)
    await server.close()


def copy_of(path: Path) -> Path:
    """Another ledger, beside this one."""
    other = path.with_name("other.db")
    copy_ledger(path, other)
    return other


async def test_a_link_to_itself_is_no_ledger(tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    link.symlink_to(link)
    with pytest.raises(LedgerUnavailable):
        open_at(link)


async def test_a_command_works_beside_the_server(sqlite: SqliteHarness) -> None:
    """It funds, the server admits; the server holds, the command sees it."""
    await declare(sqlite.ledger, line(DEV, 10))
    command = sqlite.open(serves=False)
    await fund(command, DEV, 90)
    assert (await sqlite.ledger.reserve(ask(100))).amounts == usd(100)
    assert (await balance_of(command, DEV)).reserved == 100
    assert (await command.verify()).differences == ()
    await command.close()
    assert (await balance_of(sqlite.ledger, DEV)).remaining == 0


FUNDER = """
import asyncio, sys
from pathlib import Path
from proxy.domain.clock import SystemClock
from tests.ledger.builders import DEV, fund
from proxy.ledger.sqlite.ledger import SqliteLedger

async def main():
    ledger = SqliteLedger.open(
        Path(sys.argv[1]), clock=SystemClock(), new_id=lambda: "rsv_none", serves=False
    )
    for _ in range(100):
        await fund(ledger, DEV, 1)
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
        held += (await sqlite.ledger.reserve(ask(1))).amounts[USD]
    assert ended.result() == 0
    balance = await balance_of(sqlite.ledger, DEV)
    assert (balance.allocated, balance.reserved) == (100_100, held)
    assert (await sqlite.ledger.verify()).differences == ()


@pytest.fixture
def _generous() -> Iterator[None]:
    """Files are open to everybody, unless who makes them says no."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(path: Path) -> dict[str, int]:
    """The permissions of a ledger's file and of all that lies beside it."""
    return {
        found.name.removeprefix(path.name): found.stat().st_mode & 0o777
        for found in path.parent.glob(f"{path.name}*")
    }


@pytest.mark.usefixtures("_generous")
@pytest.mark.parametrize("is_link", [False, True], ids=["file", "link"])
async def test_a_new_ledger_is_for_its_owner_alone(tmp_path: Path, is_link: bool) -> None:
    """Who spends what is nobody else's business."""
    path = file = tmp_path / "ledger.db"
    if is_link:
        path = tmp_path / "link.db"
        path.symlink_to(file)
    ledger = SqliteLedger.open(path, clock=ManualClock(), new_id=lambda: "rsv_1")
    await declare(ledger, line(DEV, 1))

    found = modes(file) | modes(path)

    await ledger.close()
    assert found == {"": 0o600, "-wal": 0o600, "-shm": 0o600, ".lock": 0o600}


@pytest.mark.usefixtures("_generous")
async def test_a_ledger_that_was_opened_to_a_group_stays_so(sqlite: SqliteHarness) -> None:
    """An operator in that group runs the commands."""
    sqlite.path.chmod(0o660)
    await sqlite.restart()
    await declare(sqlite.ledger, line(DEV, 1))

    found = modes(sqlite.path)

    assert (found[""], found["-wal"], found["-shm"]) == (0o660, 0o660, 0o660)
