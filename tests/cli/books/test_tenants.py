"""A tenant is stopped as a whole, and the journal says by whom."""

from pathlib import Path

import pytest

from proxy.cli.books.opened import operator
from proxy.domain.errors import Reason, Refused
from tests.cli.books.ledgers import hold, last_entry
from tests.cli.commands import answered, run


def test_list_shows_who_has_spent(config_file: Path) -> None:
    hold(config_file, 1)

    result = run("tenants", "list", "-c", str(config_file))

    assert result.exit_code == 0
    assert [line.split() for line in result.stdout.splitlines()] == [
        ["tenant", "status"],
        ["dev", "active"],
    ]


@pytest.mark.parametrize(
    ("command", "status", "reason"),
    [
        ("suspend", "SUSPENDED", Reason.TENANT_SUSPENDED),
        ("close", "CLOSED", Reason.TENANT_CLOSED),
    ],
)
def test_a_tenant_that_is_stopped_gets_no_hold_until_it_is_reopened(
    config_file: Path, command: str, status: str, reason: Reason
) -> None:
    said = answered("tenants", command, "tenant:Dev", "-c", str(config_file))

    assert said == [{"tenant_id": "dev", "status": status}]
    assert last_entry(config_file).actor == operator()
    with pytest.raises(Refused) as refusal:
        hold(config_file, 1)
    assert refusal.value.reason is reason

    said = answered("tenants", "reopen", "dev", "-c", str(config_file))

    assert said == [{"tenant_id": "dev", "status": "ACTIVE"}]
    assert hold(config_file, 1)


@pytest.mark.parametrize("name", ["*", "dev/agent:bot", "de v", ""])
def test_what_names_no_tenant_is_wrong_usage(config_file: Path, name: str) -> None:
    result = run("tenants", "suspend", name, "-c", str(config_file))

    assert result.exit_code == 2
    assert "TENANT" in result.stderr
