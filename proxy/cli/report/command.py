"""`spendgate report`: what the rows of the ledger say about the proxy itself."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.books.opened import ledger_option, with_ledger
from proxy.cli.output import json_option, open_console, print_json, say_no

if TYPE_CHECKING:
    from proxy.cli.report.card import Grades, Kind
    from proxy.opening import Home

MS_PER_DAY: Final = 86_400_000


@click.group("report")
def report_group() -> None:
    """See how well the proxy does its work.

    \b
    spendgate report estimates -c config.yaml
    """


@report_group.command("estimates")
@ledger_option
@click.option("--days", type=click.IntRange(1, 36_500), default=7, show_default=True)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with plots to this file, too.",
)
@json_option
def estimates_command(
    config_file: Path | None, days: int, page: Path | None, as_json: bool
) -> None:
    """Grade the estimator: what was held against what calls came to.

    By model, API and class of the bound. Exit code 1 when a bound was none: when a call came to
    more than its hold.

    \b
    spendgate report estimates -c config.yaml --days 30
    spendgate report estimates -c config.yaml --html estimates.html
    """
    from proxy.cli.report.page import page_of
    from proxy.cli.report.show import card_object, show_card
    from proxy.domain.clock import SystemClock
    from proxy.domain.period import iso

    now_ms = SystemClock().now_ms()
    since_ms = now_ms - days * MS_PER_DAY
    card = with_ledger(config_file, lambda ledger: _read(ledger, since_ms))
    if page is not None:
        try:
            page.write_text(page_of(card, made_at=iso(now_ms)), "utf-8")
        except OSError as error:
            say_no(f"{page}: {error.strerror}")
    if as_json:
        print_json(card_object(card))
    else:
        show_card(open_console(), card)
    if any(grades.broken for grades in card.values()):
        raise SystemExit(1)


async def _read(ledger: "Home", since_ms: int) -> "dict[Kind, Grades]":
    """The card of every tenant together."""
    from proxy.cli.report.card import Grades, Kind, grade
    from proxy.cli.report.reading import committed

    card: dict[Kind, Grades] = {}
    console = open_console(stderr=True)
    shown = console.status("reading …") if console.is_terminal else nullcontext()
    with shown as status:
        calls = 0
        for tenant in await ledger.tenants():
            async for rows in committed(ledger, tenant, since_ms):
                calls += grade(rows, card)
                if status is not None:
                    status.update(f"reading … {calls:,} calls")
    return card
