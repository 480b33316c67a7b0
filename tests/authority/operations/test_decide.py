"""POST /v1/decide, and what denials are called."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from proxy.domain.reservation import Overage
from proxy.domain.scope import Scope
from proxy.ledger.records import BudgetStatus, TenantStatus
from tests.authority.rig import BUDGETS, KEYS, Came, Rig, key, running
from tests.ledger.builders import ask, line

TENANT = Scope("tenant:dev")


async def test_a_decision_holds_nothing(rig: Rig) -> None:
    """[spec] decide: "This endpoint does not reserve budget"."""
    came = await rig.decide(600)
    assert came.body == {"decision": "ALLOW", "affected_scopes": ["tenant:dev"]}
    assert (await rig.decide(600))["decision"] == "ALLOW"
    assert await rig.remaining() == 1_000


async def _exceeded(rig: Rig) -> None:
    await rig.held(901)


async def _frozen(rig: Rig) -> None:
    await rig.ledger.set_status(TENANT, None, BudgetStatus.FROZEN, actor="ops")


async def _closed(rig: Rig) -> None:
    await rig.ledger.set_status(TENANT, None, BudgetStatus.CLOSED, actor="ops")


async def _over_the_limit(rig: Rig) -> None:
    await rig.event(1_500)


async def _suspended_tenant(rig: Rig) -> None:
    await rig.ledger.set_tenant_status("dev", TenantStatus.SUSPENDED, actor="ops")


async def _closed_tenant(rig: Rig) -> None:
    await rig.ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")


DENIALS: list[tuple[str, Callable[[Rig], Awaitable[None]]]] = [
    ("BUDGET_EXCEEDED", _exceeded),
    ("BUDGET_FROZEN", _frozen),
    ("BUDGET_CLOSED", _closed),
    ("OVERDRAFT_LIMIT_EXCEEDED", _over_the_limit),
    ("TENANT_SUSPENDED", _suspended_tenant),
    ("TENANT_CLOSED", _closed_tenant),
]


@pytest.mark.parametrize(("reason", "happens"), DENIALS, ids=[row[0] for row in DENIALS])
async def test_what_stands_against_it_is_an_answer(
    rig: Rig, reason: str, happens: Callable[[Rig], Awaitable[None]]
) -> None:
    """[spec] §1.9, §1.12: 200 with DENY and its reason, for a dry run as well; never 409."""
    await happens(rig)
    for came in (await rig.decide(100), await rig.reserve(100, dry_run=True)):
        assert (came.status, came["decision"]) == (200, "DENY")
        assert came["reason_code"] == reason
        assert came["affected_scopes"] == ["tenant:dev"]
        assert "caps" not in came


async def test_no_budget_anywhere_is_a_denial_too(tmp_path: Path) -> None:
    """[spec] §1.2: 200 DENY BUDGET_NOT_FOUND, where a live reserve is 404."""
    keys = (*KEYS, key("cyc_live_poor", "poor"))
    async with running(tmp_path, keys=keys) as rig:
        poor: dict[str, Any] = {"secret": "cyc_live_poor", "subject": {"tenant": "poor"}}
        for came in (await rig.decide(**poor), await rig.reserve(dry_run=True, **poor)):
            assert (came.status, came["decision"]) == (200, "DENY")
            assert came["reason_code"] == "BUDGET_NOT_FOUND"


async def test_a_budget_that_is_held_by_calls_in_flight_says_when_to_come_back(
    rig: Rig,
) -> None:
    await rig.ledger.reserve(ask(1_000, agent=None, overage=Overage.ALLOW_IF_AVAILABLE))
    came = await rig.decide(500)
    assert (came["decision"], came["reason_code"]) == ("DENY", "BUDGET_EXCEEDED")
    assert came["retry_after_ms"] > 0


async def test_the_same_question_is_answered_alike(rig: Rig) -> None:
    """[spec] §1.11: the original payload, though the budget has changed since."""
    first = await rig.decide(600, idempotency_key="q")
    await rig.held(900)
    again = await rig.decide(600, idempotency_key="q")
    assert (first.body, first["decision"]) == (again.body, "ALLOW")
    assert (await rig.decide(600))["decision"] == "DENY"


async def test_what_was_asked_before_is_not_judged_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await rig.decide(600, idempotency_key="q")

    async def never(request: object) -> None:
        raise AssertionError

    monkeypatch.setattr(rig.ledger, "decide", never)
    assert (await rig.decide(600, idempotency_key="q")).body == first.body


async def test_an_answer_of_before_stands_when_the_tenant_is_closed(rig: Rig) -> None:
    """[spec] "ERROR SEMANTICS": a same-key replay goes before the guard."""
    asks: list[Callable[[], Awaitable[Came]]] = [
        lambda: rig.decide(1, idempotency_key="a"),
        lambda: rig.reserve(1, idempotency_key="b", dry_run=True),
    ]
    before = [(await question()).body for question in asks]
    await _closed_tenant(rig)
    assert [(await question()).body for question in asks] == before
    assert (await rig.decide(1))["reason_code"] == "TENANT_CLOSED"


async def test_a_question_and_a_reservation_may_have_the_same_key(rig: Rig) -> None:
    """[spec] §1.11: keys are unique per tenant and endpoint."""
    for ask_with in (rig.decide, rig.reserve, rig.event):
        came = await ask_with(10, idempotency_key="same")
        assert came.status in (200, 201), came.body


async def test_debt_that_no_limit_permits_is_a_reason(tmp_path: Path) -> None:
    """[spec] §1.9, decide: SHOULD deny on debt, without a 409."""
    async with running(tmp_path, budgets=(line("tenant:dev", 100, overdraft_limit=50),)) as rig:
        await rig.event(120, overage_policy="ALLOW_WITH_OVERDRAFT")
        await rig.ledger.declare([line("tenant:dev", 100), BUDGETS[1]], templates_max=1, version=2)
        came = await rig.decide(0)
        assert (came.status, came["decision"]) == (200, "DENY")
        assert came["reason_code"] == "OVERDRAFT_LIMIT_EXCEEDED"
