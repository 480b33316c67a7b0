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
    from proxy.opening import Home

Result = TypeVar("Result")

ledger_option = click.option(
    "-c",
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The configuration that names the ledger. Without it: spendgate.db, here.",
)


def with_ledger(config_file: Path | None, work: "Callable[[Home], Awaitable[Result]]") -> Result:
    """What `work` makes of the ledger; or exit code 1 with what the ledger says."""
    from proxy.domain.errors import LedgerError, Refused, ReservationFinalized

    try:
        return asyncio.run(_with_ledger(config_file, work))
    except ReservationFinalized as error:
        say_no(f"this reservation has already ended: {error.state}")
    except (LedgerError, Refused) as error:
        say_no(str(error))


async def _with_ledger(
    config_file: Path | None, work: "Callable[[Home], Awaitable[Result]]"
) -> Result:
    ledger = await _open(config_file)
    try:
        return await work(ledger)
    finally:
        await ledger.close()


async def _open(config_file: Path | None) -> "Home":
    """The ledger that a configuration names, or the one that `serve --budget` uses."""
    from proxy.config.sections.ledger import LedgerConfig
    from proxy.opening import open_beside

    if config_file is None:
        return await open_beside(LedgerConfig().url)
    config = read_config(config_file)
    key = config.ledger.api_key
    return await open_beside(
        config.ledger.url,
        api_key=key.get_secret_value() if key is not None else "",
        tenant=config.identity.default.tenant,
    )


def operator() -> str:
    """Who runs this command, by the operating system's word and not by the environment's."""
    user_id = os.getuid()
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return f"uid {user_id}"
