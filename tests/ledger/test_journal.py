"""Balances are what the journal adds up to."""

import pytest

from proxy.domain.money import Unit
from proxy.domain.period import Period
from proxy.domain.scope import Scope
from proxy.ledger.journal import Amounts, Entry, JournalGap, Kind, Posting, WindowName, replay

TENANT = WindowName(Scope("tenant:dev"), Unit.USD_MICROCENTS, Period.LIFETIME, 0)
AGENT = WindowName(Scope("tenant:dev/agent:bot"), Unit.USD_MICROCENTS, Period.LIFETIME, 0)


def entry(seq: int, kind: Kind, *postings: Posting) -> Entry:
    return Entry("dev", seq, 1_000, kind, None, postings, TENANT.scope, actor="")


def test_windows_stand_as_they_were_after_each_entry() -> None:
    entries = [
        entry(1, Kind.OPEN, Posting(TENANT, Amounts(allocated=100))),
        entry(2, Kind.OPEN, Posting(AGENT, Amounts(allocated=50))),
        entry(
            3,
            Kind.RESERVE,
            Posting(TENANT, Amounts(reserved=20)),
            Posting(AGENT, Amounts(reserved=20)),
        ),
        entry(4, Kind.DISPATCH),
        entry(
            5,
            Kind.COMMIT,
            Posting(TENANT, Amounts(reserved=-20, spent=15)),
            Posting(AGENT, Amounts(reserved=-20, spent=15)),
        ),
    ]
    remaining = [
        {window.scope: amounts.remaining for window, amounts in windows.items()}
        for _, windows in replay(entries)
    ]
    assert remaining == [
        {"tenant:dev": 100},
        {"tenant:dev": 100, "tenant:dev/agent:bot": 50},
        {"tenant:dev": 80, "tenant:dev/agent:bot": 30},
        {"tenant:dev": 80, "tenant:dev/agent:bot": 30},
        {"tenant:dev": 85, "tenant:dev/agent:bot": 35},
    ]


def test_remaining_is_what_was_allocated_less_everything_else() -> None:
    assert Amounts(allocated=100, reserved=1, spent=20, debt=3, uncertain=1).remaining == 76


def test_amounts_add_up_figure_by_figure() -> None:
    assert Amounts(1, 2, 3, 4, 5, 6, 0).plus(Amounts(10, -2, 30, 0, 1, 1, 1)) == Amounts(
        11, 0, 33, 4, 6, 7, 1
    )


@pytest.mark.parametrize("seqs", [(2,), (1, 3), (1, 1), (1, 2, 2)])
def test_a_missing_or_doubled_entry_is_found(seqs: tuple[int, ...]) -> None:
    with pytest.raises(JournalGap, match="'dev'") as gap:
        list(replay(entry(seq, Kind.DISPATCH) for seq in seqs))
    assert gap.value.expected == len(seqs)
    assert gap.value.found == seqs[-1]
