"""The legal moves of a hold, spelled out once more."""

import pytest

from proxy.domain.errors import ReservationFinalized
from proxy.domain.reservation import OPEN, OnExpiry, State
from proxy.ledger.journal import Kind
from proxy.ledger.rules import MOVES, at_lease_end, move

LEGAL = {
    (State.ACTIVE, Kind.DISPATCH): State.ACTIVE,
    (State.ACTIVE, Kind.GROW): State.ACTIVE,
    (State.ACTIVE, Kind.EXTEND): State.ACTIVE,
    (State.ACTIVE, Kind.COMMIT): State.COMMITTED,
    (State.ACTIVE, Kind.RELEASE): State.RELEASED,
    (State.ACTIVE, Kind.EXPIRE): State.EXPIRED,
    (State.ACTIVE, Kind.MARK_UNCERTAIN): State.UNCERTAIN,
    (State.UNCERTAIN, Kind.COMMIT): State.COMMITTED,
    (State.UNCERTAIN, Kind.RELEASE): State.RELEASED,
    (State.UNCERTAIN, Kind.MARK_UNCERTAIN): State.UNCERTAIN,
    (State.COMMITTED, Kind.CHARGE_LATE): State.COMMITTED,
    (State.RELEASED, Kind.CHARGE_LATE): State.RELEASED,
    (State.EXPIRED, Kind.CHARGE_LATE): State.EXPIRED,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("kind", Kind)
def test_a_hold_moves_only_as_the_table_says(state: State, kind: Kind) -> None:
    if (state, kind) in LEGAL:
        assert move(state, kind) is LEGAL[state, kind]
    else:
        with pytest.raises(ReservationFinalized) as refusal:
            move(state, kind)
        assert refusal.value.state == state


def test_a_hold_that_ended_stays_ended() -> None:
    for state in set(State) - OPEN:
        assert set(MOVES[state].values()) == {state}


@pytest.mark.parametrize(
    ("on_expiry", "dispatched", "kind"),
    [
        (OnExpiry.RELEASE, False, Kind.EXPIRE),
        (OnExpiry.RELEASE, True, Kind.EXPIRE),
        (OnExpiry.UNCERTAIN, False, Kind.RELEASE),
        (OnExpiry.UNCERTAIN, True, Kind.MARK_UNCERTAIN),
    ],
)
def test_the_end_of_a_lease_never_gives_back_what_may_be_billed(
    on_expiry: OnExpiry, dispatched: bool, kind: Kind
) -> None:
    assert at_lease_end(on_expiry, dispatched=dispatched) is kind
