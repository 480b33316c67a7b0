"""What to keep so that no edit goes unseen."""

from typing import TYPE_CHECKING

import click

from proxy.cli.output import print_json

if TYPE_CHECKING:
    from proxy.ledger.protocol import Books
    from proxy.ledger.seal import Seal


async def read_seals(ledger: "Books", tenant: str | None, *, every: bool) -> "list[Seal]":
    """The last seal of each journal, or all of them; those of one tenant, or everybody's."""
    tenants = await ledger.tenants() if tenant is None else [tenant]
    found: list[Seal] = []
    for each in tenants:
        seals = await ledger.seals(each)
        found.extend(seals if every else seals[-1:])
    return found


def show_seals(seals: "list[Seal]", *, as_json: bool) -> None:
    """As `verify --head` takes them, or with all that they are made of."""
    if as_json:
        print_json([_fields(seal) for seal in seals])
        return
    for seal in seals:
        click.echo(str(seal.head))
    if not seals:
        click.echo("nothing is sealed yet: a proxy that serves seals within a minute", err=True)


def _fields(seal: "Seal") -> dict[str, object]:
    from proxy.ledger.lines import write_standing

    fields: dict[str, object] = {
        name: getattr(seal, name) for name in seal.__struct_fields__ if name != "standing"
    }
    if seal.standing is not None:
        fields["standing"] = write_standing(seal.standing)
    return fields
