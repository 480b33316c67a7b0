"""One life over every home of the ledger: what the authority asks, each of them answers alike."""

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from proxy.domain.decision import Caps
from proxy.domain.policy import Band, Policy
from proxy.domain.scope import parse_pattern
from proxy.ledger.records import TenantStatus
from tests.authority.rig import BUDGETS, USD, Lines, Rig, plane_over
from tests.ledger.builders import TEMPLATES_MAX
from tests.ledger.harness import BACKENDS, Harness, ManualClock

THRIFT = Policy(
    "thrift",
    parse_pattern("tenant:dev/*", subtree=True),
    1,
    (Band(50, Caps(max_tokens=9)),),
)


@pytest.fixture(params=BACKENDS)
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[Harness]:
    backend: str = request.param
    async with BACKENDS[backend].open() as opened:
        yield opened


@pytest.fixture
async def home(harness: Harness) -> Rig:
    """An authority over a home."""
    clock, log = ManualClock(), Lines()
    await harness.ledger.declare(BUDGETS, templates_max=TEMPLATES_MAX)
    plane = plane_over(harness.ledger, clock=clock, log=log, policies=[THRIFT])
    return Rig(plane, cast(Any, harness.ledger), clock, log)


def _without_ttl(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != "remaining_ttl_ms"}


async def test_a_life_over_every_home(harness: Harness, home: Rig) -> None:
    subject = {"tenant": "dev", "agent": "jo@example.com"}
    event = await home.event(500, idempotency_key="a")
    assert event.status == 201
    first = await home.reserve(100, idempotency_key="a", subject=subject, metadata={"x": [None]})
    assert (first["decision"], first["caps"]) == ("ALLOW_WITH_CAPS", {"max_tokens": 9})
    held = first["reservation_id"]

    harness.advance_ms(1_000)
    await home.event(1)
    again = await home.reserve(100, idempotency_key="a", subject=subject, metadata={"x": [None]})
    assert _without_ttl(again.body) == _without_ttl(first.body)
    assert again["remaining_ttl_ms"] == first["remaining_ttl_ms"] - 1_000
    assert (await home.event(500, idempotency_key="a")).body == event.body
    assert (await home.reserve(101, idempotency_key="a")).code == "IDEMPOTENCY_MISMATCH"

    tried = await home.reserve(100, idempotency_key="t", dry_run=True)
    decided = await home.decide(10_000, idempotency_key="t")
    assert (tried["decision"], decided["decision"]) == ("ALLOW_WITH_CAPS", "DENY")
    assert (await home.decide(10_000, idempotency_key="t")).body == decided.body
    assert (await home.reserve(100, idempotency_key="t")).code == "IDEMPOTENCY_MISMATCH"

    extended = await home.extend(held, 5_000, idempotency_key="e")
    assert extended["expires_at_ms"] == first["expires_at_ms"] + 5_000
    committed = await home.commit(held, 40, idempotency_key="c", metadata={"y": 2})
    assert committed["charged"] == {"unit": USD, "amount": 40}
    assert (await home.commit(held, 40, idempotency_key="c")).code == "IDEMPOTENCY_MISMATCH"
    again = await home.commit(held, 40, idempotency_key="c", metadata={"y": 2})
    assert again.body == committed.body

    row = await home.get(f"/v1/reservations/{held}")
    assert (row["subject"], row["metadata"]) == (subject, {"x": [None]})
    assert (row["committed_metadata"], row["status"]) == ({"y": 2}, "COMMITTED")
    other = await home.held(5)
    listed = await home.get("/v1/reservations", sort_by="reserved", limit="1")
    assert [found["reservation_id"] for found in listed["reservations"]] == [held]
    rest = await home.get(
        "/v1/reservations", sort_by="reserved", limit="1", cursor=listed["next_cursor"]
    )
    assert [found["reservation_id"] for found in rest["reservations"]] == [other]
    assert await home.remaining() == 1_000 - 500 - 1 - 40 - 5

    await home.ledger.set_tenant_status("dev", TenantStatus.CLOSED, actor="ops")
    assert (await home.release(other)).code == "TENANT_CLOSED"
    assert (await home.decide(1))["reason_code"] == "TENANT_CLOSED"
    assert (await home.commit(held, 40, idempotency_key="c", metadata={"y": 2})).status == 200
    assert (await harness.ledger.verify()).differences == ()
