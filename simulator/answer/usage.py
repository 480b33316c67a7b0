"""The `usage` object as an answer reports it, which need not be what is on the bill."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from simulator.bill import Input, Output

UsageObject = dict[str, Any]

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
DETAILS = ("prompt_tokens_details", "completion_tokens_details")


def usage_object(consumed: Input, produced: Output, shape: str) -> UsageObject:
    """The usage of a chat completion in one of the shapes a Report can name."""
    return shaped(_plain(consumed, produced), shape, COUNTS, DETAILS)


def shaped(
    usage: UsageObject, shape: str, counts: tuple[str, ...], details: tuple[str, ...]
) -> UsageObject:
    """A usage in one of the shapes; `counts` and `details` are how its API calls its parts."""
    match shape:
        case "no_total":
            return _without(usage, "total_tokens")
        case "no_counts":
            return _without(usage, *counts)
        case "no_details":
            return _without(usage, *details)
        case "null_details":
            return usage | dict.fromkeys(details)
        case _:
            return _SHAPES[shape](usage)


def _plain(consumed: Input, produced: Output) -> UsageObject:
    prompt_details = {
        "cached_tokens": consumed.cached_tokens,
        "audio_tokens": consumed.audio_tokens,
    }
    if consumed.cache_write_tokens:
        prompt_details["cache_write_tokens"] = consumed.cache_write_tokens
    return {
        "prompt_tokens": consumed.prompt_tokens,
        "completion_tokens": produced.completion_tokens,
        "total_tokens": consumed.prompt_tokens + produced.completion_tokens,
        "prompt_tokens_details": prompt_details,
        "completion_tokens_details": {
            "reasoning_tokens": produced.reasoning_tokens,
            "audio_tokens": produced.audio_tokens,
            "accepted_prediction_tokens": produced.accepted_prediction_tokens,
            "rejected_prediction_tokens": produced.rejected_prediction_tokens,
        },
    }


def _each(change: Callable[[int], object]) -> Callable[[UsageObject], UsageObject]:
    def changed(usage: UsageObject) -> UsageObject:
        return {name: _changed(value, change) for name, value in usage.items()}

    return changed


def _changed(value: Any, change: Callable[[int], object]) -> object:
    """A count changed, and the counts of an object; what is neither stays."""
    if isinstance(value, dict):
        return {name: _changed(part, change) for name, part in value.items()}
    return change(value) if isinstance(value, int) else value


def _without(usage: UsageObject, *names: str) -> UsageObject:
    return {name: usage[name] for name in usage if name not in names}


_SHAPES: Mapping[str, Callable[[UsageObject], UsageObject]] = MappingProxyType(
    {
        "plain": lambda usage: usage,
        "zero": _each(lambda count: 0),
        "floats": _each(float),
        "fractions": _each(lambda count: count + 0.5),
        "strings": _each(str),
        "booleans": _each(bool),
        "negative": _each(lambda count: -1 - count),
        "empty": lambda usage: {},
    }
)
