"""Who is calling: the sidecar's own subject, what calls may add, and our keys."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema

from proxy.config.sections.base import Accepts, Section, invalid, unique
from proxy.config.sections.values import LevelValue, Name, PolicyScope
from proxy.domain.key import WILDCARDS, Permission

Nameable = Literal["tenant", "workspace", "app", "workflow", "agent", "toolset", "run"]


class SubjectConfig(Section):
    """The levels of a subject that are fixed here; the others stay open."""

    tenant: LevelValue | None = None
    """The customer, company or team that pays; the outermost level."""

    workspace: LevelValue | None = None
    """A part of the tenant: an environment or a project."""

    app: LevelValue | None = None
    """An application."""

    workflow: LevelValue | None = None
    """A process within an application."""

    agent: LevelValue | None = None
    """An agent."""

    toolset: LevelValue | None = None
    """A set of tools that an agent uses; the innermost level."""

    def given(self) -> dict[str, str]:
        """The levels that are fixed, outermost first, as they are written."""
        return self.model_dump(exclude_none=True)


class IdentityConfig(Section):
    """Who pays for a call. A call may narrow this down, never widen it."""

    default: SubjectConfig = SubjectConfig()
    """The subject of this sidecar. Calls and keys may fill its empty levels only."""

    accept: Annotated[tuple[Nameable, ...], AfterValidator(unique())] = Field(
        default=("agent", "toolset", "run"), examples=["[agent, run]"]
    )
    """The levels that a call may name itself, by path prefix (`/s/agent=bot/v1/…`), by
    `X-Cycles-…` headers or by baggage. Another level is refused."""

    headers: Literal["trusted", "ignored"] = "trusted"
    """Whether `X-Cycles-…` headers and baggage count. With `trusted` an agent's name is a
    label and not a limit, as any caller may choose another one: the budget of the scope
    above is the limit."""

    require_key: bool = False
    """Whether a call must bring one of our keys. Otherwise a call without one is the
    default subject's."""


def _check_permission(value: str) -> str:
    if value not in (*Permission, *WILDCARDS):
        raise invalid("not a permission of the protocol")
    return value


PermissionName = Annotated[
    str,
    AfterValidator(_check_permission),
    WithJsonSchema({"type": "string", "enum": [*WILDCARDS, *Permission]}),
    Accepts(
        "a permission of the Cycles protocol, `events:create`, or a group with a wildcard",
        '"reservations:*"',
    ),
]


class KeyConfig(Section):
    """A key of ours, by the hash of its secret."""

    name: Name
    """What logs call it."""

    sha256: Annotated[
        str,
        StringConstraints(pattern=r"^[0-9a-fA-F]{64}$", to_lower=True),
        Accepts(
            'the SHA-256 of the secret, 64 hexadecimal digits (printf %s "$SECRET" | sha256sum)',
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
    ]
    """The hash of the secret, which callers send to the proxy as bearer token or `x-api-key`,
    and to the authority as `X-Cycles-API-Key`. The secret itself is never in a file. A known
    key is never sent upstream."""

    subject: SubjectConfig = SubjectConfig()
    """The levels that this key adds to `identity.default`. Where the two disagree, calls
    with this key are refused."""

    permissions: Annotated[
        tuple[PermissionName, ...],
        Field(min_length=1),
        AfterValidator(unique()),
    ] = Field(
        default=("reservations:*", "events:create", "balances:read"),
        examples=['["reservations:*"]'],
    )
    """What the key may do. Calls through the proxy, reservations and decisions need
    `reservations:create`, events `events:create`; docs/protocol.md has the list. `admin:read`
    is every permission that ends in `:read`, `admin:write` every one that ends in `:write`."""

    scope_filter: Annotated[tuple[PolicyScope, ...], AfterValidator(unique("text"))] = ()
    """The only scopes where the key may spend, and whose reservations and balances it sees.
    Empty: wherever `subject` lets it."""
