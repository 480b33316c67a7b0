"""When a lease is to be extended: the formula of the protocol, by its own example and limits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.cycles.heartbeat import Heartbeat, Margins
from proxy.ledger.cycles.ledger import LeaseLost
from tests.ledger.cycles.fates import Answer, LoseReply, LoseRequest, error, throttled
from tests.ledger.cycles.home import TTL_MS, Home, request, wish
from tests.ledger.cycles.stub import Stub

MARGINS = Margins.of(timeout_ms=10_000, slowest_ms=1_500)
ACME = "tenant:acme"


def beat_of(lead_ms: int | None, margins: Margins = MARGINS, ttl_ms: int = 60_000) -> Heartbeat:
    beat = Heartbeat(ttl_ms)
    beat.succeeded(lead_ms=lead_ms, expires_ms=0, margins=margins, now_ms=0)
    return beat


def test_the_example_of_the_protocol() -> None:
    """A lead of 60 s, a timeout of 10 s and 1.5 s there and back: about 37 s."""
    assert (MARGINS.attempt_ms, MARGINS.safety_ms) == (10_000, 3_000)
    assert beat_of(60_000).due_ms == 37_000
    assert beat_of(60_000, Margins.of(timeout_ms=30_000, slowest_ms=1_500)).due_ms == 0


def test_margins_are_never_below_a_second() -> None:
    margins = Margins.of(timeout_ms=1, slowest_ms=0)
    assert (margins.attempt_ms, margins.safety_ms) == (1_000, 1_000)


def test_a_short_lease_is_extended_at_once_and_the_second_time_given_up() -> None:
    beat = beat_of(5_000)
    assert beat.due_ms == 0
    assert not beat.succeeded(lead_ms=5_000, expires_ms=0, margins=MARGINS, now_ms=10)
    assert beat.due_ms is None


def test_a_lease_that_has_become_longer_starts_anew() -> None:
    beat = beat_of(5_000)
    assert beat.succeeded(lead_ms=65_000, expires_ms=0, margins=MARGINS, now_ms=10)
    assert beat.due_ms == 10 + 42_000
    assert beat.succeeded(lead_ms=5_000, expires_ms=0, margins=MARGINS, now_ms=50_000)


def test_a_failure_is_tried_again_while_a_whole_attempt_fits() -> None:
    beat = beat_of(60_000)
    number = beat.number
    assert beat.failed(margins=MARGINS, now_ms=40_000)
    assert beat.due_ms == 40_000 + 20_000 // 4
    assert beat.failed(margins=MARGINS, now_ms=45_000)
    assert beat.due_ms == 45_000 + 2_000
    assert not beat.failed(margins=MARGINS, now_ms=48_000)
    assert beat.number == number


def test_a_clock_that_stands_still_ends_the_trying() -> None:
    beat = beat_of(60_000)
    assert beat.failed(margins=MARGINS, now_ms=47_000)
    assert not beat.failed(margins=MARGINS, now_ms=47_000)


@pytest.mark.parametrize(
    ("retry_after_ms", "due_ms"),
    [(7_000, 47_000), (7_001, None), (0, 40_000), (None, None)],
)
def test_a_pause_is_kept_if_the_lease_outlives_it(
    retry_after_ms: int | None, due_ms: int | None
) -> None:
    beat = beat_of(60_000)
    beat.throttled(retry_after_ms, margins=MARGINS, now_ms=40_000)
    assert beat.due_ms == due_ms


@given(
    lead_ms=st.integers(0, 2**63),
    timeout_ms=st.integers(0, 10**6),
    slowest_ms=st.integers(0, 10**6),
)
def test_whatever_the_lead_two_attempts_and_a_margin_fit_behind_the_beat(
    lead_ms: int, timeout_ms: int, slowest_ms: int
) -> None:
    margins = Margins.of(timeout_ms=timeout_ms, slowest_ms=slowest_ms)
    due_ms = beat_of(lead_ms, margins).due_ms
    assert due_ms is not None
    assert due_ms == 0 or due_ms + 2 * margins.attempt_ms + margins.safety_ms == lead_ms


def test_without_a_remaining_time_half_a_lease_is_waited() -> None:
    beat = beat_of(None)
    assert beat.due_ms == 30_000
    beat.succeeded(lead_ms=None, expires_ms=60_000, margins=MARGINS, now_ms=30_000)
    assert beat.due_ms == 60_000
    beat.succeeded(lead_ms=None, expires_ms=70_000, margins=MARGINS, now_ms=60_000)
    assert beat.due_ms == 65_000


def test_an_authority_that_caps_the_lead_is_not_asked_ever_faster() -> None:
    """What it grants then is only the time between two questions."""
    beat = beat_of(None)
    for number in range(1, 6):
        now_ms = number * 30_000
        beat.succeeded(lead_ms=None, expires_ms=now_ms, margins=MARGINS, now_ms=now_ms)
        assert beat.due_ms == now_ms + 30_000


async def test_a_call_that_ends_before_its_first_beat_costs_no_extension(
    stub: Stub, home: Home
) -> None:
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    home.clock.at_ms += TTL_MS - 11_000 - 1_001
    await home.ledger.keep_alive(grant.reservation_id)
    assert stub.operations() == ["reserve"]
    home.clock.at_ms += 1
    await home.ledger.keep_alive(grant.reservation_id)
    assert stub.operations() == ["reserve", "extend"]
    assert stub.seen[-1].body["extend_by_ms"] == TTL_MS


async def test_each_beat_has_a_key_of_its_own_and_its_retry_the_same(
    stub: Stub, home: Home
) -> None:
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    stub.spoil("extend", LoseReply(), LoseRequest())
    home.clock.at_ms += 50_000
    stub.now_ms += 50_000
    for pause_ms in (0, 2_500):
        home.clock.at_ms += pause_ms
        with pytest.raises(LedgerUnavailable):
            await home.ledger.keep_alive(grant.reservation_id)
    home.clock.at_ms += 1_500
    await home.ledger.keep_alive(grant.reservation_id)
    home.clock.at_ms += 60_000
    stub.now_ms += 60_000
    await home.ledger.keep_alive(grant.reservation_id)
    keys = [each.key for each in stub.seen if each.operation == "extend"]
    assert keys == ["rsv/1/extend/1"] * 3 + ["rsv/1/extend/2"]


@pytest.mark.parametrize("answer", [throttled(60), Answer(404), error("SOMETHING_NEW", 409)])
async def test_a_lease_that_cannot_be_kept_is_said_so_once(
    stub: Stub, home: Home, answer: Answer
) -> None:
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    stub.spoil("extend", answer)
    home.clock.at_ms += 50_000
    with pytest.raises(LeaseLost):
        await home.ledger.keep_alive(grant.reservation_id)


async def test_an_authority_that_does_not_say_how_much_remains_is_beaten_blindly(
    stub: Stub, home: Home
) -> None:
    stub.tells_remaining = False
    stub.fund(ACME, 1_000)
    grant = await home.ledger.reserve(request(wish(100)))
    assert grant.remaining_ttl_ms == 0
    home.clock.at_ms += 28_999
    await home.ledger.keep_alive(grant.reservation_id)
    assert stub.operations() == ["reserve"]
    home.clock.at_ms += 1
    await home.ledger.keep_alive(grant.reservation_id)
    assert stub.operations() == ["reserve", "extend"]
