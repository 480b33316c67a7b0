"""Before any budget is asked: what operators change in a call, and when.

One policy decides, nothing is merged: of those that apply the one with the highest
priority, then the more specific scope, then the first in the file. A policy applies when
its pattern matches one of the call's scopes and one of its bands is reached.
Rules: docs/semantics.md, "Policy, plan, caps".
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from proxy.dialects.dialect import Tool
from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.domain.policy import Band, Policy
from proxy.domain.scope import Scope, ScopePattern
from proxy.domain.sub_budget import UNLIMITED, Limits
from proxy.ledger.records import Balance


class Wish(msgspec.Struct, frozen=True):
    """What policy leaves of a call's wish. Empty, it leaves the call as it was asked for.

    `model` is the model to ask for instead, None to keep the caller's. `policy` is the name
    of the policy that decided, for logs. `limits` are those of the sub-budget that pays.
    """

    policy: str | None = None
    model: str | None = None
    caps: Caps = msgspec.field(default_factory=Caps)
    limits: Limits = UNLIMITED

    @property
    def max_tokens(self) -> int | None:
        """The ceiling of one answer in tokens; None where there is none."""
        ceilings = (self.caps.max_tokens, self.limits.max_tokens)
        return min([most for most in ceilings if most is not None], default=None)


def dropped_tools(tools: Sequence[Tool], caps: Sequence[Caps]) -> frozenset[str]:
    """The names of the tools that any of these caps takes away."""
    return frozenset(
        tool.name for tool in tools if not all(each.allows_tool(tool.name) for each in caps)
    )


class Policies:
    """The policies of one configuration, in the order in which they decide."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        """`policies` in the order of the file."""
        self._ranked = tuple(sorted(policies, key=_rank, reverse=True))

    def watched(self, scopes: Sequence[Scope]) -> tuple[Scope, ...]:
        """The scopes of a call whose balances `wish` needs to know. Often none."""
        if not self._ranked:
            return ()
        return tuple(
            scope
            for scope in scopes
            if any(policy.pattern.matches(scope) for policy in self._ranked)
        )

    def wish(self, model: str, *, scopes: Sequence[Scope], balances: Sequence[Balance]) -> Wish:
        """What a call for `model` by the subject of these scopes may wish for.

        `balances` are those of the scopes, in all their windows, before this call. A scope
        without a budget is as one that has spent nothing.
        """
        for policy in self._ranked:
            if any(policy.pattern.matches(scope) for scope in scopes):
                band = _highest_reached(policy.bands, _used_pct(policy.pattern, balances))
                if band is not None:
                    stand_in = entry_for(model, band.models)
                    return Wish(policy.name, stand_in if stand_in != model else None, band.caps)
        return Wish()


def limited(wish: Wish, model: str, limits: Limits) -> Wish:
    """The wish for `model` of a call that a sub-budget with these limits pays.

    Raises:
        Refused: POLICY_DENIED, when it does not pay for the model, or for its stand-in.
    """
    if limits is UNLIMITED:
        return wish
    for name in (model, wish.model or model):
        if not limits.allows_model(name):
            raise Refused(
                Reason.POLICY_DENIED,
                f"The sub-budget of this key does not pay for model {name!r}. Do not retry.",
                param="model",
            )
    return msgspec.structs.replace(wish, limits=limits)


def entry_for(model: str, table: Mapping[str, str]) -> str | None:
    """The entry of a model: by its exact name, else by the wildcard with most other characters.

    Of wildcards with equally many the first counts.
    """
    if (exact := table.get(model)) is not None:
        return exact
    matching = [pattern for pattern in table if fnmatchcase(model, pattern)]
    return table[max(matching, key=_literal_characters)] if matching else None


def _rank(policy: Policy) -> tuple[int, int, bool, bool]:
    """Higher decides first; a stable sort leaves equals in the order of the file."""
    pattern = policy.pattern
    return policy.priority, pattern.depth, not pattern.is_subtree, not pattern.is_template


def _used_pct(pattern: ScopePattern, balances: Sequence[Balance]) -> int:
    """How much is used up, of the most used budget and window that the policy looks at."""
    return max((b.used_pct for b in balances if pattern.matches(b.scope)), default=0)


def _highest_reached(bands: Sequence[Band], used_pct: int) -> Band | None:
    reached = [band for band in bands if band.used_pct <= used_pct]
    return max(reached, key=lambda band: band.used_pct, default=None)


def _literal_characters(pattern: str) -> int:
    return len(pattern.replace("*", "").replace("?", ""))
