"""The billed quantities of an answer, out of what Anthropic's API reports.

Cached tokens are not among the input tokens. A stream reports twice: at its start, when one
token was written, and at its end, with counts that cumulate but without what does not change.
Source: https://platform.claude.com/docs/en/api/messages (usage), field-report 38, 41, 45.
"""

from collections.abc import Mapping
from typing import Any, Final

from pricing.usage import Usage
from proxy.dialects.messages.tools import WEB_SEARCH
from proxy.dialects.usage import (
    FaultyUsage,
    UsageFault,
    billed_of,
    check_parts,
    count_of,
    part_of,
    read_report,
)

FAST: Final = "fast"
"""The speed that has a price of its own, and the tier that rate cards know it as.

Source: https://platform.claude.com/docs/en/build-with-claude/fast-mode
"""

_WRITTEN: Final = "output_tokens"

_OWN_ROUNDS: Final = "message"
"""Rounds that the counts at the top include."""

_SUMMARIES: Final = "compaction"
"""Rounds that they do not include."""


def merged(before: Mapping[str, Any], after: Mapping[str, Any]) -> Mapping[str, Any]:
    """Two reports of one stream as one. What went in cumulates, so no count of it becomes less.

    What came out is known at the end alone, zero included: the start says something anyway.
    """
    both = {**before}
    for name, value in after.items():
        known = both.get(name)
        if isinstance(value, dict) and isinstance(known, dict):
            both[name] = merged(known, value)
        elif name != _WRITTEN and type(value) is int and type(known) is int and value >= 0:
            both[name] = max(value, known)
        elif value is not None:
            both[name] = value
    return both


def read_usage(reported: object) -> tuple[Usage | None, UsageFault | None]:
    """The quantities, or what is wrong with them; neither when nothing was reported."""
    return read_report(reported, _usage)


def tier_of(reported: object) -> str | None:
    """What served, as rate cards know it: a speed that has its own price, or the standard.

    Priority is capacity that was bought before, batches come at another address; neither is
    dearer than the standard. Source: https://platform.claude.com/docs/en/api/service-tiers
    """
    if not isinstance(reported, dict):
        return None
    if reported.get("speed") == FAST:
        return FAST
    return "default" if "service_tier" in reported or "speed" in reported else None


def _usage(reported: Mapping[str, Any]) -> Usage:
    input_tokens = count_of(reported, "input_tokens")
    output_tokens = count_of(reported, "output_tokens")
    if input_tokens is None or output_tokens is None:
        raise FaultyUsage(UsageFault.INCOMPLETE)
    written, written_1h = _written(reported)
    details = part_of(reported, "output_tokens_details")
    used = part_of(reported, "server_tool_use")
    beside = _beside(reported)
    usage = Usage(
        input_tokens=input_tokens + sum(count_of(each, "input_tokens") or 0 for each in beside),
        output_tokens=output_tokens + sum(count_of(each, "output_tokens") or 0 for each in beside),
        cache_read_tokens=sum(
            count_of(each, "cache_read_input_tokens") or 0 for each in (reported, *beside)
        ),
        cache_write_tokens=written + sum(_written(each)[0] for each in beside),
        cache_write_1h_tokens=written_1h + sum(_written(each)[1] for each in beside),
        reasoning_tokens=count_of(details, "thinking_tokens") or 0,
        tool_calls={WEB_SEARCH: count_of(used, "web_search_requests") or 0},
        billed_microcents=billed_of(reported),
    )
    check_parts(usage, cached_in_input=False)
    return usage


def _written(reported: Mapping[str, Any]) -> tuple[int, int]:
    """What was written to caches, and what of it to one that lives for an hour.

    What the total has beyond the lifetimes that were told may have the dearer one.
    """
    total = count_of(reported, "cache_creation_input_tokens") or 0
    lifetimes = part_of(reported, "cache_creation")
    short = count_of(lifetimes, "ephemeral_5m_input_tokens") or 0
    long = count_of(lifetimes, "ephemeral_1h_input_tokens") or 0
    untold = max(0, total - short - long)
    return max(total, short + long), long + (untold if long else 0)


def _beside(reported: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rounds that are billed beside what is reported at the top.

    Raises:
        FaultyUsage: INCOMPLETE, for the round of another model: it has another price.
    """
    rounds = reported.get("iterations")
    found: list[Mapping[str, Any]] = []
    for each in rounds if isinstance(rounds, list) else ():
        kind = each.get("type") if isinstance(each, dict) else None
        if kind == _SUMMARIES:
            found.append(each)
        elif kind != _OWN_ROUNDS:
            raise FaultyUsage(UsageFault.INCOMPLETE)
    return found
