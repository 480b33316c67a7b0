"""Who is spending.

Source: cycles-protocol-v0.yaml, schema Subject; design of identity in docs/semantics.md.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

LEVELS = ("tenant", "workspace", "app", "workflow", "agent", "toolset")
"""Outermost first. A scope is made of the levels that are given, in this order."""

RUN = "run"
"""The dimension that names one run of an agent."""

PURSE = "purse"
"""The dimension that names the purse of a sub-budget, by its scope. No caller may name it."""

STEPS = "steps"
"""The dimension that names where the calls of a policy are counted, by its scope. No caller may
name it."""


class Subject(msgspec.Struct, frozen=True):
    """Six optional levels, already encoded for scopes, and free dimensions.

    `dimensions` never make a scope; they also keep the original of a value that had
    to be encoded, under the level's own name.
    """

    tenant: str | None = None
    workspace: str | None = None
    app: str | None = None
    workflow: str | None = None
    agent: str | None = None
    toolset: str | None = None
    dimensions: Mapping[str, str] = msgspec.field(default_factory=dict)

    def levels(self) -> tuple[tuple[str, str], ...]:
        """The levels that are given, outermost first."""
        every = (
            ("tenant", self.tenant),
            ("workspace", self.workspace),
            ("app", self.app),
            ("workflow", self.workflow),
            ("agent", self.agent),
            ("toolset", self.toolset),
        )
        return tuple([(level, value) for level, value in every if value is not None])

    def counted_at(self, steps: str | None) -> "Subject":
        """The same, whose calls are counted at this scope as well; None: at no other."""
        if steps is None:
            return self
        return replace(self, dimensions={**self.dimensions, STEPS: steps})
