"""What agents were told: counts by scope, and the last decisions with their reasons."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from proxy.cli.demo.stage import scopes_of
from proxy.domain.decision import Decision
from proxy.domain.errors import Reason
from proxy.domain.scope import Scope


@dataclass(frozen=True, slots=True)
class Told:
    """One answer to one agent. `reason` is that of a refusal; `why` is for people."""

    at_ms: int
    agent: str
    decision: Decision
    reason: str | None
    why: str

    @property
    def is_busy(self) -> bool:
        """Whether the agent was only told to wait for calls in flight."""
        return self.reason == Reason.BUDGET_BUSY


class Tally:
    """All answers so far. To be told to wait is counted apart: it decides nothing."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.failures: list[str] = []
        self.waits = 0
        self.total: Counter[Decision] = Counter()
        self._by_scope: defaultdict[Scope, Counter[Decision]] = defaultdict(Counter)

    def add(self, told: Told) -> None:
        """Count one answer in every scope of its agent."""
        self.told.append(told)
        if told.is_busy:
            self.waits += 1
            return
        self.total[told.decision] += 1
        for scope in scopes_of(told.agent):
            self._by_scope[scope][told.decision] += 1

    def fail(self, why: str) -> None:
        """An agent got no answer it could use."""
        self.failures.append(why)

    def of(self, scope: Scope) -> Counter[Decision]:
        """The decisions about calls that this scope was charged with."""
        return self._by_scope[scope]

    def steps(self) -> tuple[Decision, ...]:
        """The decisions in the order in which each was met first."""
        return tuple(dict.fromkeys(told.decision for told in self.told if not told.is_busy))
