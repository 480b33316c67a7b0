"""The billed quantities of a transcription: tokens, or whole seconds of sound.

Source: https://platform.openai.com/docs/api-reference/audio/json-object (usage)
"""

from collections.abc import Mapping
from math import ceil, isfinite
from typing import Any, Final

from pricing.usage import Usage
from proxy.dialects.openai.token_usage import totals_of
from proxy.dialects.usage import (
    FaultyUsage,
    UsageFault,
    billed_of,
    check_parts,
    count_of,
    part_of,
    read_report,
)

_MAX_SECONDS: Final = 10_000_000
"""Four months; no file is as long."""


def read_usage(fields: Mapping[str, Any]) -> tuple[Usage | None, UsageFault | None]:
    """What an answer says of its usage, or else of the length of its sound."""
    reported = fields.get("usage")
    if reported is None and fields.get("duration") is not None:
        reported = {"type": "duration", "seconds": fields["duration"]}
    return read_report(reported, _usage)


def _usage(reported: Mapping[str, Any]) -> Usage:
    if reported.get("type") == "duration" or "seconds" in reported:
        audio_ms = _seconds_of(reported) * 1_000
        return Usage(0, 0, audio_ms=audio_ms, billed_microcents=billed_of(reported))
    given, made = totals_of(reported)
    text = count_of(part_of(reported, "input_token_details"), "text_tokens") or 0
    if text > given:
        raise FaultyUsage(UsageFault.CONTRADICTORY)
    # What is not said to be text counts as sound, which costs more.
    usage = Usage(
        input_tokens=given,
        output_tokens=made,
        input_audio_tokens=given - text,
        billed_microcents=billed_of(reported),
    )
    check_parts(usage, cached_in_input=True)
    return usage


def _seconds_of(reported: Mapping[str, Any]) -> int:
    """Begun seconds: they are billed whole.

    Raises:
        FaultyUsage: it is no length, or one that no file has.
    """
    value = reported.get("seconds")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise FaultyUsage(UsageFault.NOT_A_COUNT)
    if value < 0:
        raise FaultyUsage(UsageFault.NOT_A_COUNT)
    if value > _MAX_SECONDS:
        raise FaultyUsage(UsageFault.IMPLAUSIBLE)
    return ceil(value)
