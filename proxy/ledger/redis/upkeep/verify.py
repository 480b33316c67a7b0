"""Every balance once more: from the rows of the holds, from the journal and from the buckets.

The store goes on while it is read page by page. Each page says after which entry of the
journal it was read; what later entries did is added to it, so that all figures are compared
as they stand after the last entry.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from proxy.domain.money import Unit
from proxy.ledger.audit import Audit, Difference, compare_window, compare_with_journal, is_summed
from proxy.ledger.journal import Amounts, Entry, Kind, WindowName
from proxy.ledger.redis import answers
from proxy.ledger.redis.asking import Asker
from proxy.ledger.redis.reading.journal import Told, pages
from proxy.ledger.redis.upkeep import sealing
from proxy.ledger.redis.upkeep.sealing import Sealed
from proxy.ledger.seal import Seal, SealCheck, check_chain

_A_PAGE: Final = 200
_TRIES_MAX: Final = 5
_MADE: Final = (Kind.RESERVE, Kind.EVENT)


@dataclass(slots=True)
class _Window:
    """What the hash has of a window, after entry `seq`.

    `carried`: what its holds do not account for. `bucketed`: what a rolling one has in its
    buckets beyond what it has spent.
    """

    name: WindowName
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


@dataclass(frozen=True, slots=True)
class _Read:
    """What was read of one tenant before its journal."""

    windows: dict[int, _Window]
    rows: _Rows


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
        heads=tuple([head for audit in audits for head in audit.heads]),
    )


async def _verify_one(asker: Asker, tenant: str) -> Audit:
    sealed = await sealing.read(asker, tenant)
    found = await _read(asker, tenant)
    rows = found.rows
    differences: list[Difference] = []
    seals: list[Seal] = []
    entries = 0
    try:
        seals = await sealing.seals_and_windows(asker, tenant, sealed)
        differences += check_chain(seals)
        journal = _Journal(tenant, found, sealed, seals)
        async for page in pages(asker, tenant, after_seq=sealed.pruned_seq):
            for told in page:
                differences += journal.follow(told)
                entries += 1
        differences += journal.end()
    except ValueError as unreadable:
        differences.append(Difference(f"journal of {tenant}", str(unreadable), "", ""))
    return Audit(
        reservations=len(rows.seen),
        entries=entries,
        charged=rows.charged,
        uncovered=rows.uncovered,
        uncertain=rows.uncertain,
        differences=tuple(differences),
        heads=tuple([seal.head for seal in seals[-1:]]),
    )


async def _read(asker: Asker, tenant: str) -> _Read:
    """Windows and rows between which no row went: that is told by no entry."""
    for _ in range(_TRIES_MAX):
        seen: set[int] = set()
        windows = await _read_windows(asker, tenant, seen)
        rows = await _read_rows(asker, tenant, windows, seen)
        if len(seen) == 1:
            break
    return _Read(windows, rows)


async def _pages(
    asker: Asker, tenant: str, of: str, pruned: set[int]
) -> AsyncIterator[tuple[int, Any]]:
    cursor = "0"
    while True:
        request = {"of": of, "cursor": cursor, "page": _A_PAGE}
        page = await asker.ask("audit", tenant, request)
        pruned.add(page["pruned"])
        yield page["seq"], page["found"]
        cursor = page["cursor"]
        if cursor == "0":
            return


async def _read_windows(asker: Asker, tenant: str, pruned: set[int]) -> dict[int, _Window]:
    windows = {}
    async for seq, found in _pages(asker, tenant, "windows", pruned):
        for record in found:
            windows[int(record["number"])] = _window(record, seq)
    return windows


def _window(record: Any, seq: int) -> _Window:
    figures = (int(record.get(name, 0)) for name in Amounts._fields[:-1])
    amounts = Amounts._make((*figures, int(record.get("is_over_limit", False))))
    name = answers.window_name(record["name"])
    in_buckets = sum(map(int, record.get("buckets", [])[1::2]))
    return _Window(
        name=name,
        seq=seq,
        amounts=amounts,
        carried=int(record.get("carried", 0)),
        is_retired=record["is_retired"],
        bucketed=in_buckets - amounts.spent if name.period.rolling_ms else 0,
    )


async def _read_rows(
    asker: Asker, tenant: str, windows: dict[int, _Window], pruned: set[int]
) -> _Rows:
    rows: _Rows | None = None
    async for seq, found in _pages(asker, tenant, "rows", pruned):
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
            unit = windows[number].name.unit
            rows.held[number] = rows.held[number].plus(
                Amounts(
                    reserved=held.get(unit, 0),
                    uncertain=held.get(unit, 0) if is_uncertain else 0,
                    spent=charged.get(unit, 0),
                    uncovered=uncovered[unit],
                )
            )
    if not is_summed(row["key"]):
        return
    rows.charged += charged.get(Unit.USD_MICROCENTS, 0)
    rows.uncovered += uncovered.get(Unit.USD_MICROCENTS, 0)
    rows.uncertain += held.get(Unit.USD_MICROCENTS, 0) if is_uncertain else 0


class _Journal:
    """A tenant's journal, added up beside what was read."""

    def __init__(self, tenant: str, found: _Read, sealed: Sealed, seals: Sequence[Seal]) -> None:
        self._tenant = tenant
        self._windows, self._rows = found.windows, found.rows
        self._since = min([window.seq for window in self._windows.values()], default=0)
        self._seq = sealed.pruned_seq
        self._standing = dict(sealed.pruned.standing) if sealed.pruned is not None else {}
        self._made_since: set[str] = set()
        self._later: set[WindowName] = set()
        self._check = SealCheck(seal for seal in seals if seal.first_seq > sealed.pruned_seq)

    def follow(self, told: Told) -> Iterator[Difference]:
        """Add the next entry; what is wrong with it."""
        entry = told.entry
        self._seq += 1
        if entry.seq != self._seq:
            yield Difference(f"journal of {self._tenant}", "seq", entry.seq, self._seq)
            self._seq = entry.seq
        for window, change in entry.postings:
            self._standing[window] = self._standing.get(window, Amounts()).plus(change)
        yield from self._check.take(entry, self._standing)
        if entry.kind in _MADE and self._is_later(entry):
            self._made_since.add(entry.reservation_id or "")
        for (number, change), (window, _) in zip(told.changes, entry.postings, strict=True):
            if number in self._windows:
                self._bring_forward(entry, self._windows[number], change)
                self._bring_rows_forward(entry, number, change)
            elif entry.seq > self._since:
                self._later.add(window)

    def _is_later(self, entry: Entry) -> bool:
        """Whether it made a row that was not there when rows were read."""
        return entry.seq > self._rows.since and entry.reservation_id not in self._rows.seen

    def _bring_forward(self, entry: Entry, window: _Window, change: Amounts) -> None:
        window.is_retired |= entry.kind is Kind.RETIRE
        if entry.seq > window.seq:
            window.amounts = window.amounts.plus(change)
            if entry.reservation_id is None:
                window.carried += change.spent + change.debt

    def _bring_rows_forward(self, entry: Entry, number: int, change: Amounts) -> None:
        row = entry.reservation_id
        if row is None:
            return
        if row in self._made_since or entry.seq > self._rows.seen.get(row, entry.seq):
            charged = change._replace(spent=change.spent + change.debt)
            self._rows.held[number] = self._rows.held[number].plus(charged)

    def end(self) -> Iterator[Difference]:
        """What does not agree after the last entry."""
        yield from self._check.left()
        recorded: dict[WindowName, Amounts] = {}
        for number, window in self._windows.items():
            yield from _against_rows(window, self._rows.held[number])
            before = recorded.get(window.name, Amounts())
            recorded[window.name] = before.plus(window.amounts)
        for name in (recorded | self._standing).keys() - self._later:
            yield from compare_with_journal(
                name, recorded.get(name, Amounts()), self._standing.get(name, Amounts())
            )


def _against_rows(window: _Window, held: Amounts) -> Iterator[Difference]:
    recorded = window.amounts
    in_buckets = recorded.spent + window.bucketed
    yield from compare_window(window.name, "buckets", ("spent", recorded.spent, in_buckets))
    if window.is_retired:
        return  # what its holds came to later passed it by
    yield from compare_window(
        window.name,
        "rows",
        ("reserved", recorded.reserved, held.reserved),
        ("uncertain", recorded.uncertain, held.uncertain),
        ("uncovered", recorded.uncovered, held.uncovered),
        ("spent + debt", recorded.spent + recorded.debt, held.spent + window.carried),
    )
