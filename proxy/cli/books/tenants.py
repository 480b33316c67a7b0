"""`spendgate tenants`: who spends, and who may no more."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.books.naming import TenantType
from proxy.cli.books.opened import ledger_option, operator, with_ledger
from proxy.cli.books.tables import show_tenants
from proxy.cli.output import json_option, print_json

if TYPE_CHECKING:
    from proxy.ledger.records import TenantStatus
    from proxy.opening import Home

Standing = tuple[str, "TenantStatus"]


@click.group("tenants")
def tenants_group() -> None:
    """See tenants, and stop one as a whole.

    Works while the proxy runs. To stop one scope and not all of its tenant, freeze its budgets.

    \b
    spendgate tenants list -c config.yaml
    spendgate tenants suspend dev -c config.yaml
    """


@tenants_group.command("list")
@ledger_option
@json_option
def list_command(config_file: Path | None, as_json: bool) -> None:
    """Show every tenant that has spent, and whether it may.

    \b
    spendgate tenants list -c config.yaml --json
    """

    async def work(ledger: "Home") -> list[Standing]:
        return [(name, await ledger.tenant_status(name)) for name in await ledger.tenants()]

    _show(with_ledger(config_file, work), as_json)


@tenants_group.command("suspend")
@click.argument("tenant", type=TenantType())
@ledger_option
@json_option
def suspend_command(tenant: str, config_file: Path | None, as_json: bool) -> None:
    """Refuse every new hold of TENANT until it is reopened.

    What is in flight is settled: calls, and reservations made over the protocol.

    \b
    spendgate tenants suspend dev -c config.yaml
    """
    from proxy.ledger.records import TenantStatus

    _set_status(tenant, TenantStatus.SUSPENDED, config_file, as_json)


@tenants_group.command("close")
@click.argument("tenant", type=TenantType())
@ledger_option
@json_option
def close_command(tenant: str, config_file: Path | None, as_json: bool) -> None:
    """Refuse all that comes from TENANT from now on.

    Over the protocol its reservations can neither be committed nor released any more: they
    end with their leases. Calls that the proxy has sent are charged what they cost.

    \b
    spendgate tenants close dev -c config.yaml
    """
    from proxy.ledger.records import TenantStatus

    _set_status(tenant, TenantStatus.CLOSED, config_file, as_json)


@tenants_group.command("reopen")
@click.argument("tenant", type=TenantType())
@ledger_option
@json_option
def reopen_command(tenant: str, config_file: Path | None, as_json: bool) -> None:
    """Let TENANT spend again.

    \b
    spendgate tenants reopen dev -c config.yaml
    """
    from proxy.ledger.records import TenantStatus

    _set_status(tenant, TenantStatus.ACTIVE, config_file, as_json)


def _set_status(
    tenant: str, status: "TenantStatus", config_file: Path | None, as_json: bool
) -> None:
    async def work(ledger: "Home") -> list[Standing]:
        await ledger.set_tenant_status(tenant, status, actor=operator())
        return [(tenant, await ledger.tenant_status(tenant))]

    _show(with_ledger(config_file, work), as_json)


def _show(standings: list[Standing], as_json: bool) -> None:
    if as_json:
        print_json([{"tenant_id": name, "status": status.value} for name, status in standings])
    else:
        show_tenants(standings)
