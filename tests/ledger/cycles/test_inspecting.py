"""What `spendgate check` says of an authority elsewhere."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from proxy.cli import main
from tests.ledger.cycles.fates import Answer, error
from tests.ledger.cycles.stub import KEY, Stub

TENANT = "tenant:dev"
CONFIG = """
ledger: {{url: "cycles+{url}", api_key: {key}, journal_dir: "{folder}/journal"}}
upstreams: [{{name: a, base_url: "http://localhost:1/v1", api_key: none}}]
identity: {{default: {{tenant: Dev}}}}
"""


async def check(stub: Stub, folder: Path, *, key: str = KEY, url: str = "") -> Result:
    """The command as it is, in a thread: it has a loop of its own."""
    file = folder / "config.yaml"
    text = CONFIG.format(url=url or stub.url, key=key, folder=folder)
    await asyncio.to_thread(file.write_text, text)
    return await asyncio.to_thread(CliRunner().invoke, main, ["check", "-c", str(file), "--json"])


def told(result: Result) -> list[tuple[str, str, str]]:
    found = json.loads(result.stdout)
    return [(each["path"], each["severity"], each["problem"]) for each in found]


def introspects(**says: object) -> Answer:
    return Answer(200, json.dumps(says).encode())


ALL = ["reservations:*", "balances:read"]


async def test_an_authority_that_will_do_is_good(stub: Stub, tmp_path: Path) -> None:
    stub.fund(TENANT, 1_000)
    stub.spoil("introspect", introspects(permissions=ALL, tenant_id="dev"))
    result = await check(stub, tmp_path)
    assert told(result) == []
    assert result.exit_code == 0
    assert stub.operations() == ["balances", "introspect"]


async def test_one_that_does_not_say_what_a_key_may_is_good_as_well(
    stub: Stub, tmp_path: Path
) -> None:
    stub.fund(TENANT, 1_000)
    stub.spoil("introspect", error("NOT_FOUND", 404))
    assert told(await check(stub, tmp_path)) == []


async def test_a_key_that_is_not_known_there_is_an_error(stub: Stub, tmp_path: Path) -> None:
    result = await check(stub, tmp_path, key="cyc_other")
    ((path, severity, problem),) = told(result)
    assert (path, severity) == ("ledger.api_key", "error")
    assert "does not accept our key" in problem
    assert result.exit_code == 1
    assert "cyc_other" not in result.stdout


async def test_a_key_without_a_permission_or_of_another_tenant_is_an_error(
    stub: Stub, tmp_path: Path
) -> None:
    stub.fund(TENANT, 1_000)
    some = ["reservations:create", "reservations:release", "admin:read"]
    stub.spoil("introspect", introspects(permissions=some, tenant_id="acme"))
    result = await check(stub, tmp_path)
    assert told(result) == [
        (
            "ledger.api_key",
            "error",
            "has no reservations:commit, reservations:extend there",
        ),
        ("ledger.api_key", "error", "of the tenant acme, while identity.default says dev"),
    ]


@pytest.mark.parametrize(
    ("unit", "severity", "problem"),
    [
        (None, "warning", "has no budget for tenant:dev: calls of just that are refused"),
        (
            "CREDITS",
            "error",
            "has budgets for tenant:dev in CREDITS only, in which no call counts",
        ),
        ("TOKENS", None, None),
    ],
)
async def test_budgets_are_looked_for(
    stub: Stub, tmp_path: Path, unit: str | None, severity: str | None, problem: str | None
) -> None:
    stub.fund("tenant:dev/agent:bot", 1_000)
    if unit is not None:
        stub.fund(TENANT, 1_000, unit)
    found = [("ledger.url", severity, problem)] if severity is not None else []
    assert told(await check(stub, tmp_path)) == found


async def test_one_that_cannot_be_reached_from_here_is_a_warning(
    stub: Stub, tmp_path: Path
) -> None:
    """The proxy may well reach it."""
    result = await check(stub, tmp_path, url="http://127.0.0.1:9")
    ((path, severity, problem),) = told(result)
    assert (path, severity) == ("ledger.url", "warning")
    assert "cannot be reached" in problem
    assert result.exit_code == 0
