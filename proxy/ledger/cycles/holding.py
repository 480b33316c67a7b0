"""Holds at an authority: a plan is tried until something of it is granted."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from proxy.cycles_wire.responses import write
from proxy.domain.decision import Caps, Decision
from proxy.domain.errors import (
    BudgetRefused,
    LedgerUnavailable,
    Reason,
    Refused,
    Shortage,
    UnitMismatch,
)
from proxy.domain.money import Unit
from proxy.domain.scope import Scope, derive
from proxy.domain.subject import Subject
from proxy.ledger.cycles.asking import requests, verdicts
from proxy.ledger.cycles.asking.answers import (
    ReadBalances,
    ReadDecision,
    known_unit,
    read_error,
    read_success,
)
from proxy.ledger.cycles.asking.exchange import Answer, Authority
from proxy.ledger.cycles.parts import Part
from proxy.ledger.cycles.seeking import Attempt, attempts, has_room
from proxy.ledger.cycles.told import Told
from proxy.ledger.pace import Pace
from proxy.ledger.records import Balance, ReserveRequest
from proxy.ledger.rules import check_request, covers

RESERVATIONS: Final = "/v1/reservations"
AGAIN: Final = "again"
"""In the keys of a second try in other units: what was let go in between must not be replayed."""

_ALLOWED: Final = (Decision.ALLOW, Decision.ALLOW_WITH_CAPS)
_PAGE: Final = "200"


class Granted:
    """What an attempt was granted: a reservation for each unit."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.parts: list[Part] = []
        self.amounts: dict[Unit, int] = {}
        self.affected_scopes: tuple[Scope, ...] = ()
        self.balances: tuple[Balance, ...] = ()
        self.expires_at_ms = 0
        self.lead_ms: int | None = None
        self.caps: tuple[Caps, ...] = ()
        self.evidence = ""

    def add(self, unit: Unit, amount: int, read: ReadDecision, answer: Answer, told: Told) -> None:
        """One more unit of it. The shortest lease counts, and every ceiling."""
        first = not self.amounts
        self.amounts[unit] = amount if read.reserved is None else read.reserved.amount
        if read.reservation_id is not None:
            self.parts.append(Part(unit, read.reservation_id))
        if first:
            self.affected_scopes = tuple(map(Scope, read.affected_scopes or ()))
            self.evidence = "" if read.cycles_evidence is None else read.cycles_evidence.written()
        self.balances += told.hear(read.balances)
        expires_at_ms = read.expires_at_ms or 0
        self.expires_at_ms = min(expires_at_ms, self.expires_at_ms or expires_at_ms)
        lead_ms = lead_of(read.remaining_ttl_ms, answer)
        self.lead_ms = lead_ms if first else _least(lead_ms, self.lead_ms)
        if read.caps is not None and read.decision == Decision.ALLOW_WITH_CAPS:
            self.caps += (read.caps.as_caps(),)


_Ask = Callable[..., Awaitable[Granted]]


class Holder:
    """Asks an authority to hold, and to say what it would."""

    def __init__(
        self,
        authority: Authority,
        told: Told,
        pace: Pace,
        *,
        new_id: Callable[[], str],
        let_go: Callable[[Iterable[Part], str], object],
    ) -> None:
        """`let_go` gives back what was held in one unit when another was refused."""
        self._authority = authority
        self._told = told
        self._pace = pace
        self._new_id = new_id
        self._let_go = let_go

    async def hold(self, request: ReserveRequest) -> Granted:
        """Hold the first rung that an authority grants. Raises as `Ledger.reserve` does."""
        return await self._seek(request, self._hold)

    async def forecast(self, request: ReserveRequest) -> Granted:
        """What would be held; nothing is. Raises as `Ledger.decide` does."""
        return await self._seek(request, self._decide)

    async def learn(self, levels: Mapping[str, str]) -> tuple[Balance, ...]:
        """The first page of budgets that match these levels.

        Raises:
            LedgerUnavailable, Refused.
        """
        answer = await self._authority.ask("GET", "/v1/balances", query={**levels, "limit": _PAGE})
        verdicts.check_answered(answer)
        if answer.status >= 400:
            raise verdicts.holding_error(answer)
        return self._told.hear(read_success(answer, ReadBalances).balances)

    async def _seek(
        self,
        request: ReserveRequest,
        ask: _Ask,
    ) -> Granted:
        check_request(request)
        scopes = derive(request.subject)
        units = self._units(request, scopes)
        key = request.key
        while True:
            try:
                return await self._climb(request, units, scopes, partial(ask, key=key))
            except UnitMismatch:
                units = self._other_units(request, units, scopes)
                if not units:
                    raise
                key = requests.key_of(key, AGAIN)

    async def _climb(
        self,
        request: ReserveRequest,
        units: Sequence[Unit],
        scopes: tuple[Scope, ...],
        ask: Callable[[ReserveRequest, Attempt], Awaitable[Granted]],
    ) -> Granted:
        """Try what the plan has, in these units. Raises the last refusal."""
        refused: BudgetRefused | None = None
        is_fresh = False

        def room(unit: Unit) -> int | None:
            tightest = self._told.tightest(scopes, unit)
            return None if tightest is None else tightest.remaining

        for attempt in attempts(
            request.plan, units, max_share_pct=request.max_share_pct, room=room
        ):
            if is_fresh and not has_room(attempt.amounts, room):
                continue
            try:
                granted = await ask(request, attempt)
            except BudgetRefused as refusal:
                if refusal.reason is not Reason.BUDGET_EXCEEDED:
                    raise
                if refused is None:
                    is_fresh = await self._look(request.subject)
                refused = refusal
            else:
                return granted
        assert refused is not None, "a plan has a rung"
        raise self._told_refusal(request, refused, scopes)

    async def _hold(self, request: ReserveRequest, attempt: Attempt, *, key: str) -> Granted:
        granted = Granted(attempt)
        try:
            for unit, amount in attempt.amounts.items():
                own_key = requests.key_of(key, _name(attempt), _suffix(unit))
                body = write(requests.reserve(request, unit, amount, key=own_key))
                answer, read = await self._create(body, own_key, request.trace_id)
                self._check_decision(request.subject, unit, amount, answer, read)
                if read is None or not read.reservation_id:
                    raise LedgerUnavailable("the budget authority grants without a reservation")
                granted.add(unit, amount, read, answer, self._told)
        except BaseException:
            self._let_go(granted.parts, key)
            raise
        return granted

    async def _decide(self, request: ReserveRequest, attempt: Attempt, *, key: str) -> Granted:
        """Under a key that is new each time: a decision that is replayed is one of the past."""
        granted = Granted(attempt)
        for unit, amount in attempt.amounts.items():
            key = self._new_id()
            body = write(requests.decide(request, unit, amount, key=key))
            answer = await self._authority.ask(
                "POST", "/v1/decide", body=body, key=key, trace_id=request.trace_id
            )
            verdicts.check_answered(answer)
            read = read_success(answer, ReadDecision) if answer.status < 300 else None
            self._check_decision(request.subject, unit, amount, answer, read)
            assert read is not None, "a refusal was raised"
            granted.add(unit, amount, read, answer, self._told)
        return granted

    async def _create(
        self, body: bytes, key: str, trace_id: str
    ) -> tuple[Answer, ReadDecision | None]:
        """Reserve, and once more at once with the same key where nobody knows."""
        for is_last in (False, True):
            try:
                answer = await self._authority.ask(
                    "POST", RESERVATIONS, body=body, key=key, trace_id=trace_id
                )
                verdicts.check_answered(answer)
                if answer.status >= 400:
                    return answer, None
                return answer, read_success(answer, ReadDecision)
            except LedgerUnavailable:
                if is_last:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _check_decision(
        self,
        subject: Subject,
        unit: Unit,
        amount: int,
        answer: Answer,
        read: ReadDecision | None,
    ) -> None:
        """Raises what the authority says, if that is no. An unknown decision says nothing."""
        if read is not None and read.decision in _ALLOWED:
            return
        scope_path = derive(subject)[-1]
        if read is not None and read.decision != Decision.DENY:
            raise LedgerUnavailable("the budget authority decides in words we do not know")
        code = read.reason_code if read is not None else read_error(answer).error
        reason = verdicts.budget_reason(code)
        if reason is not None:
            raise self._budget_refused(reason, scope_path, unit, amount, answer)
        error = verdicts.denied(code) if read is not None else verdicts.holding_error(answer)
        if isinstance(error, UnitMismatch):
            self._told.has_none(scope_path, unit)
        raise error

    def _budget_refused(
        self, reason: Reason, scope_path: Scope, unit: Unit, amount: int, answer: Answer
    ) -> BudgetRefused:
        details = read_error(answer).details
        scope, remaining = scope_path, 0
        if (
            details is not None
            and details.scope
            and details.remaining is not None
            and known_unit(details.unit or unit) is unit
        ):
            scope, remaining = Scope(details.scope), details.remaining
        return BudgetRefused(reason, Shortage(scope, unit, amount, remaining, None))

    async def _look(self, subject: Subject) -> bool:
        """Ask how much is left, after a refusal; whether that is known now."""
        levels = dict(subject.levels())
        questions = [levels]
        if len(levels) > 1 and "tenant" in levels:
            questions.append({"tenant": levels["tenant"]})
        try:
            await asyncio.gather(*[self.learn(question) for question in questions])
        except (LedgerUnavailable, Refused):
            return False
        return True

    def _told_refusal(
        self, request: ReserveRequest, refused: BudgetRefused, scopes: tuple[Scope, ...]
    ) -> BudgetRefused:
        """What the smallest rung lacked, and whether it would fit once others have settled."""
        short = refused.shortage
        required = min(rung[short.unit].minimum for rung in request.plan)
        reason = Reason.BUDGET_EXCEEDED
        tightest = self._told.tightest(scopes, short.unit)
        if tightest is not None and tightest.remaining < required:
            short = Shortage(tightest.scope, short.unit, required, tightest.remaining, None)
            failing = [
                balance
                for balance in self._told.balances(scopes, (short.unit,))
                if balance.remaining < required
            ]
            if all(balance.remaining + balance.reserved >= required for balance in failing):
                reason = Reason.BUDGET_BUSY
        else:
            short = Shortage(short.scope, short.unit, required, short.remaining, None)
        refusal = BudgetRefused(reason, short)
        if reason is Reason.BUDGET_BUSY:
            refusal.retry_after_ms = self._pace.retry_after_ms()
        return refusal

    def _units(self, request: ReserveRequest, scopes: tuple[Scope, ...]) -> tuple[Unit, ...]:
        """In which units to hold: the first of the plan, and others that are known to count.

        The protocol holds in one unit, and passes over scopes that have no budget in it.
        """
        first, *others = request.plan[0]
        counting = [unit for unit in others if self._told.tightest(scopes, unit) is not None]
        units = [first, *counting]
        left = [unit for unit in units if not self._told.is_without(scopes[-1], unit)]
        return tuple(left if covers(left, request.plan[0]) else units)

    def _other_units(
        self, request: ReserveRequest, tried: Sequence[Unit], scopes: tuple[Scope, ...]
    ) -> tuple[Unit, ...]:
        """Which units of the plan are left when some of those that were tried have no budget."""
        path = scopes[-1]
        left = [unit for unit in request.plan[0] if not self._told.is_without(path, unit)]
        is_new = tuple(left) != tuple(tried) and covers(left, request.plan[0])
        return tuple(left) if is_new else ()


def lead_of(remaining_ttl_ms: int | None, answer: Answer) -> int | None:
    """How much of a lease is left at least, whenever in its way the answer was made."""
    return None if remaining_ttl_ms is None else max(0, remaining_ttl_ms - answer.rtt_ms)


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


def _name(attempt: Attempt) -> str:
    """The first attempt goes by the key that was given."""
    number = str(attempt.rung) if attempt.rung else ""
    return f"{number}{attempt.name}"


def _suffix(unit: Unit) -> str:
    return "" if unit is Unit.USD_MICROCENTS else unit.value
