"""The next step of a life: by chance, but near the edges of how things stand in the model."""

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import TypeVar

from msgspec.structs import replace

from proxy.domain.money import INT64_MAX, Unit
from proxy.domain.period import Period
from proxy.domain.period import Step as PeriodStep
from proxy.domain.reservation import OPEN, OnExpiry, Overage, State
from proxy.domain.scope import Scope, budget_scopes
from proxy.domain.subject import Subject
from proxy.ledger.records import (
    BudgetLine,
    BudgetName,
    BudgetStatus,
    FundOperation,
    ReserveRequest,
    Rung,
    SortKey,
    Span,
    TenantStatus,
)
from tests.ledger.builders import (
    BOT,
    CALLS,
    CLI,
    DEV,
    POINTS,
    TOKENS,
    USD,
    ask,
    event,
    line,
    run_of,
    subject_of,
)
from tests.ledger.harness import DAY_MS, HOUR_MS, MINUTE_MS, NOON_MS, SECOND_MS
from tests.ledger.machine.operations import (
    Apply,
    Declare,
    Fund,
    OnHold,
    Operation,
    Remember,
    Reserve,
    SetStatus,
    SetTenantStatus,
    Sweep,
)
from tests.ledger.machine.steps import Ask, Find, Foresee, Kill, Look, Pass, Recall, Step, Tidy
from tests.ledger.model import Model
from tests.ledger.model.values import Hold

_T = TypeVar("_T")

COUNTED = Scope(f"{BOT}/steps:thrift-day")
SCOPES = (DEV, BOT, CLI, run_of(DEV, "1"), run_of(BOT, "1"), run_of(BOT, "2"), COUNTED)
PERIODS = (
    Period.LIFETIME,
    Period.DAY,
    Period(PeriodStep.DAY, "Europe/Berlin"),
    Period.HOUR,
    Period.MONTH,
    Period(PeriodStep.ROLLING, rolling_ms=HOUR_MS),
    Period(PeriodStep.ROLLING, rolling_ms=90_001),
)
PATTERNS = (
    *(DEV, DEV, BOT, run_of(BOT, "1")),
    *("tenant:*", "tenant:dev/agent:*", "tenant:dev/**/agent:*"),
    *("tenant:dev/run:*", "tenant:dev/agent:*/run:*", "tenant:dev/**/agent:bot/run:*"),
    *("tenant:*/**/steps:thrift-day", "tenant:dev/agent:bot/steps:thrift-day"),
)
TIME_STEPS = (
    *(1, 1, 500, 29 * SECOND_MS, MINUTE_MS, MINUTE_MS + 5 * SECOND_MS, 15 * MINUTE_MS),
    *(HOUR_MS, HOUR_MS + 1, DAY_MS, 3 * DAY_MS, 40 * DAY_MS, -MINUTE_MS),
)
BIG = (2**53 + 1, INT64_MAX - 1, INT64_MAX)


class Draw:
    """One seed's choices. A life has few budgets, so that its calls meet in them."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)
        self._lines = {
            (line.pattern.text, line.unit, line.period): line for line in self._first_lines()
        }
        self._version = 1

    def steps(self, model: Model, count: int) -> Iterator[Step]:
        """A life. Look at the model between two steps, and ask for the next."""
        self._model = model
        yield Ask((self._declare(),))
        for _ in range(count):
            yield self._step()

    # Chance

    def _one(self, choices: Sequence[_T]) -> _T:
        return self._random.choice(choices)

    def _sometimes(self, percent: int) -> bool:
        return self._random.randrange(100) < percent

    def _step(self) -> Step:
        what = self._random.randrange(100)
        if what < 58:
            return Ask(tuple(self._operation() for _ in range(self._random.randint(1, 4))))
        if what < 66:
            return Foresee(self._request())
        if what < 69:
            return Recall(self._asked(), self._payload_hash())
        if what < 71:
            return self._find()
        if what < 90:
            return Pass(self._time())
        if what < 93:
            return Look(tuple(self._random.sample(SCOPES, 3)), self._unit())
        if what < 97:
            return Tidy(self._one((0, 0, MINUTE_MS, DAY_MS)), self._one((1, 5, 1_000)))
        return Kill()

    def _unit(self) -> Unit:
        return self._one((USD, USD, USD, USD, TOKENS, TOKENS, POINTS, CALLS, CALLS))

    def _time(self) -> int:
        """Often to the edge of a window, or of a part of a rolling one."""
        now_ms = max(self._model.now_ms, NOON_MS)
        edges = sorted({edge for edge in self._edges() if edge > now_ms})
        if not edges or self._sometimes(40):
            return self._one(TIME_STEPS)
        edge_ms = self._one(edges[:4] if self._sometimes(80) else edges)
        return max(1, edge_ms - now_ms + self._one((-1, 0, 1)))

    def _edges(self) -> Iterator[int]:
        for window in self._model.windows.values():
            if window.balance.window_end_ms is not None:
                yield window.balance.window_end_ms
            for bucket in window.buckets:
                period = window.balance.period
                yield (bucket + 1) * period.bucket_ms + period.rolling_ms
        for hold in self._model.holds.values():
            if hold.state in OPEN:
                yield hold.lapses_at_ms

    # Budgets

    def _first_lines(self) -> Iterator[BudgetLine]:
        yield self._line(self._one((DEV, BOT)), USD, self._one(PERIODS))
        for _ in range(self._random.randint(1, 5)):
            yield self._line(self._one(PATTERNS), self._unit(), self._one(PERIODS))

    def _line(self, pattern: str, unit: Unit, period: Period) -> BudgetLine:
        return line(
            pattern,
            self._one((0, 20, 60, 100, 150, 400, 400, 1_000, INT64_MAX - 1)),
            unit=unit,
            period=period,
            overdraft_limit=self._one((0, 0, 15, 40, 200)),
            status=BudgetStatus.FROZEN if self._sometimes(5) else BudgetStatus.ACTIVE,
            rollover_max=self._one((0, 0, 30, 1_000, INT64_MAX)),
            idle_ttl_ms=self._one((None, None, HOUR_MS, 5 * MINUTE_MS)),
        )

    def _declare(self) -> Declare:
        """What was declared, with a few changes; now and then of another version."""
        for name, old in self._lines.items():
            if self._sometimes(25):
                new = self._line(old.pattern.text, old.unit, old.period)
                less = replace(old, overdraft_limit=min(old.overdraft_limit, new.overdraft_limit))
                self._lines[name] = self._one((new, less, replace(old, allocated=new.allocated)))
        if self._sometimes(15):
            extra = self._line(self._one(PATTERNS), self._unit(), self._one(PERIODS))
            self._lines[extra.pattern.text, extra.unit, extra.period] = extra
        if self._sometimes(10):
            self._version += 1
        kept = tuple(line for line in self._lines.values() if not self._sometimes(8))
        version = max(1, self._version - self._sometimes(15))
        return Declare(kept, templates_max=self._one((1, 3, 10, 10)), version=version)

    def _name(self) -> BudgetName:
        live = [*self._model.live]
        if live and self._sometimes(80):
            return self._one(live)
        return BudgetName(self._one(SCOPES), self._unit(), self._one(PERIODS))

    # Operations

    def _operation(self) -> Operation:
        is_stopped = self._model.tenant_status("dev") is not TenantStatus.ACTIVE
        if is_stopped and self._sometimes(10):
            return SetTenantStatus(TenantStatus.ACTIVE)
        what = self._random.randrange(100)
        if what < 34:
            return Reserve(self._request())
        if what < 78 and self._model.holds:
            return self._on_hold()
        if what < 82:
            return self._apply()
        if what < 86:
            return self._declare()
        if what < 91:
            return self._fund()
        if what < 93:
            return self._set_status()
        if what < 95:
            return SetTenantStatus(self._one([*TenantStatus]))
        if what < 97:
            return self._remember()
        return Sweep(self._one((1_000, 1_000, 2)))

    def _subject(self) -> Subject:
        agent = self._one(("bot", "bot", "bot", "cli", "third", None))
        subject = subject_of(agent, self._one((None, None, "1", "1", "2")))
        return subject.counted_at(COUNTED) if self._sometimes(20) else subject

    def _units_of(self, subject: Subject) -> list[Unit]:
        """Mostly units that the subject has a budget in."""
        if self._sometimes(10):
            return self._one(([USD], [USD, TOKENS], [TOKENS], [POINTS], [CALLS]))
        names = self._model.names(budget_scopes(subject), set(Unit))
        units = sorted({name.unit for name in names}) or [USD]
        return units if self._sometimes(70) else [self._one(units)]

    def _amount(self, near: Iterable[int] = ()) -> int:
        """A few microcents, often about one of those `near`."""
        edges = [edge for edge in near if 0 < edge < 1_000]
        if edges and self._sometimes(35):
            return max(0, self._one(edges) + self._one((-1, 0, 0, 1)))
        if self._sometimes(2):
            return self._one(BIG)
        return self._one((0, self._random.randint(0, 15), self._random.randint(0, 70)))

    def _remaining(self, subject: Subject, unit: Unit) -> list[int]:
        model, scopes = self._model, budget_scopes(subject)
        return [b.remaining for b in model.read(lambda: model.balances(scopes, unit))]

    def _request(self) -> ReserveRequest:
        subject = self._subject()
        units = self._units_of(subject)
        free = frozenset(unit for unit in units if self._sometimes(5))
        return ask(
            plan=[self._rung(subject, units, free) for _ in range(self._one((1, 1, 2, 3)))],
            key=self._key(),
            payload_hash=self._payload_hash(),
            subject=subject,
            ttl_ms=self._one((MINUTE_MS, 30 * SECOND_MS, HOUR_MS)),
            grace_ms=self._one((0, 5 * SECOND_MS)),
            max_share_pct=self._one((100, 100, 50, 7)),
            overage=self._one((*Overage, Overage.ALLOW_WITH_OVERDRAFT)),
            on_expiry=self._one((*OnExpiry, OnExpiry.UNCERTAIN)),
            free=free,
            max_extensions=self._one((None, None, 1)),
            trace_id=self._one(("", "trace")),
            price_version=self._one(("", "prices 1")),
            annotation=self._one(("", "", "caps")),
        )

    def _rung(self, subject: Subject, units: Iterable[Unit], free: frozenset[Unit]) -> Rung:
        return {unit: Span(0, 0) if unit in free else self._span(subject, unit) for unit in units}

    def _span(self, subject: Subject, unit: Unit) -> Span:
        minimum = self._amount(self._remaining(subject, unit))
        return Span(minimum, min(INT64_MAX, minimum + self._one((0, 0, 5, 40))))

    def _key(self) -> str:
        used = [hold.request.key for hold in self._model.holds.values()]
        used += [key.key for key in self._model.remembered]
        if used and self._sometimes(6):
            return self._one(used)
        return f"key {len(used)} {self._random.randrange(1_000)}"

    def _payload_hash(self) -> str:
        return "other" if self._sometimes(5) else "body"

    def _asked(self) -> str:
        """A key that something was kept under, mostly; or any."""
        kept = [key.key for key in self._model.remembered]
        return self._one(kept) if kept and self._sometimes(75) else self._key()

    def _remember(self) -> Remember:
        answer = f"answer {self._random.randrange(1_000)}"
        keep_ms = self._one((MINUTE_MS, HOUR_MS, DAY_MS))
        return Remember(self._asked(), self._payload_hash(), answer, keep_ms)

    def _find(self) -> Find:
        states = frozenset(State) if self._sometimes(50) else OPEN
        page = self._one((1, 3, 100))
        return Find(self._one([*SortKey]), self._sometimes(50), page, states)

    def _apply(self) -> Apply:
        subject = self._subject()
        units = self._units_of(subject)
        return Apply(
            event(
                {unit: self._amount(self._remaining(subject, unit)) for unit in units},
                key=self._key(),
                payload_hash=self._payload_hash(),
                subject=subject,
                overage=self._one([*Overage]),
                is_spent=self._sometimes(50),
                estimated=self._sometimes(50),
            )
        )

    def _on_hold(self) -> OnHold:
        holds = [*self._model.holds.values()]
        alive = [number for number, hold in enumerate(holds) if hold.state in OPEN]
        number = self._one(alive) if alive and self._sometimes(80) else self._one(range(len(holds)))
        hold = holds[number]
        if hold.state in OPEN:
            what = self._one(
                ("dispatch", "dispatch", "grow", "extend", "mark_uncertain")
                + ("commit",) * 4
                + ("release", "charge_late")
            )
        else:
            what = self._one(("charge_late", "charge_late", "commit", "release", "extend", "grow"))
        amounts = {
            unit: self._cost(hold, unit)
            for unit in hold.amounts
            if what != "grow" or self._sometimes(80)
        }
        if self._sometimes(4):
            amounts = {self._unit(): 5}
        return OnHold(
            number,
            what,
            key=self._one(("one", "two")),
            amounts=amounts,
            word=self._one(("", "ops", "ops")),
            stray=self._sometimes(4),
        )

    def _cost(self, hold: Hold, unit: Unit) -> int:
        """Mostly within the hold."""
        held = hold.amounts[unit]
        if self._sometimes(60):
            return self._one((held, self._random.randint(0, held)))
        return self._amount([held, *self._remaining(hold.request.subject, unit)])

    def _fund(self) -> Fund:
        name = self._name()
        near = [
            figure
            for window in self._model.windows.values()
            if (window.balance.scope, window.balance.unit) == (name.scope, name.unit)
            for figure in (window.balance.debt, window.balance.remaining, window.balance.uncovered)
        ]
        return Fund(
            name,
            self._one((*FundOperation, FundOperation.CREDIT)),
            self._amount(near),
            spent=self._one((0, 0, self._amount())),
            key=self._one((None, None, "fund 1", "fund 2")),
        )

    def _set_status(self) -> SetStatus:
        statuses = (*BudgetStatus, *[BudgetStatus.ACTIVE] * 4)
        return SetStatus(self._one(SCOPES), self._one((None, USD)), self._one(statuses))
