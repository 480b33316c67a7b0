"""`spendgate serve`: run the proxy."""

import asyncio
import gc
import os
import sys
from pathlib import Path

import click

from proxy.cli.configured import budget_option, config_option, read_config, show_findings
from proxy.cli.output import counted
from proxy.domain.errors import LedgerError


@click.command("serve")
@config_option
@budget_option
def serve_command(config_file: Path | None, budget_usd: str | None) -> None:
    """Run the proxy.

    It runs until SIGTERM, which lets calls in flight finish; SIGHUP reads the configuration again.
    Without a file the upstream is OpenAI's, or UPSTREAM_BASE_URL, with the key in
    OPENAI_API_KEY. One JSON line a call goes to standard output.

    \b
    spendgate serve --budget 5.00
    spendgate serve -c config.yaml
    """
    from proxy.config.checks import warnings
    from proxy.config.findings import ConfigError
    from proxy.config.load import load
    from proxy.config.model import Config
    from proxy.domain.clock import SystemClock
    from proxy.observe.logs import JsonLog
    from proxy.serving import Server, serve

    config = read_config(config_file, budget_usd)
    show_findings(warnings(config))
    clock = SystemClock()
    log = JsonLog(sys.stdout, clock)

    def read_again() -> Config | None:
        if config_file is None:
            log.line("reload_failed", why="there is no file to read again")
            return None
        try:
            return load(config_file, os.environ)
        except ConfigError as error:
            show_findings(error.findings)
            found = counted(len(error.findings), "finding")
            log.line("reload_failed", why=f"{found}: the old one stays")
            return None

    def say_ready(server: Server) -> None:
        proxy = server.addresses["proxy"]
        click.echo(f"Spendgate is ready: OPENAI_BASE_URL=http://{proxy}/v1", err=True)
        # What start-up made stays for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()

    try:
        asyncio.run(
            serve(
                config,
                clock=clock,
                log=log,
                env=os.environ,
                read_again=read_again,
                on_ready=say_ready,
            )
        )
    except (LedgerError, OSError) as error:
        click.echo(f"spendgate: {error}", err=True)
        raise SystemExit(1) from None
