"""What the reports of usage of all dialects have in common: counts, and what cannot be one.

Odd shapes that upstreams give: field-report 38, 40, 41, 46, 47.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from math import ceil
from typing import Any, Final

from pricing.usage import Usage
from proxy.domain.money import MICROCENTS_PER_USD

MAX_PLAUSIBLE_TOKENS: Final = 2**31 - 1
"""No model's window is within a factor of a hundred of this."""

_MAX_PLAUSIBLE_USD: Final = 1_000_000
"""For one answer."""

_DIGITS: Final = re.compile(r"[0-9]{1,20}")


class UsageFault(StrEnum):
    """Why a usage that was reported cannot be what was used. It then counts as missing."""

    INCOMPLETE = "incomplete"
    NOT_A_COUNT = "not_a_count"
    IMPLAUSIBLE = "implausible"
    CONTRADICTORY = "contradictory"


class FaultyUsage(Exception):
    """A report that cannot be what was used."""

    def __init__(self, fault: UsageFault) -> None:
        super().__init__(fault)
        self.fault = fault


def read_report(
    reported: object, usage_of: Callable[[Mapping[str, Any]], Usage]
) -> tuple[Usage | None, UsageFault | None]:
    """The quantities, or what is wrong with them; neither when nothing was reported.

    Zero is a usage. `usage_of` finds the quantities in a report, or raises FaultyUsage.
    """
    if reported is None:
        return None, None
    if not isinstance(reported, dict):
        return None, UsageFault.NOT_A_COUNT
    try:
        return usage_of(reported), None
    except FaultyUsage as faulty:
        return None, faulty.fault


def count_of(fields: Mapping[str, Any], name: str) -> int | None:
    """A count of tokens, None when it is absent or null.

    Zero is a count. Whole floats and strings of digits are counts; flags are not.

    Raises:
        FaultyUsage: NOT_A_COUNT or IMPLAUSIBLE.
    """
    value = fields.get(name)
    if value is None or (type(value) is int and 0 <= value <= MAX_PLAUSIBLE_TOKENS):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or value < 0:
        raise FaultyUsage(UsageFault.NOT_A_COUNT)
    if value > MAX_PLAUSIBLE_TOKENS:
        raise FaultyUsage(UsageFault.IMPLAUSIBLE)
    return value


def billed_of(reported: Mapping[str, Any]) -> int | None:
    """What the report says the answer was billed, in microcents, rounded up.

    None where it says nothing that can be an amount. With a key of the caller's own
    (`is_byok`) the provider behind bills as well.
    Source: https://openrouter.ai/docs/use-cases/usage-accounting
    """
    billed = _usd_of(reported, "cost")
    behind = Decimal(0)
    if reported.get("is_byok"):
        details = part_of(reported, "cost_details")
        behind = _usd_of(details, "upstream_inference_cost") or behind
    return ceil((billed + behind) * MICROCENTS_PER_USD) if billed is not None else None


def _usd_of(fields: Mapping[str, Any], name: str) -> Decimal | None:
    """Dollars as they were written: the shortest decimal of a float is what was sent."""
    value = fields.get(name)
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    return Decimal(repr(value)) if 0 <= value <= _MAX_PLAUSIBLE_USD else None


def part_of(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object within a report; empty when it is none."""
    part = fields.get(name)
    return part if isinstance(part, dict) else {}


def check_parts(usage: Usage, *, cached_in_input: bool) -> None:
    """No part may be more than the whole it is a part of.

    Raises:
        FaultyUsage: CONTRADICTORY.
    """
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    cached_media = usage.cache_read_image_tokens + usage.cache_read_audio_tokens
    media = usage.input_image_tokens + usage.input_audio_tokens
    if (
        (cached_in_input and cached > usage.input_tokens)
        or cached_media > usage.cache_read_tokens
        or usage.cache_read_image_tokens > usage.input_image_tokens
        or media > usage.input_tokens
        or usage.reasoning_tokens > usage.output_tokens
        or usage.output_audio_tokens > usage.output_tokens
        or usage.output_image_tokens > usage.output_tokens
    ):
        raise FaultyUsage(UsageFault.CONTRADICTORY)
