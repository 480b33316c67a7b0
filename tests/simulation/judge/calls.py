"""What must be true when a run is over, whatever happened in it.

The rules are those of docs/semantics.md, "The promise" and "Settlement by outcome". What a
call did cost is known from the upstream's own bill, never from a number of the proxy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum, auto
from typing import Final

import msgspec

from tests.simulation.judge.attempts import judge_attempts
from tests.simulation.judge.books import CALLS, Books, Row
from tests.simulation.judge.journal import judge_journal
from tests.simulation.outside import OPERATOR
from tests.simulation.plan import PROMPT
from tests.simulation.rig.provider import UNITS, USD
from tests.simulation.rig.upstream import Sighting
from tests.simulation.world import CallRun, World

REQUEST_TIMEOUT: Final = 408
HTTP_OK: Final = 200
BUDGET_REFUSED: Final = 429
ABORT_WITHIN_S: Final = 1.0
MICROCENTS_PER_USD: Final = 100_000_000
UNCERTAIN_RULE: Final = "settle.uncertain"
"""Who ends a hold that stayed uncertain for too long, as the journal names it."""


class Verdict(StrEnum):
    """How the hold of a call must end when nothing comes between."""

    NOTHING = auto()
    """Given back: the call cost nothing."""
    BILL = auto()
    """Charged, to the microcent."""
    AT_LEAST_DELIVERED = auto()
    """Charged by counting, and marked as an estimate."""
    AT_LEAST_HELD = auto()
    """Charged what was held, or what was delivered if that is more; marked as an estimate."""
    NOBODY_KNOWS = auto()
    """Kept, or charged what was held when its time was over."""


def judge(world: World, books: Books) -> Iterator[str]:
    """Every rule that was broken, in words."""
    yield from world.broken
    yield from judge_journal(world.plan, books)
    for run in world.runs.values():
        yield from (f"call {run.call.number}: {broken}" for broken in judge_attempts(world, run))
        for case in cases_of(world, books, run):
            for broken in case.broken():
                yield f"call {run.call.number}: {broken}\n  {case.row}\n  {case.sighting}"
    yield from (f"internal error: {error}" for error in world.log.internal_errors)
    if any(PROMPT in line for line in world.log.lines):
        yield "a prompt is in the log"
    if PROMPT.encode() in world.disk.path.read_bytes():
        yield "a prompt is on the disk"


def expected(sighting: Sighting, *, counts: bool) -> Verdict:
    """What the table of settlements says. `counts`: settle.missing_usage is `counted`."""
    if not sighting.sent:
        return Verdict.NOTHING
    if sighting.status is None:
        return Verdict.NOBODY_KNOWS
    if sighting.status == REQUEST_TIMEOUT:
        return Verdict.AT_LEAST_HELD
    if 300 <= sighting.status < 500:
        return Verdict.NOTHING
    if sighting.status >= 500:
        return Verdict.NOTHING if sighting.end == "whole" else Verdict.NOBODY_KNOWS
    is_complete = sighting.is_complete if sighting.streams else sighting.end == "whole"
    if is_complete and sighting.tells_usage:
        return Verdict.BILL
    hides = _hides_output(sighting)
    if is_complete:
        return Verdict.AT_LEAST_DELIVERED if counts and not hides else Verdict.AT_LEAST_HELD
    if not sighting.streams or hides or not sighting.delivered_bytes:
        return Verdict.NOBODY_KNOWS
    return Verdict.AT_LEAST_DELIVERED


def _hides_output(sighting: Sighting) -> bool:
    """Whether the model that was asked, or the one that served, may bill what it hides."""
    assert sighting.request is not None
    assert sighting.serving is not None
    return sighting.request.model.reasons or sighting.serving.model.reasons


def cases_of(world: World, books: Books, run: CallRun) -> Iterator["Case"]:
    """The attempts at a call, in their order: each has a hold, and some came to the upstream."""
    rows = [row for row in books.rows if row.trace_id == run.call.trace_id]
    last = max(len(rows), len(run.sightings), 1)
    for number in range(last):
        row = rows[number] if number < len(rows) else None
        seen = run.sightings[number] if number < len(run.sightings) else Sighting()
        yield Case(world, books, run, row, seen, is_last=number == last - 1)


@dataclass
class Case:
    """One attempt at a call before the judge, with the row of its hold."""

    world: World
    books: Books
    run: CallRun
    row: Row | None
    sighting: Sighting
    is_last: bool = True

    def broken(self) -> Iterator[str]:
        """The rules that were broken."""
        yield from self._left_behind()
        if self.is_last:
            yield from self._told_why()
            yield from self._looks_whole()
        if self.row is None:
            if self.sighting.sent:
                yield "it left without a hold"
            return
        yield from self._hold(self.row)
        yield from self._promise(self.row)
        if not self.world.plan.hostile and not self._is_late(self.row):
            yield from self._honest(self.row)
        verdict = self._verdict(self.row)
        if not self._is_disturbed(self.row, verdict):
            yield from self._end(self.row, verdict)
            if self.is_last:
                yield from self._told_cost(self.row, verdict)

    def _hold(self, row: Row) -> Iterator[str]:
        if row.state == "ACTIVE":
            yield "its hold never ended"
        is_given_back = row.state == "RELEASED" and not any(row.paid.values())
        if not row.dispatched and not self._is_by_hand(row) and not is_given_back:
            yield "it was not dispatched, and its hold did not go back"

    def _promise(self, row: Row) -> Iterator[str]:
        """charged + uncovered is the bill, or an estimate not below what was delivered."""
        sighting = self.sighting
        if not sighting.sent or row.state == "UNCERTAIN" or self._is_given_up(row):
            return
        if not row.estimated and row.billed != sighting.bill:
            yield f"it paid {row.paid} of {sighting.bill}"
        if any(row.billed.values()) and row.paid.get(CALLS, 1) != 1:
            yield f"it was a call, and paid {row.paid}"
        # What a hostile upstream served, or how much of it, need not have been seen.
        is_seen = sighting.names_model and self._verdict(row) is not Verdict.NOBODY_KNOWS
        is_known = is_seen or not self.world.plan.hostile
        is_short = any(row.paid[unit] < sighting.floor[unit] for unit in UNITS)
        if row.estimated and is_known and is_short:
            yield f"it paid {row.paid}, and {sighting.floor} was delivered"

    def _honest(self, row: Row) -> Iterator[str]:
        if any(row.uncovered.values()):
            yield f"{row.uncovered} is uncovered though the upstream is honest"
        if any(row.paid[unit] > row.amounts[unit] for unit in UNITS):
            yield "it paid more than it held though the upstream is honest"

    def _verdict(self, row: Row) -> Verdict:
        if row.reservation_id in self.run.orphans:
            return Verdict.NOBODY_KNOWS if row.dispatched else Verdict.NOTHING
        counts = self.world.config.settle.missing_usage == "counted"
        return expected(self.sighting, counts=counts)

    def _end(self, row: Row, verdict: Verdict) -> Iterator[str]:
        """The hold ended as the table says."""
        kinds = self._kinds(row)
        end = (row.state, bool(row.estimated))
        match verdict:
            case Verdict.NOTHING:
                # What was uncertain for a while is charged 0: only a person gives it up.
                states = {"RELEASED", "COMMITTED"} if "mark_uncertain" in kinds else {"RELEASED"}
                is_right = row.state in states and not any(row.paid.values())
            case Verdict.BILL:
                is_right = end == ("COMMITTED", False)
            case Verdict.AT_LEAST_DELIVERED:
                is_right = end == ("COMMITTED", True)
            case Verdict.AT_LEAST_HELD:
                is_covered = all(row.paid[unit] >= row.amounts[unit] for unit in UNITS)
                is_right = end == ("COMMITTED", True) and is_covered
            case Verdict.NOBODY_KNOWS if self.world.config.settle.uncertain == "hold":
                is_right = row.state == "UNCERTAIN"
            case Verdict.NOBODY_KNOWS:
                is_right = end == ("COMMITTED", True) and row.paid == row.amounts
        if not is_right:
            yield f"its hold should have ended as {verdict}"

    def _told_cost(self, row: Row, verdict: Verdict) -> Iterator[str]:
        """The caller heard what it cost."""
        door = self.run.door
        cost_usd = door.answer_headers.get("X-Budget-Cost-Usd") if door is not None else None
        is_wrong = cost_usd is not None and Decimal(cost_usd) * MICROCENTS_PER_USD != row.paid[USD]
        if verdict is Verdict.BILL and is_wrong:
            yield f"the caller was told it cost ${cost_usd}"

    def _left_behind(self) -> Iterator[str]:
        """Nobody generates for long for a caller who is gone."""
        door, sighting, settle = self.run.door, self.sighting, self.world.config.settle
        if door is None or not door.gone or not sighting.sent:
            return
        is_stream = (
            bool(self.run.call.body.get("stream")) if sighting.status is None else sighting.streams
        )
        is_drained = settle.on_disconnect == "drain" or not is_stream
        # Once for the status, and once more for what follows it.
        patience_s = 2 * settle.drain_ms / 1000 if is_drained else 0.0
        went_on_s = sighting.ended_at_s - max(door.gone_at_s, sighting.sent_at_s)
        if went_on_s > patience_s + ABORT_WITHIN_S:
            yield f"the upstream went on for {went_on_s} s after its caller had left"

    def _looks_whole(self) -> Iterator[str]:
        """A caller can tell an answer that was cut from one that was not."""
        door, sighting = self.run.door, self.sighting
        is_over = door is not None and door.status == HTTP_OK and not self.run.is_orphan
        if door is None or not is_over or sighting.end not in ("whole", "cut"):
            return
        if sighting.end == "whole" and door.is_broken_off:
            yield "the caller got a whole answer, and was cut off"
        # Of answers that nobody asked for, those that never began are missed by nobody.
        adds_choices = self.run.call.behaviour.extra_choices > 0
        is_half = sighting.end == "cut" and not sighting.has_begun_to_end and not adds_choices
        if is_half and not door.is_broken_off and not door.gone:
            yield "the caller got half an answer that looks whole"

    def _told_why(self) -> Iterator[str]:
        """A budget that is said to lack room does lack it."""
        door = self.run.door
        if (
            door is None
            or door.status != BUDGET_REFUSED
            or any(each.sent for each in self.run.sightings)
        ):
            return
        budget = msgspec.json.decode(b"".join(door.heard))["error"]["budget"]
        lacks = {"budget_exceeded"}
        if not self.world.config.queue.max_wait_ms:  # else it may lack a place in line
            lacks.add("budget_busy")
        if budget["reason"] in lacks and budget["required"] <= budget["remaining"]:
            yield f"it was refused for {budget}"

    def _kinds(self, row: Row) -> set[str]:
        return {entry.kind for entry in self.books.history[row.reservation_id]}

    def _actors(self, row: Row) -> set[str]:
        return {entry.actor for entry in self.books.history[row.reservation_id]}

    def _is_by_hand(self, row: Row) -> bool:
        return OPERATOR in self._actors(row) or (row.settled_by or "").endswith(OPERATOR)

    def _is_late(self, row: Row) -> bool:
        return "charge_late" in self._kinds(row) or self._is_by_hand(row)

    def _is_given_up(self, row: Row) -> bool:
        """An operator said what became of it, and nobody ever learned better."""
        if not self._is_by_hand(row) or "charge_late" in self._kinds(row):
            return False
        is_stated = row.state == "COMMITTED" and not row.estimated
        nobody_knows = self._verdict(row) is Verdict.NOBODY_KNOWS
        return is_stated or nobody_knows or self.run.process_died

    def _is_disturbed(self, row: Row, verdict: Verdict) -> bool:
        """Something came between that the table of settlements does not know."""
        is_settled_by_rule = UNCERTAIN_RULE in self._actors(row)
        return (
            self._is_by_hand(row)
            or self.sighting.is_torn
            or (is_settled_by_rule and verdict is not Verdict.NOBODY_KNOWS)
        )
