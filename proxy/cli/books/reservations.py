"""`spendgate reservations`: see holds, and end those that nobody else can."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.books.budgets import DollarsType
from proxy.cli.books.opened import ledger_option, operator, with_ledger
from proxy.cli.output import json_option, new_table, open_console, print_json

if TYPE_CHECKING:
    from proxy.ledger.protocol import Reservation
    from proxy.ledger.sqlite.ledger import SqliteLedger

_STATES = ("open", "active", "uncertain", "committed", "released", "expired", "all")


@click.group("reservations")
def reservations_group() -> None:
    """See holds, and end uncertain ones.

    Works while the proxy runs.

    \b
    spendgate reservations list -c config.yaml
    spendgate reservations commit rsv_… -c config.yaml
    """


@reservations_group.command("list")
@click.option(
    "--state",
    type=click.Choice(_STATES),
    default="open",
    show_default=True,
    help="open is active and uncertain.",
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@ledger_option
@json_option
def list_command(state: str, limit: int, config_file: Path | None, as_json: bool) -> None:
    """Show holds, the newest first.

    \b
    spendgate reservations list -c config.yaml
    spendgate reservations list --state uncertain --limit 20 --json -c config.yaml
    """
    from proxy.domain.reservation import OPEN, State

    named = {"open": OPEN, "all": frozenset(State)}
    states = named.get(state) or frozenset({State(state.upper())})
    found = with_ledger(config_file, lambda ledger: ledger.reservations(states=states, limit=limit))
    _list(found, as_json)


@reservations_group.command("show")
@click.argument("reservation_id", metavar="ID")
@ledger_option
@json_option
def show_command(reservation_id: str, config_file: Path | None, as_json: bool) -> None:
    """Show one hold: who, when, which model, how much, and how it ended.

    \b
    spendgate reservations show rsv_… -c config.yaml
    """
    _show(with_ledger(config_file, lambda ledger: ledger.reservation(reservation_id)), as_json)


@reservations_group.command("commit")
@click.argument("reservation_id", metavar="ID")
@click.option("--actual", type=DollarsType(), help="What the call did cost. Default: the hold.")
@ledger_option
@json_option
def commit_command(
    reservation_id: str, actual: int | None, config_file: Path | None, as_json: bool
) -> None:
    """Charge a hold whose call did take place, and end it.

    Without --actual the whole hold is charged, marked as an estimate.

    \b
    spendgate reservations commit rsv_… -c config.yaml
    spendgate reservations commit rsv_… --actual 0.0123 -c config.yaml
    """
    if actual is not None and actual < 0:
        raise click.BadParameter("a call cannot earn money", param_hint="--actual")

    async def work(ledger: "SqliteLedger") -> "Reservation":
        hold = await ledger.reservation(reservation_id)
        charge = hold.amount if actual is None else actual
        await ledger.commit(
            reservation_id,
            actual=charge,
            key=_key(reservation_id),
            payload_hash=str(charge),
            estimated=actual is None,
            metadata={"actor": operator()},
        )
        return await ledger.reservation(reservation_id)

    _show(with_ledger(config_file, work), as_json)


@reservations_group.command("release")
@click.argument("reservation_id", metavar="ID")
@ledger_option
@json_option
def release_command(reservation_id: str, config_file: Path | None, as_json: bool) -> None:
    """Give a hold back whose call never took place, and end it.

    Look the call up in the provider's usage log first: what is given back too early is money
    that is spent twice. The journal keeps who did it.

    \b
    spendgate reservations release rsv_… -c config.yaml
    """

    async def work(ledger: "SqliteLedger") -> "Reservation":
        await ledger.release(reservation_id, key=_key(reservation_id), actor=operator())
        return await ledger.reservation(reservation_id)

    _show(with_ledger(config_file, work), as_json)


def _key(reservation_id: str) -> str:
    """One key a hold: saying the same thing twice is done once."""
    return f"{reservation_id}/operator"


def _list(reservations: "Sequence[Reservation]", as_json: bool) -> None:
    from proxy.cli.books.wire import reservation_object
    from proxy.domain.money import written
    from proxy.domain.period import iso

    if as_json:
        print_json([reservation_object(reservation) for reservation in reservations])
        return
    if not reservations:
        click.echo("no such reservations")
        return
    table = new_table("id", "state", "scope", "action", ">held", ">charged", "made at")
    for each in reservations:
        charged = "" if each.charged is None else written(each.charged, each.unit)
        table.add_row(
            each.reservation_id,
            each.state,
            each.scope_path,
            each.action_name,
            written(each.amount, each.unit),
            charged,
            iso(each.created_at_ms),
        )
    open_console().print(table)


def _show(reservation: "Reservation", as_json: bool) -> None:
    if as_json:
        _list([reservation], as_json)
        return
    table = new_table("what", "value")
    table.show_header = False
    for what, value in _facts(reservation).items():
        table.add_row(what, value)
    open_console().print(table)


def _facts(reservation: "Reservation") -> dict[str, str]:
    from proxy.domain.money import written
    from proxy.domain.period import iso

    unit = reservation.unit
    facts = {
        "id": reservation.reservation_id,
        "state": reservation.state.value,
        "scopes": ", ".join(reservation.affected_scopes),
        "action": f"{reservation.action_kind} {reservation.action_name}",
        "held": written(reservation.amount, unit),
        "sent": "yes" if reservation.dispatched else "no",
        "made at": iso(reservation.created_at_ms),
        "lease until": iso(reservation.expires_at_ms),
    }
    if reservation.charged is not None:
        how = " (estimated)" if reservation.estimated else ""
        facts["charged"] = written(reservation.charged, unit) + how
    if reservation.uncovered:
        facts["uncovered"] = written(reservation.uncovered, unit)
    if reservation.finalized_at_ms is not None:
        facts["ended at"] = iso(reservation.finalized_at_ms)
    for name, value in {**reservation.metadata, **reservation.settled_metadata}.items():
        facts[name.replace("_", " ")] = value
    return facts
