"""`spendgate docs`: write the pages that come from the code, in a checkout."""

from pathlib import Path

import click

from proxy.cli.output import say_no


@click.command("docs")
def docs_command() -> None:
    """Write the generated pages again.

    docs/configuration.md and docs/config.schema.json come from the code. For those who change
    the code: it is run in the folder of the checkout, and a test fails when the pages are not
    what it would write.

    \b
    spendgate docs
    """
    from proxy.config.reference import PAGE, SCHEMA, write

    root = Path.cwd()
    if not (root / PAGE).parent.is_dir():
        say_no(f"there is no {Path(PAGE).parent}/ here: run it in the folder of the checkout")
    write(root)
    for name in (PAGE, SCHEMA):
        click.echo(name)
