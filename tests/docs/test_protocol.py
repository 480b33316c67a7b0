"""docs/protocol.md against what is served: its tables, and its examples on a real listener."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from proxy.authority.operations.table import OPERATIONS
from proxy.authority.sub_budgets.operations import OPERATIONS as SUB_BUDGETS
from proxy.cycles_wire.errors import ErrorCode
from proxy.domain.money import Unit
from proxy.domain.reservation import State
from simulator.server import Simulator
from tests.docs.pages import blocks, code, codes, page, section, table
from tests.e2e.stack import Stack, running

TEXT = page("protocol.md")
SERVED = {operation.name: operation for operation in (*OPERATIONS, *SUB_BUDGETS)}
ADDRESS = "http://127.0.0.1:7878"
SECRET = "test"
"""The secret in "First use", whose hash is that of the key above it."""

ROWS = table(section(TEXT, "What is served"), "operation", "method and path", "permission")
ERRORS = table(section(TEXT, "Errors"), "code", "status", "when")


def declared_keys() -> list[dict[str, Any]]:
    """The keys of the page, as its reader copies them."""
    (text,) = blocks(section(TEXT, "First use"), "yaml")
    keys: list[dict[str, Any]] = yaml.safe_load(text)["keys"]
    return keys


@asynccontextmanager
async def listening(folder: Path, *permissions: str) -> AsyncIterator[tuple[str, Stack]]:
    """The address of an authority that has the key of the page, with the usual permissions or
    these."""
    (key,) = declared_keys()
    if permissions:
        key["permissions"] = list(permissions)
    async with (
        Simulator() as simulator,
        running(folder, simulator, keys=[key], identity={"default": {}}) as stack,
    ):
        yield f"http://{stack.server.addresses['authority']}", stack


def test_every_operation_has_one_row() -> None:
    assert sorted(code(row["operation"]) for row in ROWS) == sorted(SERVED)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: code(row["operation"]))
def test_a_row_says_where_an_operation_is_and_who_may(row: dict[str, str]) -> None:
    operation = SERVED[code(row["operation"])]
    place, *_ = codes(row["method and path"])
    assert place == f"{operation.method} {operation.path}"
    permission = operation.permission
    if permission is None:
        assert row["permission"] == "any key"
    else:
        assert codes(row["permission"])[0] == permission.value


def test_every_code_has_one_row_or_is_said_never_to_be_sent() -> None:
    told = [name for row in ERRORS for name in codes(row["code"])]
    assert sorted([*told, ErrorCode.LIMIT_EXCEEDED]) == sorted(ErrorCode)


@pytest.mark.parametrize("row", ERRORS, ids=lambda row: row["code"])
def test_a_row_has_the_status_of_its_codes(row: dict[str, str]) -> None:
    statuses = {str(ErrorCode(name).status) for name in codes(row["code"])}
    assert statuses == {row["status"]}


async def test_the_program_of_the_page_spends_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The client keeps what it could not settle in the home of whoever runs it.
    monkeypatch.setenv("HOME", str(tmp_path))
    (program,) = blocks(section(TEXT, "First use"), "python")
    assert ADDRESS in program
    names: dict[str, Any] = {}

    def run(url: str) -> None:
        try:
            exec(program.replace(ADDRESS, url), names)
        finally:
            names["client"].close()

    async with listening(tmp_path) as (url, stack):
        await asyncio.to_thread(run, url)
        row = await stack.row()
    assert row.state is State.COMMITTED
    assert row.amounts == {Unit.USD_MICROCENTS: 500_000}
    assert row.charged == {Unit.USD_MICROCENTS: 420_000}


async def test_the_sub_budget_of_the_page_is_made_and_answered_as_printed(tmp_path: Path) -> None:
    (printed,) = blocks(section(TEXT, "Sub-budgets"), "")
    asked, told = printed.split("\n\n")
    line, body = asked.split("\n", 1)
    method, path = line.split()
    status, shape = told.split(" ", 1)
    row = next(row for row in ROWS if code(row["operation"]) == "createSubBudget")
    async with (
        listening(tmp_path, *codes(row["permission"])) as (url, _),
        aiohttp.ClientSession(headers={"X-Cycles-API-Key": SECRET}) as session,
        session.request(method, url + path, json=json.loads(body)) as answer,
    ):
        made = await answer.json()
    assert answer.status == int(status), made
    assert list(made) == re.findall(r'"(\w+)":', shape)
    assert made["scope"] == f"tenant:dev/agent:lead/purse:{made['sub_budget_id']}"
    assert made["key"].startswith(f"cyc_sub_{made['sub_budget_id']}_")


async def test_every_operation_is_there_and_asks_for_a_key(tmp_path: Path) -> None:
    async with listening(tmp_path) as (url, _), aiohttp.ClientSession() as session:
        for row in ROWS:
            method, path = codes(row["method and path"])[0].split()
            named = path.replace("{reservation_id}", "rsv_1")
            async with session.request(method, url + named) as answer:
                assert answer.status == 401, row
                assert (await answer.json())["error"] == "UNAUTHORIZED"


async def test_the_document_and_its_page_need_no_key(tmp_path: Path) -> None:
    async with listening(tmp_path) as (url, _), aiohttp.ClientSession() as session:
        async with session.get(f"{url}/openapi.json") as answer:
            assert (await answer.json())["openapi"].startswith("3.1")
        async with session.get(f"{url}/docs") as answer:
            assert answer.content_type == "text/html"
