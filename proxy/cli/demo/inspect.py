"""Whether every promise was kept: by the journal, and by the upstream's own bill."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxy.app import new_reservation_id
from proxy.cli.demo.stage import TENANT
from proxy.cli.demo.tally import Tally
from proxy.cli.output import counted
from proxy.domain.clock import Clock
from proxy.domain.decision import Decision
from proxy.domain.money import Unit, written
from proxy.domain.reservation import OPEN
from proxy.ledger.audit import Audit
from proxy.ledger.journal import Entry, replay
from proxy.ledger.records import Balance
from proxy.ledger.sqlite.ledger import SqliteLedger


@dataclass(frozen=True, slots=True)
class Promise:
    """Something that had to be true, whether it was, and the figures that say so."""

    what: str
    kept: bool
    figures: str


@dataclass(frozen=True, slots=True)
class Report:
    """How a run ended. Amounts are microcents."""

    elapsed_ms: int
    tally: Tally
    balances: tuple[Balance, ...]
    audit: Audit
    billed: int
    promises: tuple[Promise, ...]

    @property
    def all_kept(self) -> bool:
        return all(promise.kept for promise in self.promises)


async def inspect(
    file: Path, clock: Clock, tally: Tally, *, billed: int, troubles: Sequence[str], elapsed_ms: int
) -> Report:
    """Read the ledger after the proxy has gone, and hold it against the bill."""
    ledger = SqliteLedger.open(file, clock=clock, new_id=new_reservation_id, serves=False)
    try:
        audit = await ledger.verify()
        entries = await ledger.journal(TENANT, after_seq=0, limit=-1)
        open_holds = await ledger.reservations(states=OPEN, limit=1_000)
        balances = await ledger.all_balances()
    finally:
        await ledger.close()
    promises = (
        _all_were_answered(tally, troubles),
        _steps_came_in_order(tally),
        _nothing_ever_below_zero(entries),
        _books_agree(audit),
        _bill_is_charged(audit, billed),
        Promise("no hold is left", not open_holds, f"{len(open_holds)} open"),
    )
    return Report(elapsed_ms, tally, balances, audit, billed, promises)


def _all_were_answered(tally: Tally, troubles: Sequence[str]) -> Promise:
    failures = [*tally.failures, *troubles]
    figures = "; ".join(failures[:3]) or counted(len(tally.told), "answer")
    return Promise("every call was answered", not failures, figures)


def _steps_came_in_order(tally: Tally) -> Promise:
    wanted = (Decision.ALLOW, Decision.ALLOW_WITH_CAPS, Decision.DENY)
    steps = tally.steps()
    return Promise("the answers went from yes over less to no", steps == wanted, " → ".join(steps))


def _nothing_ever_below_zero(entries: Sequence[Entry]) -> Promise:
    lowest = min(_remaining_after_each(entries), default=0)
    return Promise(
        "after every journal entry, every budget had remaining >= 0",
        lowest >= 0 and bool(entries),
        f"{counted(len(entries), 'entry', 'entries')}, lowest {_money(lowest)}",
    )


def _remaining_after_each(entries: Sequence[Entry]) -> Iterator[int]:
    """What remained in each window that an entry moved, after that entry."""
    for entry, windows in replay(entries):
        for posting in entry.postings:
            yield windows[posting.window].remaining


def _books_agree(audit: Audit) -> Promise:
    return Promise(
        "verify finds no difference between balances, rows and journal",
        not audit.differences,
        f"{counted(audit.reservations, 'reservation')}, "
        f"{counted(len(audit.differences), 'difference')}",
    )


def _bill_is_charged(audit: Audit, billed: int) -> Promise:
    charged, uncovered = _money(audit.charged), _money(audit.uncovered)
    return Promise(
        "charged + uncovered is the upstream's own bill, and nothing is uncovered",
        audit.charged + audit.uncovered == billed and audit.uncovered == 0,
        f"{charged} + {uncovered}, billed {_money(billed)}",
    )


def _money(microcents: int) -> str:
    return written(microcents, Unit.USD_MICROCENTS)
