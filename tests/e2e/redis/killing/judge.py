"""What must be true after a life, whoever was killed when.

The rules are those of docs/semantics.md, "The promise" and "Settlement by outcome". What a call
did cost is known from the upstream's own bill.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.e2e.redis.killing.life import OK, REFUSED, Life, Sighting
from tests.e2e.redis.killing.plan import Call
from tests.simulation.judge.books import Amounts, Books, Row
from tests.simulation.judge.journal import judge_journal
from tests.simulation.plan import Plan as SimulatedPlan
from tests.simulation.rig.provider import TOKENS, UNITS, USD, most

ABNORMAL: Final = ("internal_error", "extend_failed", "settlement_refused", "uncovered")
"""Events that no proxy has a reason to log here."""


def judge(life: Life, books: Books) -> Iterator[str]:
    """Every rule that was broken, in words."""
    budgets = {"budgets": life.plan.sections["budgets"]}
    plan = SimulatedPlan(
        seed=life.plan.seed, config=budgets, expiry_pause_ms=0, hostile=False, calls=()
    )
    yield from judge_journal(plan, books)
    yield from _judge_processes(life)
    rows = {row.trace_id: row for row in books.rows}
    if len(rows) != len(books.rows):
        yield "a call was held for twice"
    for trace_id, call in life.calls.items():
        case = Case(life, call, rows.get(trace_id), life.sightings.get(trace_id))
        for broken in case.broken():
            yield f"call {call.number} through {call.proxy}: {broken}: {case.row}, {case.seen}"


def _judge_processes(life: Life) -> Iterator[str]:
    if any(life.codes):
        yield f"the proxies that were not killed ended with {life.codes}"
    for line in (line for log in life.logs for line in log):
        if any(f'"event":"{name}"' in line for name in ABNORMAL):
            yield f"a proxy said {line}"


@dataclass(frozen=True)
class Case:
    """One call before the judge: its hold, and what the upstream saw of it."""

    life: Life
    call: Call
    row: Row | None
    seen: Sighting | None

    def broken(self) -> Iterator[str]:
        """The rules that were broken."""
        if self.row is None:
            if self.seen is not None:
                yield "it left without a hold"
        else:
            yield from self._hold(self.row)
            yield from self._bill(self.row)
        if self.call.proxy != self.life.plan.victim:
            yield from self._undisturbed()

    def _hold(self, row: Row) -> Iterator[str]:
        """It stands for a call that left, and is enough for what that may cost."""
        if row.state == "ACTIVE":
            yield "its hold never ended"
        if (row.state == "RELEASED") == bool(row.dispatched):
            yield "it was given back and had left, or was not and had not"
        if any(row.uncovered.values()):
            yield "it is uncovered, and the upstream is honest"
        if self.seen is None:
            return
        if not row.dispatched:
            yield "it left before that was recorded"
        bound = most(self.seen.request)
        if any(row.amounts[unit] < bound[unit] for unit in UNITS):
            yield f"it may cost {bound}"

    def _bill(self, row: Row) -> Iterator[str]:
        """charged + uncovered is the bill; with what is held it is never below."""
        bill = _amounts(self.seen)
        is_charged = row.state == "COMMITTED"
        if is_charged and not row.estimated and row.paid != bill:
            yield f"it paid {row.paid} of {bill}"
        if is_charged and row.estimated and row.paid != row.amounts:
            yield "nobody knows its cost, and it was not charged its hold"
        kept = row.amounts if row.state == "UNCERTAIN" else dict.fromkeys(UNITS, 0)
        if any(row.paid[unit] + kept[unit] < bill[unit] for unit in UNITS):
            yield f"it is cheaper than {bill}"

    def _undisturbed(self) -> Iterator[str]:
        """Through a proxy that lives on, a call is refused, or answered and charged its bill."""
        status = self.life.statuses[self.call.trace_id]
        if status not in (OK, REFUSED):
            yield f"its caller was told {status}"
        if (status == OK) != (self.row is not None and self.seen is not None):
            yield f"its caller was told {status}"
        if self.row is not None and (self.row.state != "COMMITTED" or self.row.estimated):
            yield "it was not charged its bill"


def _amounts(seen: Sighting | None) -> Amounts:
    """The bill by unit; nothing of a call that never arrived."""
    if seen is None:
        return dict.fromkeys(UNITS, 0)
    bill = seen.bill
    tokens = bill.input.prompt_tokens + bill.output.completion_tokens
    return {USD: bill.amount_microcents, TOKENS: tokens}
