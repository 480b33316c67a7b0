"""What a caller can ask, as data: asked of a home and of the model alike."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hypothesis import strategies as st

from proxy.domain.period import Period
from proxy.domain.reservation import OnExpiry, Overage
from proxy.domain.scope import Scope
from proxy.ledger.protocol import BudgetLine, BudgetStatus, ReserveRequest, Rung
from tests.ledger.builders import BOT, CLI, DEV, USD, ask, line
from tests.ledger.harness import MINUTE_MS, SECOND_MS, Home
from tests.ledger.model import Model

PERIODS = (Period.LIFETIME, Period.DAY)
AMOUNTS = st.integers(0, 70)


class Operation(Protocol):
    """One question, put in two ways."""

    def of_home(self, home: Home, ids: Sequence[str]) -> Awaitable[object]:
        """Ask a home. `ids` are the holds that exist, oldest first."""
        ...

    def of_model(self, model: Model, ids: Sequence[str], new_id: str) -> object:
        """Ask the model, which names a new hold as the home did."""
        ...


@dataclass(frozen=True)
class Reserve:
    request: ReserveRequest

    def of_home(self, home: Home, ids: Sequence[str]) -> Awaitable[object]:
        return home.reserve(self.request)

    def of_model(self, model: Model, ids: Sequence[str], new_id: str) -> object:
        return model.reserve(self.request, new_id)


@dataclass(frozen=True)
class OnHold:
    """An operation on the hold of this number, counted round."""

    number: int
    what: str
    key: str
    amount: int
    word: str

    def of_home(self, home: Home, ids: Sequence[str]) -> Awaitable[object]:
        hold = ids[self.number % len(ids)]
        match self.what:
            case "dispatch":
                return home.dispatch(hold)
            case "mark_uncertain":
                return home.mark_uncertain(hold)
            case "grow":
                return home.grow(hold, by=self.amount, key=self.key)
            case "extend":
                return home.extend(hold, by_ms=1 + self.amount * SECOND_MS, key=self.key)
            case "commit":
                return home.commit(hold, actual=self.amount, key=self.key, payload_hash=self.word)
            case "release":
                return home.release(hold, key=self.key, actor=self.word)
            case _:
                return home.charge_late(
                    hold, actual=self.amount, key=self.key, payload_hash=self.word
                )

    def of_model(self, model: Model, ids: Sequence[str], new_id: str) -> object:
        hold = ids[self.number % len(ids)]
        match self.what:
            case "dispatch":
                model.dispatch(hold)
                return None
            case "mark_uncertain":
                model.mark_uncertain(hold)
                return None
            case "grow":
                return model.grow(hold, self.amount, self.key)
            case "extend":
                return model.extend(hold, 1 + self.amount * SECOND_MS, self.key)
            case "commit":
                return model.commit(hold, self.amount, self.key, self.word)
            case "release":
                return model.release(hold, self.key, self.word)
            case _:
                return model.charge_late(hold, self.amount, self.key, self.word)


@dataclass(frozen=True)
class Declare:
    lines: tuple[BudgetLine, ...]
    templates_max: int

    def of_home(self, home: Home, ids: Sequence[str]) -> Awaitable[object]:
        return home.declare(self.lines, templates_max=self.templates_max)

    def of_model(self, model: Model, ids: Sequence[str], new_id: str) -> object:
        model.declare(self.lines, self.templates_max)
        return None


@dataclass(frozen=True)
class Fund:
    scope: Scope
    period: Period
    amount: int

    def of_home(self, home: Home, ids: Sequence[str]) -> Awaitable[object]:
        return home.fund(self.scope, USD, self.period, self.amount, "ops")

    def of_model(self, model: Model, ids: Sequence[str], new_id: str) -> object:
        return model.fund((self.scope, USD, self.period), self.amount)


@dataclass(frozen=True)
class SetStatus:
    scope: Scope
    status: BudgetStatus

    def of_home(self, home: Home, ids: Sequence[str]) -> Awaitable[object]:
        return home.set_status(self.scope, USD, self.status, "ops")

    def of_model(self, model: Model, ids: Sequence[str], new_id: str) -> object:
        return model.set_status(self.scope, USD, self.status)


@dataclass(frozen=True)
class Sweep:
    def of_home(self, home: Home, ids: Sequence[str]) -> Awaitable[object]:
        return home.expire(limit=1_000)

    def of_model(self, model: Model, ids: Sequence[str], new_id: str) -> object:
        return model.expire()


@st.composite
def _rungs(draw: st.DrawFn) -> Rung:
    minimum = draw(AMOUNTS)
    return Rung(minimum, minimum + draw(st.sampled_from([0, 0, 5, 40])))


@st.composite
def _requests(draw: st.DrawFn) -> ReserveRequest:
    free = draw(st.integers(0, 9)) == 0
    return ask(
        plan=(Rung(0, 0),) if free else draw(st.lists(_rungs(), min_size=1, max_size=3)),
        key=draw(st.sampled_from([f"key {number}" for number in range(40)])),
        payload_hash=draw(st.sampled_from(["body", "body", "body", "other"])),
        agent=draw(st.sampled_from(["bot", "cli", "third", None])),
        grace_ms=draw(st.sampled_from([0, 5 * SECOND_MS])),
        max_share_pct=draw(st.sampled_from([100, 50])),
        overage=draw(st.sampled_from(Overage)),
        on_expiry=draw(st.sampled_from(OnExpiry)),
        free=free,
        max_extensions=draw(st.sampled_from([None, 1])),
        ttl_ms=draw(st.sampled_from([MINUTE_MS, 30 * SECOND_MS])),
    )


@st.composite
def declarations(draw: st.DrawFn) -> Declare:
    """A tenant, an agent and a template, each perhaps there, perhaps with another value."""
    patterns = draw(
        st.lists(
            st.tuples(st.sampled_from([DEV, BOT, "tenant:dev/agent:*"]), st.sampled_from(PERIODS)),
            min_size=1,
            max_size=5,
            unique=True,
        )
    )
    lines = tuple(
        line(
            pattern,
            draw(st.sampled_from([0, 20, 100, 100, 150])),
            period=period,
            overdraft_limit=draw(st.sampled_from([0, 0, 15, 40])),
            status=draw(st.sampled_from([*[BudgetStatus.ACTIVE] * 5, BudgetStatus.FROZEN])),
        )
        for pattern, period in patterns
    )
    return Declare(lines, draw(st.sampled_from([1, 3])))


def _on_hold(what: str) -> st.SearchStrategy[OnHold]:
    return st.builds(
        OnHold,
        number=st.integers(0, 50),
        what=st.just(what),
        key=st.sampled_from(["one", "two"]),
        amount=AMOUNTS,
        word=st.sampled_from(["", "ops"]),
    )


RESERVES = st.builds(Reserve, _requests())
SCOPES = st.sampled_from([DEV, BOT, CLI])

OPERATIONS: st.SearchStrategy[Operation] = st.one_of(
    RESERVES,
    RESERVES,
    RESERVES,
    _on_hold("dispatch"),
    _on_hold("dispatch"),
    _on_hold("mark_uncertain"),
    _on_hold("grow"),
    _on_hold("extend"),
    _on_hold("commit"),
    _on_hold("commit"),
    _on_hold("commit"),
    _on_hold("release"),
    _on_hold("charge_late"),
    declarations(),
    st.builds(Fund, SCOPES, st.sampled_from(PERIODS), st.integers(-60, 60)),
    st.builds(SetStatus, SCOPES, st.sampled_from(BudgetStatus)),
    st.builds(Sweep),
)
