"""What of the contract one existing budget can show, over sockets, at a server that is named.

`CYCLES_URL` and `CYCLES_API_KEY` name it (`CYCLES_TENANT`: whose budget, else the key's).
The same is always asked of a `spendgate serve` of our own.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from proxy.domain.errors import (
    BudgetRefused,
    IdempotencyMismatch,
    Reason,
    ReservationExpired,
    ReservationFinalized,
    ReservationNotFound,
)
from proxy.domain.reservation import State
from proxy.ledger.cycles.parts import Part, name_of
from tests.e2e.program import serving, write_config
from tests.ledger.builders import USD, usd
from tests.ledger.cycles.real.named import (
    API_KEY,
    URL,
    NamedServer,
    Visit,
    missing_names,
    named_server,
    visiting,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

HELD = 10
LEASE_MS = 1_000
"""The shortest that the protocol has."""
PATIENCE_S = 30
SECRET = "cyc_live_real"
NOWHERE = "http://127.0.0.1:9/v1"


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["ours", "named"])
async def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NamedServer]:
    if request.param == "named":
        yield named_server(os.environ)
        return
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    config = write_config(
        tmp_path_factory.mktemp("ours"),
        NOWHERE,
        keys=[{"name": "real", "sha256": digest, "subject": {"tenant": "dev"}}],
        identity={"default": {}},
    )
    async with serving(config) as program:
        address = program.events("listening")[0]["authority"]
        yield named_server({URL: f"http://{address}/", API_KEY: SECRET})


@pytest_asyncio.fixture(loop_scope="module")
async def visit(server: NamedServer) -> AsyncIterator[Visit]:
    async with visiting(server) as visit:
        yield visit


async def test_a_hold_takes_room_until_it_is_given_back(visit: Visit) -> None:
    async with visit.moving():
        async with visit.moving(reserved=HELD):
            grant = await visit.ledger.reserve(visit.ask(HELD))
            assert grant.amounts == usd(HELD)
            assert (await visit.ledger.reservation(grant.reservation_id)).state is State.ACTIVE
        settlement = await visit.release(grant.reservation_id, key="back")
        assert (settlement.state, settlement.released) == (State.RELEASED, usd(HELD))


async def test_a_commit_charges_what_it_cost_and_gives_back_the_rest(visit: Visit) -> None:
    async with visit.moving(spent=7):
        settlement = await visit.commit(await visit.hold(HELD), 7)
    assert settlement.state is State.COMMITTED
    assert (settlement.charged, settlement.released) == (usd(7), usd(3))
    assert settlement.uncovered == usd(0)


async def test_what_costs_more_than_was_held_is_charged_where_there_is_room(visit: Visit) -> None:
    async with visit.moving(spent=15):
        settlement = await visit.commit(await visit.hold(HELD), 15)
    assert (settlement.charged, settlement.uncovered) == (usd(15), usd(0))


async def test_an_extension_counts_from_the_end_of_the_lease(visit: Visit) -> None:
    grant = await visit.ledger.reserve(visit.ask(HELD))
    first = await visit.extend(grant.reservation_id, by_ms=5_000, key="longer")
    assert first.expires_at_ms == grant.expires_at_ms + 5_000
    again = await visit.extend(grant.reservation_id, by_ms=5_000, key="longer")
    assert again.expires_at_ms == first.expires_at_ms
    await visit.release(grant.reservation_id, key="back")


async def test_a_decision_holds_nothing(visit: Visit) -> None:
    async with visit.moving():
        assert (await visit.ledger.decide(visit.ask(HELD))).amounts == usd(HELD)


async def test_more_than_remains_is_refused_and_foreseen(visit: Visit) -> None:
    """Also beyond what is held elsewhere: for that much it would be worth waiting."""
    async with visit.moving() as budget:
        request = visit.ask(budget.remaining + budget.reserved + 1)
        for ask in (visit.ledger.decide, visit.ledger.reserve):
            with pytest.raises(BudgetRefused) as refusal:
                await ask(request)
            assert refusal.value.reason is Reason.BUDGET_EXCEEDED


async def test_the_same_key_holds_once(visit: Visit) -> None:
    request = visit.ask(HELD)
    async with visit.moving(reserved=HELD):
        first = await visit.ledger.reserve(request)
        again = await visit.ledger.reserve(request)
    assert again.reservation_id == first.reservation_id
    assert again.expires_at_ms == first.expires_at_ms
    await visit.release(first.reservation_id, key="back")


async def test_the_same_key_charges_once(visit: Visit) -> None:
    reservation_id = await visit.hold(HELD)
    async with visit.moving(reserved=-HELD, spent=4):
        first = await visit.commit(reservation_id, 4)
        assert await visit.commit(reservation_id, 4) == first


async def test_the_same_key_with_another_payload_is_a_mismatch(visit: Visit) -> None:
    reservation_id = await visit.hold(HELD)
    async with visit.moving(reserved=-HELD, spent=4):
        with pytest.raises(IdempotencyMismatch):
            await visit.hold(HELD + 1)
        await visit.commit(reservation_id, 4)
        with pytest.raises(IdempotencyMismatch):
            await visit.commit(reservation_id, 5)


@pytest.mark.parametrize("first", ["commit", "release"])
async def test_what_has_ended_ends_no_other_way(visit: Visit, first: str) -> None:
    reservation_id = await visit.hold(HELD)
    if first == "commit":
        await visit.commit(reservation_id, 1, key="first")
    else:
        await visit.release(reservation_id, key="first")
    async with visit.moving():
        with pytest.raises(ReservationFinalized):
            await visit.commit(reservation_id, 1, key="second")
        with pytest.raises(ReservationFinalized):
            await visit.release(reservation_id, key="second")
        with pytest.raises(ReservationFinalized):
            await visit.extend(reservation_id, by_ms=1_000, key="second")


async def test_what_never_was_is_not_found(visit: Visit) -> None:
    unknown = name_of([Part(USD, str(uuid4()))])
    with pytest.raises(ReservationNotFound):
        await visit.commit(unknown, 1)
    with pytest.raises(ReservationNotFound):
        await visit.release(unknown, key="back")
    with pytest.raises(ReservationNotFound):
        await visit.extend(unknown, by_ms=1_000, key="longer")


async def test_a_lease_that_is_over_can_be_used_no_more(visit: Visit) -> None:
    """One of nothing: what the server gives back in its own time would move another test."""
    reservation_id = await visit.hold(0, ttl_ms=LEASE_MS)
    async with asyncio.timeout(PATIENCE_S):
        await visit.until_over(LEASE_MS)
    with pytest.raises(ReservationExpired):
        await visit.extend(reservation_id, by_ms=1_000, key="longer")
    with pytest.raises(ReservationExpired):
        await visit.commit(reservation_id, 1)
    with pytest.raises(ReservationExpired):
        await visit.release(reservation_id, key="back")


async def test_an_event_is_charged_at_once_and_once(visit: Visit) -> None:
    event = visit.event(6)
    async with visit.moving(spent=6):
        first = await visit.ledger.apply(event)
        again = await visit.ledger.apply(event)
    assert first.settlement.charged == usd(6)
    assert again.reservation_id == first.reservation_id


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({}, [URL, API_KEY]),
        ({URL: "http://localhost:7878"}, [API_KEY]),
        ({API_KEY: "secret"}, [URL]),
        ({URL: "http://localhost:7878", API_KEY: "secret"}, []),
    ],
    ids=["nothing", "no key", "no address", "both"],
)
async def test_without_both_variables_it_says_which_to_set(
    environment: dict[str, str], missing: list[str]
) -> None:
    assert missing_names(environment) == missing
