"""`spendgate docs`: write the pages that come from the code, in a checkout."""

from pathlib import Path

import click

from proxy.cli.output import say_no


@click.command("docs")
def docs_command() -> None:
    """Write the generated pages again.

    docs/configuration.md, docs/config.schema.json and docs/routes.md come from the code. For
    those who change the code: it is run in the folder of the checkout, and a test fails when the
    pages are not what it would write.

    \b
    spendgate docs
    """
    from proxy.config.reference import PAGE, SCHEMA, write
    from proxy.dialects.route_page import PAGE as ROUTES
    from proxy.dialects.route_page import route_page

    root = Path.cwd()
    if not (root / PAGE).parent.is_dir():
        say_no(f"there is no {Path(PAGE).parent}/ here: run it in the folder of the checkout")
    write(root)
    (root / ROUTES).write_text(route_page(), encoding="utf-8")
    for name in (PAGE, SCHEMA, ROUTES):
        click.echo(name)
