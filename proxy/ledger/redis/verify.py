"""Every balance once more: from the rows of the holds, and from the journal.

The store goes on while it is read page by page. Each page says after which entry of the
journal it was read; what later entries did is added to it, so that all figures are compared
as they stand after the last entry.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.domain.money import Unit
from proxy.domain.period import iso
from proxy.ledger.audit import Audit, Difference
from proxy.ledger.journal import Amounts, Kind
from proxy.ledger.redis import answers, reading
from proxy.ledger.redis.asking import Asker
from proxy.ledger.redis.reading import RawEntry

_A_PAGE: Final = 200
_MADE: Final = (Kind.RESERVE, Kind.EVENT)


@dataclass(slots=True)
class _Window:
    """What the hash has of a window.

    `carried`: what its holds do not account for. `bucketed`: what a rolling one has in its
    buckets beyond what it has spent.
    """

    where: str
    unit: Unit
    seq: int
    amounts: Amounts
    carried: int
    is_retired: bool
    bucketed: int


@dataclass(slots=True)
class _Rows:
    """What was read of rows. `seen`: after which entry each was read; `since`: the first.

    `held`: by window, their amounts, and in `spent` what they were charged.
    """

    since: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    held: defaultdict[int, Amounts] = field(default_factory=lambda: defaultdict(Amounts))
    charged: int = 0
    uncovered: int = 0
    uncertain: int = 0


async def verify(asker: Asker, tenants: Sequence[str]) -> Audit:
    """Recompute what all of these tenants have."""
    audits = [await _verify_one(asker, tenant) for tenant in tenants]
    return Audit(
        reservations=sum(audit.reservations for audit in audits),
        entries=sum(audit.entries for audit in audits),
        charged=sum(audit.charged for audit in audits),
        uncovered=sum(audit.uncovered for audit in audits),
        uncertain=sum(audit.uncertain for audit in audits),
        differences=tuple([each for audit in audits for each in audit.differences]),
    )


async def _verify_one(asker: Asker, tenant: str) -> Audit:
    windows = await _read_windows(asker, tenant)
    rows = await _read_rows(asker, tenant, windows)
    journal = _Journal(tenant, windows, rows)
    async for entry in reading.raw_entries(asker, tenant):
        journal.follow(entry)
    return Audit(
        reservations=len(rows.seen),
        entries=journal.entries,
        charged=rows.charged,
        uncovered=rows.uncovered,
        uncertain=rows.uncertain,
        differences=tuple(journal.differences()),
    )


async def _pages(asker: Asker, tenant: str, of: str) -> AsyncIterator[tuple[int, Any]]:
    cursor = "0"
    while True:
        request = {"of": of, "cursor": cursor, "page": _A_PAGE}
        page = await asker.ask("audit", tenant, request)
        yield page["seq"], page["found"]
        cursor = page["cursor"]
        if cursor == "0":
            return


async def _read_windows(asker: Asker, tenant: str) -> dict[int, _Window]:
    windows = {}
    async for seq, found in _pages(asker, tenant, "windows"):
        for record in found:
            windows[int(record["number"])] = _window(record, seq)
    return windows


def _window(record: Any, seq: int) -> _Window:
    figures = (int(record.get(name, 0)) for name in Amounts._fields[:-1])
    amounts = Amounts._make((*figures, int(record.get("is_over_limit", False))))
    name = answers.window_name(record["name"])
    in_buckets = sum(map(int, record.get("buckets", [])[1::2]))
    return _Window(
        where=f"{name.scope} {name.unit} {name.period} from {iso(name.start_ms)}",
        unit=name.unit,
        seq=seq,
        amounts=amounts,
        carried=int(record.get("carried", 0)),
        is_retired=record["is_retired"],
        bucketed=in_buckets - amounts.spent if name.period.rolling_ms else 0,
    )


async def _read_rows(asker: Asker, tenant: str, windows: dict[int, _Window]) -> _Rows:
    rows: _Rows | None = None
    async for seq, found in _pages(asker, tenant, "rows"):
        rows = rows or _Rows(since=seq)
        for row in found:
            if row["id"] not in rows.seen:  # a scan may tell of one twice
                rows.seen[row["id"]] = seq
                _count(rows, row, windows)
    return rows or _Rows()


def _count(rows: _Rows, row: Any, windows: dict[int, _Window]) -> None:
    stands, state = row["stands"], row["state"]
    is_uncertain = state == "UNCERTAIN"
    amounts = answers.amounts(stands["amounts"])
    held = amounts if is_uncertain or state == "ACTIVE" else {}
    charged = answers.amounts(stands.get("charged") or {})
    uncovered = answers.amounts(stands["uncovered"])
    for number in map(int, row["windows"][1::2]):
        if number in windows:
            unit = windows[number].unit
            rows.held[number] = rows.held[number].plus(
                Amounts(
                    reserved=held.get(unit, 0),
                    uncertain=held.get(unit, 0) if is_uncertain else 0,
                    spent=charged.get(unit, 0),
                    uncovered=uncovered[unit],
                )
            )
    rows.charged += charged.get(Unit.USD_MICROCENTS, 0)
    rows.uncovered += uncovered.get(Unit.USD_MICROCENTS, 0)
    rows.uncertain += held.get(Unit.USD_MICROCENTS, 0) if is_uncertain else 0


class _Journal:
    """A tenant's journal, added up beside what was read."""

    def __init__(self, tenant: str, windows: dict[int, _Window], rows: _Rows) -> None:
        self._tenant = tenant
        self._windows = windows
        self._rows = rows
        self._standing: defaultdict[int, Amounts] = defaultdict(Amounts)
        self._made_since: set[str] = set()
        self._first_posting: dict[int, int] = {}
        self._gaps: list[Difference] = []
        self.entries = 0

    def follow(self, entry: RawEntry) -> None:
        """Add the next entry."""
        self.entries += 1
        if entry.seq != self.entries and not self._gaps:
            where = f"journal of {self._tenant}"
            self._gaps.append(Difference(where, "seq", entry.seq, self.entries))
        if entry.kind in _MADE and self._is_later(entry):
            self._made_since.add(entry.reservation_id)
        for number, *figures in entry.postings:
            change = Amounts(*figures)
            self._standing[number] = self._standing[number].plus(change)
            self._first_posting.setdefault(number, entry.seq)
            if number in self._windows:
                self._bring_forward(entry, number, change)

    def _is_later(self, entry: RawEntry) -> bool:
        """Whether it made a row that was not there when rows were read."""
        return entry.seq > self._rows.since and entry.reservation_id not in self._rows.seen

    def _bring_forward(self, entry: RawEntry, number: int, change: Amounts) -> None:
        window = self._windows[number]
        window.is_retired |= entry.kind is Kind.RETIRE
        if entry.seq > window.seq:
            window.amounts = window.amounts.plus(change)
            if not entry.reservation_id:
                window.carried += change.spent + change.debt
        if not entry.reservation_id:
            return
        is_later = entry.reservation_id in self._made_since
        if is_later or entry.seq > self._rows.seen.get(entry.reservation_id, entry.seq):
            by_hold = change._replace(spent=change.spent + change.debt)
            self._rows.held[number] = self._rows.held[number].plus(by_hold)

    def differences(self) -> Iterator[Difference]:
        """What does not agree."""
        yield from self._gaps
        for number, window in self._windows.items():
            recorded, standing = window.amounts, self._standing[number]
            figures = zip(Amounts._fields, recorded, standing, strict=True)
            yield from _compared(window.where, "journal", *figures)
            if not window.is_retired:
                yield from self._against_rows(number, window)
        since = min([window.seq for window in self._windows.values()], default=0)
        for number, seq in self._first_posting.items():
            if number not in self._windows and seq <= since:
                where = f"window {number} of {self._tenant}"
                yield Difference(where, "rows of the window", 0, 1)

    def _against_rows(self, number: int, window: _Window) -> Iterator[Difference]:
        recorded, held = window.amounts, self._rows.held[number]
        yield from _compared(
            window.where,
            "rows",
            ("reserved", recorded.reserved, held.reserved),
            ("uncertain", recorded.uncertain, held.uncertain),
            ("uncovered", recorded.uncovered, held.uncovered),
            ("spent + debt", recorded.spent + recorded.debt, held.spent + window.carried),
        )
        in_buckets = recorded.spent + window.bucketed
        yield from _compared(window.where, "buckets", ("spent", recorded.spent, in_buckets))


def _compared(where: str, source: str, *figures: tuple[str, int, int]) -> Iterator[Difference]:
    for what, recorded, recomputed in figures:
        if recorded != recomputed:
            yield Difference(where, f"{what}, by the {source}", recorded, recomputed)
