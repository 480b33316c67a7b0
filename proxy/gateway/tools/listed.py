"""Which tools of a call are listed, what is held for them, and what is charged. Without I/O.

Held is one call of each in each of the `n` answers, charged is every call that an answer makes.
Rules: docs/semantics.md, "Tools as actions".
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

import msgspec

from proxy.dialects.answer import Answer
from proxy.dialects.dialect import Tool
from proxy.domain.money import Unit
from proxy.domain.policy import ToolRule


class ListedTool(msgspec.Struct, frozen=True):
    """A tool that a call offers, and the entry that is about it.

    `called` is what answers name it. `is_told`: whether they do; of one that they do not name,
    every answer counts as a call.
    """

    name: str
    rule: ToolRule
    called: frozenset[str]
    is_told: bool = True


class ListedTools:
    """The list of a configuration."""

    def __init__(self, rules: Sequence[ToolRule] = ()) -> None:
        """`rules` in the order of the file: the first that matches a tool is about it."""
        self._rules = tuple(rules)

    def among(self, tools: Iterable[Tool]) -> tuple[ListedTool, ...]:
        """Those of these tools that are listed, each name once, in their order."""
        if not self._rules:
            return ()
        found: dict[str, ListedTool] = {}
        for tool in tools:
            rule = self._rule_of(tool.name)
            if rule is None:
                continue
            before = found.get(tool.name)
            called = frozenset({tool.called or tool.name})
            found[tool.name] = ListedTool(
                tool.name,
                rule,
                called if before is None else called | before.called,
                tool.is_told and (before is None or before.is_told),
            )
        return tuple(found.values())

    def _rule_of(self, name: str) -> ToolRule | None:
        return next((rule for rule in self._rules if fnmatchcase(name, rule.pattern)), None)


def held_for(listed: Iterable[ListedTool], *, answers: int) -> Mapping[Unit, int]:
    """The most that one call of each in each answer comes to; nothing for what costs nothing."""
    return _amounts((tool.rule, answers) for tool in listed)


def calls_in(listed: Iterable[ListedTool], answer: Answer | None) -> Mapping[str, int]:
    """How often an answer calls each of these tools, by the name that caps use."""
    if answer is None:
        return {}
    told = answer.called_tools()
    return {
        tool.name: sum(told.get(name, 0) for name in tool.called)
        if tool.is_told
        else answer.choices
        for tool in listed
    }


def charged_for(listed: Iterable[ListedTool], calls: Mapping[str, int]) -> Mapping[Unit, int]:
    """What so many calls of each come to."""
    return _amounts((tool.rule, calls.get(tool.name, 0)) for tool in listed)


def _amounts(used: Iterable[tuple[ToolRule, int]]) -> Mapping[Unit, int]:
    fee = points = 0
    for rule, times in used:
        fee += rule.fee_microcents * times
        points += rule.risk_points * times
    amounts = {Unit.USD_MICROCENTS: fee, Unit.RISK_POINTS: points}
    return {unit: amount for unit, amount in amounts.items() if amount}
