"""`spendgate reservations`: see holds, and end those that nobody else can."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.books.naming import DollarsType, ScopeType, split_run
from proxy.cli.books.opened import ledger_option, operator, with_ledger
from proxy.cli.books.tables import amounts, show_reservations
from proxy.cli.output import json_option, new_table, open_console, print_json

if TYPE_CHECKING:
    from proxy.domain.money import Unit
    from proxy.domain.reservation import State
    from proxy.domain.scope import Scope
    from proxy.ledger.protocol import Books
    from proxy.ledger.records import Reservation
    from proxy.opening import Home

_LISTED_MAX = 100_000
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
@click.option("--scope", type=ScopeType(), help="Only those at or below it; a run: in it.")
@click.option("--limit", type=click.IntRange(1, _LISTED_MAX), default=100, show_default=True)
@ledger_option
@json_option
def list_command(
    state: str, scope: "Scope | None", limit: int, config_file: Path | None, as_json: bool
) -> None:
    """Show holds, the newest first.

    \b
    spendgate reservations list -c config.yaml
    spendgate reservations list --scope tenant:dev/agent:bot -c config.yaml
    spendgate reservations list --state uncertain --limit 20 --json -c config.yaml
    """
    from proxy.domain.reservation import OPEN, State

    named = {"open": OPEN, "all": frozenset(State)}
    states = named.get(state) or frozenset({State(state.upper())})
    _list(with_ledger(config_file, lambda ledger: find(ledger, states, limit, scope)), as_json)


async def find(
    books: "Books", states: "frozenset[State]", limit: int | None, scope: "Scope | None"
) -> "list[Reservation]":
    """The newest holds in these states at or below a scope; no limit is as many as there are."""
    from proxy.domain.scope import encode_value
    from proxy.domain.subject import RUN

    path, run = split_run(scope) if scope is not None else (None, None)
    # Holds stand under their scope, and the run is only written on them.
    asked = _LISTED_MAX if run is not None or limit is None else limit
    found = await books.reservations(states=states, limit=asked, scope=path)
    if run is None:
        return list(found)
    of_run = (each for each in found if encode_value(each.subject.dimensions.get(RUN, "")) == run)
    return list(of_run)[:limit]


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
@click.option("--actual-tokens", type=click.IntRange(min=0), help="The same in tokens.")
@ledger_option
@json_option
def commit_command(
    reservation_id: str,
    actual: int | None,
    actual_tokens: int | None,
    config_file: Path | None,
    as_json: bool,
) -> None:
    """Charge a hold whose call did take place, and end it.

    What is not stated is charged as it was held, and marked as an estimate where a budget of the
    caller counts it.

    \b
    spendgate reservations commit rsv_… -c config.yaml
    spendgate reservations commit rsv_… --actual 0.0123 --actual-tokens 812 -c config.yaml
    """
    from proxy.domain.money import Unit

    if actual is not None and actual < 0:
        raise click.BadParameter("a call cannot earn money", param_hint="--actual")
    stated = {Unit.USD_MICROCENTS: actual, Unit.TOKENS: actual_tokens}
    known = {unit: amount for unit, amount in stated.items() if amount is not None}

    async def work(ledger: "Home") -> "Reservation":
        hold = await ledger.reservation(reservation_id)
        charge = {unit: known.get(unit, amount) for unit, amount in hold.amounts.items()}
        await ledger.commit(
            reservation_id,
            actual=charge,
            key=_key(reservation_id),
            payload_hash=amounts(charge),
            estimated=await _is_estimate(ledger, hold, known),
            metadata={"actor": operator()},
        )
        return await ledger.reservation(reservation_id)

    _show(with_ledger(config_file, work), as_json)


async def _is_estimate(ledger: "Home", hold: "Reservation", known: "Mapping[Unit, int]") -> bool:
    """Whether nothing was stated, or a budget counts what was not."""
    from proxy.domain.money import Unit
    from proxy.domain.scope import budget_scopes

    unknown = [unit for unit in hold.amounts if unit not in known and unit is not Unit.CALLS]
    return not known or bool(await ledger.balances(budget_scopes(hold.subject), *unknown))


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

    async def work(ledger: "Home") -> "Reservation":
        await ledger.release(reservation_id, key=_key(reservation_id), actor=operator())
        return await ledger.reservation(reservation_id)

    _show(with_ledger(config_file, work), as_json)


def _key(reservation_id: str) -> str:
    """One key a hold: saying the same thing twice is done once."""
    return f"{reservation_id}/operator"


def _list(reservations: "Sequence[Reservation]", as_json: bool) -> None:
    from proxy.cli.books.wire import reservation_object

    if as_json:
        print_json([reservation_object(reservation) for reservation in reservations])
    elif reservations:
        show_reservations(reservations)
    else:
        click.echo("no such reservations")


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
    from proxy.domain.period import iso

    facts = {
        "id": reservation.reservation_id,
        "state": reservation.state.value,
        "scopes": ", ".join(reservation.affected_scopes),
        "action": f"{reservation.action_kind} {reservation.action_name}",
        "held": amounts(reservation.amounts),
        "sent": "yes" if reservation.dispatched else "no",
        "made at": iso(reservation.created_at_ms),
        "lease until": iso(reservation.expires_at_ms),
    }
    if reservation.charged is not None:
        how = " (estimated)" if reservation.estimated else ""
        facts["charged"] = amounts(reservation.charged) + how
    if any(reservation.uncovered.values()):
        facts["uncovered"] = amounts(reservation.uncovered)
    if reservation.finalized_at_ms is not None:
        facts["ended at"] = iso(reservation.finalized_at_ms)
    facts |= {"trace id": reservation.trace_id, "price": reservation.price_version}
    for name, value in {**reservation.metadata, **reservation.settled_metadata}.items():
        facts[name.replace("_", " ")] = value
    return {what: value for what, value in facts.items() if value}
