"""The whole configuration. app.py reads it and hands each step what that step needs."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PrivateAttr

from proxy.config.findings import Origin
from proxy.config.sections.base import Section, unique
from proxy.config.sections.budgets import BudgetConfig
from proxy.config.sections.holds import LearningConfig, ToolConfig
from proxy.config.sections.identity import IdentityConfig, KeyConfig
from proxy.config.sections.ledger import LedgerConfig, SettleConfig
from proxy.config.sections.network import (
    DedupeConfig,
    LimitsConfig,
    ListenConfig,
    ResponsesConfig,
)
from proxy.config.sections.policies import DegradeConfig, PolicyConfig, QueueConfig
from proxy.config.sections.pricing import PricingConfig
from proxy.config.sections.upstreams import UpstreamConfig
from proxy.config.sections.values import FreePath


class Config(Section):
    """All that can be said. Only `upstreams` must be."""

    listen: ListenConfig = ListenConfig()

    ledger: LedgerConfig = LedgerConfig()

    upstreams: Annotated[
        tuple[UpstreamConfig, ...], Field(min_length=1), AfterValidator(unique("name"))
    ]

    identity: IdentityConfig = IdentityConfig()

    keys: Annotated[
        tuple[KeyConfig, ...], AfterValidator(unique("name")), AfterValidator(unique("sha256"))
    ] = ()

    budgets: Annotated[
        tuple[BudgetConfig, ...],
        AfterValidator(unique("pattern", "unit", "window", called="scope, unit and window")),
    ] = ()

    templates_max: int = Field(default=1_000, ge=1, le=1_000_000)
    """How many budgets templates may make, those of runs included. The call that would need
    one more is refused."""

    policies: Annotated[tuple[PolicyConfig, ...], AfterValidator(unique("name"))] = ()

    hold: Literal["worst_case", "learned"] = "worst_case"
    """How much is held for the answer of a call. `worst_case`: the longest that it may be.
    `learned`: for streams of models that bill nothing hidden, as long as answers of the kind
    have been; the hold grows while the stream goes beyond that, and where no budget has room
    for more, the stream is ended as its API ends one that reached its limit."""

    learning: LearningConfig = LearningConfig()

    degrade: DegradeConfig = DegradeConfig()

    queue: QueueConfig = QueueConfig()

    tools: Annotated[tuple[ToolConfig, ...], AfterValidator(unique("name"))] = ()

    pricing: PricingConfig = PricingConfig()

    limits: LimitsConfig = LimitsConfig()

    settle: SettleConfig = SettleConfig()

    responses: ResponsesConfig = ResponsesConfig()

    dedupe: DedupeConfig = DedupeConfig()

    passthrough: Annotated[tuple[FreePath, ...], AfterValidator(unique())] = Field(
        default=(), examples=['["GET /v1/batches*", "GET /v1/skills*", "POST /v1/skills"]']
    )
    """Requests that cost nothing, and pass without a hold beside those that always do
    ([routes.md](routes.md)). They go to the upstream of the model that their body names, else
    to the first. What is metered, or known to be billed, may not be listed. A path with a part
    that is empty, begins with a dot or is percent-encoded never passes."""

    shutdown_ms: int = Field(default=25_000, ge=0, le=3_600_000)
    """How long calls in flight may go on after SIGTERM. Kubernetes kills a pod after 30
    seconds unless its `terminationGracePeriodSeconds` says otherwise."""

    _origin: Origin = PrivateAttr(default_factory=Origin)

    @property
    def origin(self) -> Origin:
        """Where it was written."""
        return self._origin

    def written_at(self, origin: Origin) -> "Config":
        """The same configuration, knowing where it was written."""
        copy = self.model_copy()
        copy._origin = origin
        return copy
