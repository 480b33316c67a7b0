"""The group that all commands belong to."""

import click

from proxy.cli.books.budgets import budgets_group
from proxy.cli.books.reservations import reservations_group
from proxy.cli.books.tenants import tenants_group
from proxy.cli.books.verify import verify_command
from proxy.cli.check import check_command
from proxy.cli.demo.command import demo_command
from proxy.cli.docs import docs_command
from proxy.cli.estimate.command import estimate_command
from proxy.cli.explain.command import explain_command
from proxy.cli.health import health_command
from proxy.cli.journal.command import journal_group
from proxy.cli.price import price_command
from proxy.cli.report.command import report_group
from proxy.cli.serve import serve_command
from proxy.cli.simulate import simulate_command


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="spendgate")
def main() -> None:
    """Hold AI agents to their budgets.

    Point an agent's OPENAI_BASE_URL at the proxy: every call is reserved against its budgets
    before it leaves, and charged what it cost.

    \b
    spendgate demo                     see it work, without any key
    spendgate serve --budget 5.00      one budget for a month, no file
    spendgate serve -c config.yaml     everything else
    """


for command in (
    serve_command,
    check_command,
    health_command,
    price_command,
    estimate_command,
    explain_command,
    budgets_group,
    reservations_group,
    tenants_group,
    journal_group,
    verify_command,
    report_group,
    demo_command,
    simulate_command,
    docs_command,
):
    main.add_command(command)
