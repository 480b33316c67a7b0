"""The command `demo`."""

import asyncio

import click

from proxy.cli.output import json_option, open_console, print_json, say_no


@click.command("demo")
@click.option("--agents", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option(
    "--pace-ms",
    type=click.IntRange(0, 80),
    default=40,
    show_default=True,
    help="How long the upstream takes for one piece of an answer.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of all left to chance.")
@json_option
def demo_command(agents: int, pace_ms: int, seed: int, as_json: bool) -> None:
    """Watch agents being held to a budget that is too small.

    Needs no key and no network. A simulated upstream, a real proxy and a fleet of agents run in
    this process and talk over real connections. At the end the ledger is held against the
    journal and against the upstream's own bill; exit code 0 only if every promise was kept.

    \b
    spendgate demo
    spendgate demo --agents 50 --seed 7
    spendgate demo --json
    """
    from rich.live import Live

    from proxy.cli.demo.course import play
    from proxy.cli.demo.screen import (
        Lines,
        LiveScreen,
        introduction,
        nothing,
        report_object,
        show_report,
    )
    from proxy.cli.demo.stage import Stage
    from proxy.domain.clock import SystemClock
    from proxy.domain.errors import LedgerError

    stage = Stage(agents=agents, pace_ms=pace_ms, seed=seed)
    clock = SystemClock()
    console = open_console()
    try:
        if as_json:
            report = asyncio.run(play(stage, clock, nothing))
        elif console.is_terminal:
            with Live(console=console, auto_refresh=False) as live:
                report = asyncio.run(play(stage, clock, LiveScreen(stage, live)))
        else:
            console.print(introduction(stage))
            report = asyncio.run(play(stage, clock, Lines(console)))
    except (LedgerError, OSError) as error:
        say_no(f"the demo could not run: {str(error) or type(error).__name__}")
    if as_json:
        print_json(report_object(stage, report))
    else:
        show_report(console, report)
    if not report.all_kept:
        raise SystemExit(1)
