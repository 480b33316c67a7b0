"""The parts that requests and answers are made of.

A field that is not there is UNSET, and never null: the protocol has no null. Unknown fields,
booleans or fractions for integers, and integers beyond int64 are errors.
"""

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proxy.domain.money import INT64_MAX, INT64_MIN, WIRE_UNITS, Unit
from proxy.domain.reservation import Overage
from proxy.domain.subject import LEVELS

IdempotencyKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="Names one attempt: the same key with the same payload is answered alike.",
    ),
]
Level = Annotated[str, Meta(max_length=128)]
Dimensions = Annotated[
    dict[str, Annotated[str, Meta(max_length=256)]],
    Meta(max_length=16, description="Free names and values; no budget depends on them."),
]
ToolNames = list[Annotated[str, Meta(max_length=256)]]
Tags = Annotated[list[Annotated[str, Meta(max_length=64)]], Meta(max_length=10)]
FreeObject = Annotated[
    dict[str, Any], Meta(description="Whatever the client wants to find again; read by nobody.")
]
Count = Annotated[int, Meta(ge=0, le=INT64_MAX)]
OveragePolicy = Annotated[
    Overage, Meta(description="What happens to an actual that the budgets cannot pay in full.")
]


class Schema(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every schema of the protocol has in common."""


class Amount(Schema, frozen=True, kw_only=True):
    """How much of one unit. One US dollar is 10**8 USD_MICROCENTS."""

    unit: Unit
    amount: Count

    def __post_init__(self) -> None:
        """Raises ValueError for a unit that the protocol has not."""
        if self.unit not in WIRE_UNITS:
            raise ValueError(f"Units are {', '.join(WIRE_UNITS)}")


class SignedAmount(Schema, frozen=True, kw_only=True):
    """An amount that can be below zero: what remains after more was spent than allocated."""

    unit: Unit
    amount: Annotated[int, Meta(ge=INT64_MIN, le=INT64_MAX)]


class Subject(Schema, frozen=True, kw_only=True):
    """Who spends, on six levels of which at least one is given, outermost first."""

    tenant: Level | UnsetType = UNSET
    workspace: Level | UnsetType = UNSET
    app: Level | UnsetType = UNSET
    workflow: Level | UnsetType = UNSET
    agent: Level | UnsetType = UNSET
    toolset: Level | UnsetType = UNSET
    dimensions: Dimensions | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Raises ValueError for a subject without any level."""
        if not self.levels():
            raise ValueError(f"A subject gives at least one of {', '.join(LEVELS)}")

    def levels(self) -> dict[str, str]:
        """The levels that are given, outermost first, as they were sent."""
        every = {
            "tenant": self.tenant,
            "workspace": self.workspace,
            "app": self.app,
            "workflow": self.workflow,
            "agent": self.agent,
            "toolset": self.toolset,
        }
        return {level: value for level, value in every.items() if value is not UNSET}


class Action(Schema, frozen=True, kw_only=True):
    """What the money is for."""

    kind: Annotated[
        str, Meta(max_length=64, description="A category and an operation: llm.completion.")
    ]
    name: Annotated[str, Meta(max_length=256, description="The model or the tool.")]
    tags: Tags | UnsetType = UNSET


class Caps(Schema, frozen=True, kw_only=True):
    """Ceilings on what was allowed. A tool_allowlist with names in it wins over the denylist."""

    max_tokens: Count | UnsetType = UNSET
    max_steps_remaining: Count | UnsetType = UNSET
    tool_allowlist: ToolNames | UnsetType = UNSET
    tool_denylist: ToolNames | UnsetType = UNSET
    cooldown_ms: Count | UnsetType = UNSET


class StandardMetrics(Schema, frozen=True, kw_only=True):
    """What a client measured of its action."""

    tokens_input: Count | UnsetType = UNSET
    tokens_output: Count | UnsetType = UNSET
    latency_ms: Count | UnsetType = UNSET
    model_version: Annotated[str, Meta(max_length=128)] | UnsetType = UNSET
    custom: FreeObject | UnsetType = UNSET


class Balance(Schema, frozen=True, kw_only=True):
    """A budget of one scope in one unit.

    remaining = allocated - spent - reserved - debt. Debt and overdraft_limit are left out
    when they are 0, is_over_limit when it is false.
    """

    scope: str
    scope_path: str
    remaining: SignedAmount
    reserved: Amount | UnsetType = UNSET
    spent: Amount | UnsetType = UNSET
    debt: Amount | UnsetType = UNSET
    allocated: Amount | UnsetType = UNSET
    overdraft_limit: Amount | UnsetType = UNSET
    is_over_limit: bool | UnsetType = UNSET


class ReservationStatus(StrEnum):
    """Where a reservation stands."""

    ACTIVE = "ACTIVE"
    COMMITTED = "COMMITTED"
    RELEASED = "RELEASED"
    EXPIRED = "EXPIRED"
