"""Open holds are extended from one timer, by the time between two beats."""

from dataclasses import dataclass, field

from proxy.domain.errors import LedgerUnavailable, ReservationFinalized
from proxy.gateway.runtime.leases import Leases
from proxy.ledger.records import Lease
from tests.e2e.stack import ListLog


@dataclass
class Extensions:
    """A ledger that only extends."""

    calls: list[tuple[str, int, str]] = field(default_factory=list)
    failure: Exception | None = None

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        self.calls.append((reservation_id, by_ms, key))
        if self.failure is not None:
            raise self.failure
        return Lease(0, 0)


def leases_of(ledger: Extensions, log: ListLog) -> Leases:
    return Leases(ledger, log, ttl_ms=60_000)


async def test_every_open_hold_is_extended_by_one_beat_with_a_key_of_its_own() -> None:
    ledger, log = Extensions(), ListLog()
    leases = leases_of(ledger, log)
    leases.keep("a")
    leases.keep("b")
    await leases.beat()
    leases.drop("b")
    await leases.beat()
    assert ledger.calls == [
        ("a", 20_000, "a/extend/0"),
        ("b", 20_000, "b/extend/0"),
        ("a", 20_000, "a/extend/1"),
    ]


async def test_an_extension_without_an_answer_goes_out_again_with_the_same_key() -> None:
    """It may have landed: another key would add it twice."""
    ledger, log = Extensions(failure=LedgerUnavailable()), ListLog()
    leases = leases_of(ledger, log)
    leases.keep("a")
    await leases.beat()
    ledger.failure = None
    await leases.beat()
    await leases.beat()
    assert [key for _, _, key in ledger.calls] == ["a/extend/0", "a/extend/0", "a/extend/1"]


async def test_a_hold_that_has_ended_is_not_extended_again() -> None:
    ledger, log = Extensions(failure=ReservationFinalized("RELEASED")), ListLog()
    leases = leases_of(ledger, log)
    leases.keep("a")
    await leases.beat()
    await leases.beat()
    assert len(ledger.calls) == 1
    assert len(leases) == 0
    assert log.events("extend_failed") == [
        {"event": "extend_failed", "reservation_id": "a", "error": "ReservationFinalized"}
    ]


class SettledMeanwhile(Extensions):
    """The settlement of the hold reaches the ledger before its extension does."""

    leases: Leases

    async def extend(self, reservation_id: str, *, by_ms: int, key: str) -> Lease:
        self.leases.drop(reservation_id)
        raise ReservationFinalized("COMMITTED")


async def test_a_hold_that_is_settled_while_it_is_extended_is_no_failure() -> None:
    ledger, log = SettledMeanwhile(), ListLog()
    ledger.leases = leases = leases_of(ledger, log)
    leases.keep("a")
    await leases.beat()
    assert log.lines == []
    assert len(leases) == 0
