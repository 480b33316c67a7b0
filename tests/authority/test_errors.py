"""One row for each error code and condition of the protocol's table of errors.

Source: cycles-protocol-v0.yaml, ErrorCode and "ERROR SEMANTICS"; docs/protocol.md, "Errors".
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from proxy.cycles_wire.errors import ErrorCode
from proxy.domain.errors import LedgerUnavailable
from proxy.domain.period import Period
from proxy.ledger.records import BudgetStatus
from tests.authority.conditions import (
    ROWS,
    TENANT,
    Condition,
    commit_in_another_unit,
    reserve_in_another_unit,
    too_little_remains,
)
from tests.authority.rig import BUDGETS, KEYS, OTHER, USD, Rig, key, plane_over, running
from tests.docs.pages import codes, page, section, table
from tests.ledger.builders import line


@pytest.fixture
async def rich(tmp_path: Path) -> AsyncIterator[Rig]:
    """An authority with a tenant that may overdraw, and one without any budget."""
    budgets = (*BUDGETS, line("tenant:rich", 1_000, overdraft_limit=50, period=Period.DAY))
    keys = (*KEYS, key("cyc_live_rich", "rich"), key("cyc_live_poor", "poor"))
    async with running(tmp_path, budgets=budgets, keys=keys) as rig:
        yield rig


@pytest.mark.parametrize(
    ("code", "status", "condition"), ROWS, ids=[row[2].__name__ for row in ROWS]
)
async def test_each_condition_has_its_code_and_status(
    rich: Rig, code: str, status: int, condition: Condition
) -> None:
    """[spec] §1.14; 0.1.25.16 "ERROR SEMANTICS"."""
    came = await condition(rich)
    assert (came.code, came.status) == (code, status), came.body


@pytest.mark.parametrize("settle", ["commit", "release"])
@pytest.mark.parametrize("status", [BudgetStatus.FROZEN, BudgetStatus.CLOSED])
async def test_a_budget_that_is_stopped_lets_what_was_held_land(
    rig: Rig, settle: str, status: BudgetStatus
) -> None:
    """§1.4: the money is spent, and frozen or closed budgets do not stop it."""
    held = await rig.held()
    await rig.ledger.set_status(TENANT, None, status, actor="ops")
    assert (await getattr(rig, settle)(held)).status == 200


async def test_a_unit_mismatch_says_where_and_what_is_there(rig: Rig) -> None:
    """[spec] "ERROR SEMANTICS": details of UNIT_MISMATCH."""
    came = await reserve_in_another_unit(rig)
    assert came["details"] == {
        "scope": "tenant:dev",
        "requested_unit": "CREDITS",
        "expected_units": [USD],
    }
    came = await commit_in_another_unit(rig)
    assert came["details"]["expected_units"] == [USD]


async def test_a_shortage_says_where_and_how_much(rig: Rig) -> None:
    came = await too_little_remains(rig)
    assert came["details"] == {
        "scope": "tenant:dev",
        "unit": USD,
        "required": 1_001,
        "remaining": 1_000,
    }


async def test_over_the_limit_goes_before_debt(rich: Rig) -> None:
    """[spec] "ERROR SEMANTICS": OVERDRAFT_LIMIT_EXCEEDED beats DEBT_OUTSTANDING."""
    owing: dict[str, Any] = {"subject": {"tenant": "rich"}, "secret": "cyc_live_rich"}
    await rich.event(1_040, overage_policy="ALLOW_WITH_OVERDRAFT", **owing)
    poorer = line("tenant:rich", 1_000, period=Period.DAY)
    await rich.ledger.declare([*BUDGETS, poorer], templates_max=1, version=2)
    assert (await rich.reserve(0, **owing)).code == "OVERDRAFT_LIMIT_EXCEEDED"


async def test_whose_a_reservation_is_comes_before_how_far_a_key_reaches(rig: Rig) -> None:
    came = await rig.get(f"/v1/reservations/{await rig.held()}", secret=OTHER)
    assert came["message"] == "The reservation belongs to another tenant."


class _Away:
    """A ledger that cannot be reached, whatever is asked."""

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def fail(*args: object, **more: object) -> Any:
            raise LedgerUnavailable

        return fail


ASKS: list[tuple[str, Condition]] = [
    ("createReservation", lambda rig: rig.reserve()),
    ("dry run", lambda rig: rig.reserve(dry_run=True)),
    ("commitReservation", lambda rig: rig.commit("rsv_a")),
    ("releaseReservation", lambda rig: rig.release("rsv_a")),
    ("extendReservation", lambda rig: rig.extend("rsv_a")),
    ("decide", lambda rig: rig.decide()),
    ("createEvent", lambda rig: rig.event()),
    ("listReservations", lambda rig: rig.get("/v1/reservations")),
    ("getReservation", lambda rig: rig.get("/v1/reservations/rsv_a")),
    ("getBalances", lambda rig: rig.get("/v1/balances", tenant="dev")),
]


@pytest.mark.parametrize(("name", "ask"), ASKS, ids=[ask[0] for ask in ASKS])
async def test_while_the_ledger_is_away_the_same_key_may_be_tried_again(
    rig: Rig, name: str, ask: Condition
) -> None:
    """§1.14: INTERNAL_ERROR, which clients retry."""
    rig.plane = plane_over(cast(Any, _Away()), clock=rig.clock, log=rig.log)
    came = await ask(rig)
    assert (came.code, came.status) == ("INTERNAL_ERROR", 500)
    assert "same idempotency key" in came["message"]


async def test_a_bug_is_an_answer_and_a_line(rig: Rig) -> None:
    broken = cast(Any, object())
    rig.plane = plane_over(broken, clock=rig.clock, log=rig.log)
    came = await rig.reserve()
    assert (came.code, came.status) == ("INTERNAL_ERROR", 500)
    assert rig.log.written[-2]["error"] == "AttributeError"


def test_the_page_has_every_code_with_its_status() -> None:
    documented = {
        name: int(row["status"])
        for row in table(section(page("protocol.md"), "Errors"), "code", "status")
        for name in codes(row["code"])
    }
    assert documented == {
        code: code.status for code in ErrorCode if code is not ErrorCode.LIMIT_EXCEEDED
    }
    assert {code for code, _, _ in ROWS} | {"INTERNAL_ERROR"} == set(documented)
