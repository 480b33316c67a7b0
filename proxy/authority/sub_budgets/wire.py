"""What a client sends and gets of sub-budgets. None of it is in the published protocol."""

from enum import StrEnum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from proxy.cycles_wire.schemas import Amount, Count, IdempotencyKey, Schema, Subject

_Globs = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=256)]], Meta(min_length=1, max_length=64)
]
_Models = Annotated[_Globs, Meta(description="Models that may be called: names, with * and ?.")]
_Tools = Annotated[_Globs, Meta(description="The only tools that stay in a call.")]
_Ceiling = Annotated[int, Meta(ge=1, le=2**31 - 1, description="Of each answer.")]
_Amounts = Annotated[
    list[Amount],
    Meta(
        min_length=1,
        max_length=8,
        description="One of each unit that the parent's budgets count, and perhaps of others.",
    ),
]


class SubBudgetCreateRequest(Schema, frozen=True, kw_only=True):
    """Carve a sub-budget out of the budgets of a subject: by default that of the key."""

    idempotency_key: IdempotencyKey
    subject: Subject | UnsetType = UNSET
    amounts: _Amounts
    ttl_ms: Annotated[
        int, Meta(ge=1_000, le=86_400_000, description="How long it lasts if nobody closes it.")
    ]
    models: _Models | UnsetType = UNSET
    tool_allowlist: _Tools | UnsetType = UNSET
    max_tokens: _Ceiling | UnsetType = UNSET


class SubBudgetStatus(StrEnum):
    """CLOSING: its key is no good any more, and calls that it paid for have not ended yet."""

    ACTIVE = "ACTIVE"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


class SubBudgetCreateResponse(Schema, frozen=True, kw_only=True):
    """A sub-budget that was carved. `key` is kept nowhere: it is shown here and in replays."""

    sub_budget_id: str
    key: str
    scope: str
    amounts: list[Amount]
    expires_at_ms: Count


class SubBudget(Schema, frozen=True, kw_only=True):
    """A sub-budget as it stands. `charged` is what its parent paid, once it is closed."""

    sub_budget_id: str
    status: SubBudgetStatus
    scope: str
    amounts: list[Amount]
    spent: list[Amount]
    reserved: list[Amount]
    charged: list[Amount] | UnsetType = UNSET
    expires_at_ms: Count
    models: list[list[str]] | UnsetType = UNSET
    tool_allowlist: list[str] | UnsetType = UNSET
    max_tokens: Count | UnsetType = UNSET
