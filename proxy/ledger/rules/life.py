"""The states of a hold and its legal moves, as a table."""

from collections.abc import Mapping

from proxy.domain.errors import ReservationFinalized
from proxy.domain.reservation import OnExpiry, State
from proxy.ledger.journal import Kind

MOVES: Mapping[State, Mapping[Kind, State]] = {
    State.ACTIVE: {
        Kind.DISPATCH: State.ACTIVE,
        Kind.GROW: State.ACTIVE,
        Kind.EXTEND: State.ACTIVE,
        Kind.COMMIT: State.COMMITTED,
        Kind.RELEASE: State.RELEASED,
        Kind.EXPIRE: State.EXPIRED,
        Kind.MARK_UNCERTAIN: State.UNCERTAIN,
    },
    State.UNCERTAIN: {
        Kind.COMMIT: State.COMMITTED,
        Kind.RELEASE: State.RELEASED,
        Kind.MARK_UNCERTAIN: State.UNCERTAIN,
    },
    State.COMMITTED: {Kind.CHARGE_LATE: State.COMMITTED},  # of an estimate, by what it lacked
    State.RELEASED: {Kind.CHARGE_LATE: State.RELEASED},
    State.EXPIRED: {Kind.CHARGE_LATE: State.EXPIRED},
}
"""The life of a hold. What is not in this table does not happen."""


def move(state: State, kind: Kind) -> State:
    """Where a hold stands after this.

    Raises:
        ReservationFinalized: the table has no such move.
    """
    after = MOVES[state].get(kind)
    if after is None:
        raise ReservationFinalized(state)
    return after


def at_lease_end(on_expiry: OnExpiry, *, dispatched: bool) -> Kind:
    """What the end of a lease, or a crash, does to an ACTIVE hold that nobody settled."""
    if on_expiry is OnExpiry.RELEASE:
        return Kind.EXPIRE
    return Kind.MARK_UNCERTAIN if dispatched else Kind.RELEASE
