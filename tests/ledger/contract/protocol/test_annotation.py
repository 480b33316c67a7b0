"""A word that the caller wants back comes with the first answer and with every replay."""

import pytest

from tests.ledger.builders import DEV, ask, commit, declare, grow, line, usd
from tests.ledger.harness import Harness, Home


@pytest.fixture(autouse=True)
async def budgets(harness: Harness) -> None:
    """A tenant with 1000."""
    await declare(harness.ledger, line(DEV, 1_000))


async def test_an_annotation_comes_back_with_the_first_answer_and_each_replay(
    harness: Harness,
) -> None:
    """Spec, "IDEMPOTENCY": caps are replayed as they were, whatever the policy says now."""
    annotation = '{"caps":{"max_tokens":7},"why":"\u2713 \\"quoted\\""}'
    request = ask(10, key="call 1", annotation=annotation)
    first = await harness.ledger.reserve(request)
    assert first.annotation == annotation
    assert await harness.ledger.reserve(request) == first
    await harness.crash()
    assert (await harness.ledger.reserve(request)).annotation == annotation


async def test_the_first_annotation_stays(ledger: Home) -> None:
    await ledger.reserve(ask(10, key="call 1", annotation="first"))
    again = await ledger.reserve(ask(10, key="call 1", annotation="second"))
    assert again.annotation == "first"
    await ledger.reserve(ask(10, key="call 2"))
    assert (await ledger.reserve(ask(10, key="call 2", annotation="second"))).annotation == ""


async def test_an_annotation_survives_the_life_of_its_hold(ledger: Home) -> None:
    request = ask(10, key="call 1", annotation="kept")
    reservation_id = (await ledger.reserve(request)).reservation_id
    await ledger.extend(reservation_id, by_ms=5, key="beat")
    assert (await grow(ledger, reservation_id, 5)).amounts == usd(15)
    await commit(ledger, reservation_id, 12)
    again = await ledger.reserve(request)
    assert (again.annotation, again.remaining_ttl_ms) == ("kept", 0)
    assert again.amounts == usd(10)
