"""What stays the same of a call, however often it is tried, and what it goes through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from proxy.dialects.dialect import Dialect, Request
from proxy.domain.clock import Clock
from proxy.domain.subject import Subject
from proxy.gateway.charge import Pricer
from proxy.gateway.estimate import Estimator
from proxy.gateway.forward import Forwarder
from proxy.gateway.identify import Caller
from proxy.gateway.meter import Meter
from proxy.gateway.outbox.unheld import UnheldCalls
from proxy.gateway.reserve import Reserver
from proxy.gateway.runtime.door import Door, Incoming
from proxy.gateway.runtime.record import CallRecord
from proxy.gateway.settle import Settler
from proxy.gateway.stream.fitting import Fitting
from proxy.gateway.tools.counting import RunCounts
from proxy.ledger.protocol import Ledger
from proxy.observe.logs import Log
from proxy.observe.metrics import Metrics
from proxy.policies import Policies, Wish


@dataclass(frozen=True, slots=True)
class Steps:
    """What the pipeline is made of; `app.py` puts it together."""

    policies: Policies
    estimator: Estimator
    fitting: Fitting
    reserver: Reserver
    ledger: Ledger
    forwarders: Mapping[str, Forwarder]
    """By the name of the upstream."""
    meter: Meter
    pricer: Pricer
    settler: Settler
    unheld: UnheldCalls
    counts: RunCounts
    metrics: Metrics
    log: Log
    clock: Clock
    new_id: Callable[[], str]
    draw: Callable[[], float]
    """Random numbers from 0 to 1."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call that was heard: who makes it, what is asked, and what policy leaves of the wish.

    `name` is like that of no other call. `forwarders` are the lines it may leave by, by the name
    of the upstream. `rest` is what is still to come of its body; `is_repeatable`: whether it
    could leave more than once.
    """

    name: str
    dialect: Dialect
    request: Request
    wish: Wish
    door: Door
    caller: Caller
    record: CallRecord
    forwarders: Mapping[str, Forwarder]
    rest: Incoming | None = None
    is_repeatable: bool = True

    @property
    def subject(self) -> Subject:
        """Who spends, and where its calls are counted when a policy wants that."""
        return self.caller.subject.counted_at(self.wish.steps)

    def name_of_hold(self, number: int) -> str:
        """By what the ledger knows the hold of the first attempt, of the second, and so on.

        Of a call that its caller may send again, attempts may have been made before.
        """
        key = self.caller.key
        before = 0 if key is None else key.attempt - 1
        return f"{self.name}/{before + number}"
