"""The ledger of a command: opened without the lock of `serve`, for one short piece of work."""

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from proxy.cli.configured import read_config
from proxy.cli.output import say_no

if TYPE_CHECKING:
    from proxy.ledger.sqlite.ledger import SqliteLedger

Result = TypeVar("Result")

ledger_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration that names the ledger. Without it: spendgate.db, here.",
)


def with_ledger(
    config_file: Path | None, work: "Callable[[SqliteLedger], Awaitable[Result]]"
) -> Result:
    """What `work` makes of the ledger; or exit code 1 with what the ledger says."""
    from proxy.domain.errors import LedgerError, Refused, ReservationFinalized

    try:
        return asyncio.run(_with_ledger(ledger_path(config_file), work))
    except ReservationFinalized as error:
        say_no(f"this reservation has already ended: {error.state}")
    except (LedgerError, Refused) as error:
        say_no(str(error))


async def _with_ledger(path: Path, work: "Callable[[SqliteLedger], Awaitable[Result]]") -> Result:
    ledger = open_beside(path)
    try:
        return await work(ledger)
    finally:
        await ledger.close()


def open_beside(path: Path) -> "SqliteLedger":
    """The ledger in a file that is there, whether or not a proxy serves from it.

    Raises:
        LedgerUnavailable: there is none, or it cannot be opened.
    """
    from proxy.app import new_reservation_id
    from proxy.domain.clock import SystemClock
    from proxy.ledger.sqlite.ledger import SqliteLedger

    return SqliteLedger.open(path, clock=SystemClock(), new_id=new_reservation_id, serves=False)


def ledger_path(config_file: Path | None) -> Path:
    """The file that a configuration names, or the one that `serve --budget` uses."""
    from proxy.config.convert import ledger_file
    from proxy.config.sections.ledger import SQLITE, LedgerConfig

    if config_file is not None:
        return ledger_file(read_config(config_file))
    return Path(LedgerConfig().url.removeprefix(SQLITE))


def operator() -> str:
    """Who runs this command, by the operating system's word and not by the environment's."""
    user_id = os.getuid()
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"uid {user_id}"
