"""Which policy decides on a call, and what it leaves of it.

One policy decides, nothing is merged: of those that apply the one with the highest
priority, then the more specific scope, then the first in the file. A policy applies when
its pattern matches one of the call's scopes and one of its bands is reached.
Rules: docs/semantics.md, "Policy, plan, caps".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

import msgspec

from proxy.dialects.dialect import Tool
from proxy.domain.decision import Caps
from proxy.domain.errors import Reason, Refused
from proxy.domain.policy import UNSET, Band, Policy
from proxy.domain.scope import Scope, ScopePattern, steps_scope
from proxy.domain.sub_budget import UNLIMITED, Limits
from proxy.ledger.records import Balance
from proxy.policies.conditions import Unmet, unmet, used_pct


class Wish(msgspec.Struct, frozen=True):
    """What policy leaves of a call's wish. Empty, it leaves the call as it was asked for.

    `model` is the model to ask for instead, None to keep the caller's. `policy` is the name
    of the policy that decided, for logs. `limits` are those of the sub-budget that pays.
    `reasoning_effort` and `service_tier` map what is asked for to what is sent, `n` is the
    most answers. `deny` is why the call does not leave at all. `steps` is the scope under
    which its calls are counted, where the caps want that, `steps_left` how many those may be.
    `without_tools` are those that go for what their use counts for.
    """

    policy: str | None = None
    model: str | None = None
    caps: Caps = msgspec.field(default_factory=Caps)
    limits: Limits = UNLIMITED
    reasoning_effort: Mapping[str, str] = msgspec.field(default_factory=dict)
    service_tier: Mapping[str, str] = msgspec.field(default_factory=dict)
    n: int | None = None
    deny: str | None = None
    steps: Scope | None = None
    steps_left: int | None = None
    without_tools: frozenset[str] = frozenset()

    @property
    def every_caps(self) -> tuple[Caps, ...]:
        """All that may take tools away."""
        gone = Caps(tool_denylist=tuple(sorted(self.without_tools)))
        return (self.caps, self.limits.caps, gone)

    def without(self, tools: frozenset[str]) -> "Wish":
        """The same, without these tools either."""
        if tools <= self.without_tools:
            return self
        return msgspec.structs.replace(self, without_tools=self.without_tools | tools)

    @property
    def max_tokens(self) -> int | None:
        """The ceiling of one answer in tokens; None where there is none."""
        ceilings = (self.caps.max_tokens, self.limits.max_tokens)
        return min([most for most in ceilings if most is not None], default=None)

    def check_leaves(self) -> None:
        """Raises Refused, POLICY_DENIED, where policy lets the call not leave at all."""
        if self.deny is not None:
            raise Refused(Reason.POLICY_DENIED, self.deny)


def counted(wish: Wish, balances: Sequence[Balance]) -> Wish:
    """The wish of a call whose count of calls, this one not among them, stands like this."""
    left = [each.remaining for each in balances if not each.period.rolling_ms]
    return msgspec.structs.replace(wish, steps_left=min(left, default=None))


OTHER_SCOPE: Final = "scope"
"""What is unmet where a policy is for other scopes."""


@dataclass(frozen=True, slots=True)
class Consideration:
    """A policy that was looked at for a call.

    `band` is the one that is reached, by its percentage; None where none is. `unmet` is what
    is missing, as the configuration calls it; None where the policy holds, or would.
    """

    policy: str
    priority: int
    used_pct: int
    band: int | None
    unmet: str | None


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

    def wish(
        self,
        model: str,
        *,
        scopes: Sequence[Scope],
        balances: Sequence[Balance],
        at_ms: int = 0,
    ) -> Wish:
        """What a call for `model` by the subject of these scopes may wish for at `at_ms`.

        `balances` are those of the scopes, in all their windows, before this call. A scope
        without a budget is as one that has spent nothing.
        """
        for policy in self._ranked:
            if any(policy.pattern.matches(scope) for scope in scopes):
                band, _ = _reached(policy, balances, at_ms)
                if band is not None:
                    return _wish(policy, band, model, scopes)
        return Wish()

    def considered(
        self, *, scopes: Sequence[Scope], balances: Sequence[Balance], at_ms: int
    ) -> Iterator[Consideration]:
        """Each policy in the order in which they are asked, and why it holds or does not."""
        for policy in self._ranked:
            own = _own(policy.pattern, balances)
            band, missing = _reached(policy, balances, at_ms)
            concerns = any(policy.pattern.matches(scope) for scope in scopes)
            yield Consideration(
                policy.name,
                policy.priority,
                used_pct(own),
                band.used_pct if band is not None and concerns else None,
                missing if concerns else OTHER_SCOPE,
            )


def _wish(policy: Policy, band: Band, model: str, scopes: Sequence[Scope]) -> Wish:
    stand_in = entry_for(model, band.models)
    return Wish(
        policy=policy.name,
        model=stand_in if stand_in != model else None,
        caps=band.caps,
        reasoning_effort=band.reasoning_effort,
        service_tier=band.service_tier,
        n=band.n,
        deny=None if band.deny is None else _denial(policy.name, band.deny),
        steps=None if band.steps is None else steps_scope(scopes, policy.pattern, band.steps),
    )


def _denial(name: str, text: str) -> str:
    return text or f"The policy {name} allows no calls at present. Do not retry."


def limited(wish: Wish, model: str, limits: Limits) -> Wish:
    """The wish for `model` of a call that a sub-budget with these limits pays.

    Raises:
        Refused: POLICY_DENIED, when a policy lets it not leave, or when the sub-budget does
            not pay for the model, or for its stand-in.
    """
    wish.check_leaves()
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

    So it is for efforts and tiers. Of wildcards with equally many the first counts.
    """
    if (exact := table.get(model)) is not None:
        return exact
    matching = [pattern for pattern in table if fnmatchcase(model, pattern)]
    return table[max(matching, key=_literal_characters)] if matching else None


def _rank(policy: Policy) -> tuple[int, int, bool, bool]:
    """Higher decides first; a stable sort leaves equals in the order of the file."""
    pattern = policy.pattern
    return policy.priority, pattern.depth, not pattern.is_subtree, not pattern.is_template


def _own(pattern: ScopePattern, balances: Sequence[Balance]) -> Sequence[Balance]:
    """The budgets and windows that a policy looks at."""
    return [balance for balance in balances if pattern.matches(balance.scope)]


def _reached(
    policy: Policy, balances: Sequence[Balance], at_ms: int
) -> tuple[Band | None, Unmet | None]:
    """The highest band that holds; where none does, what the lowest lacks."""
    own = _own(policy.pattern, balances)
    most_used = used_pct(own)
    missing: Unmet | None = None
    for band in sorted(policy.bands, key=lambda band: band.used_pct, reverse=True):
        if band.used_pct > most_used:
            missing = Unmet.USED_PCT
            continue
        missing = unmet(band.when, own, at_ms)
        if missing is None:
            return band, None
    return None, missing


def choice_for(asked: str | None, table: Mapping[str, str]) -> str | None:
    """What a call gets that asks for this effort or tier; None where nothing changes.

    Wildcards mean what is named: only `unset` is a call that names nothing.
    """
    chosen = table.get(UNSET) if asked is None else entry_for(asked, table)
    return chosen if chosen != asked else None


def _literal_characters(pattern: str) -> int:
    return len(pattern.replace("*", "").replace("?", ""))
