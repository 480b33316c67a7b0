"""The billed quantities of an answer, out of the shapes that upstreams give them.

Completion tokens include reasoning, audio, and accepted and rejected predictions; prompt
tokens include cached ones. Source: https://platform.openai.com/docs/api-reference/chat/object
(usage); odd shapes: field-report 38, 40, 41, 46, 47.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from pricing.usage import Usage

MAX_PLAUSIBLE_TOKENS: Final = 2**31 - 1
"""No model's window is within a factor of a hundred of this."""


_DIGITS: Final = re.compile(r"[0-9]{1,20}")


class UsageFault(StrEnum):
    """Why a usage that was reported cannot be what was used. It then counts as missing."""

    INCOMPLETE = "incomplete"
    NOT_A_COUNT = "not_a_count"
    IMPLAUSIBLE = "implausible"
    CONTRADICTORY = "contradictory"


class _Faulty(Exception):
    def __init__(self, fault: UsageFault) -> None:
        super().__init__(fault)
        self.fault = fault


def reported_usage(answer: Mapping[str, Any]) -> object:
    """What a whole answer, or a chunk of one, gives as its usage; None for nothing.

    It stands at the top; some upstreams give it in a choice, or under `x_groq` (field-report
    40; maximhq/bifrost#191).
    """
    if (usage := answer.get("usage")) is not None:
        return usage
    choices = answer.get("choices")
    for holder in [*(choices if isinstance(choices, list) else ()), answer.get("x_groq")]:
        if isinstance(holder, dict) and (usage := holder.get("usage")) is not None:
            return usage
    return None


def read_usage(reported: object) -> tuple[Usage | None, UsageFault | None]:
    """The quantities, or what is wrong with them; neither when nothing was reported.

    Zero is a usage. Whole floats and strings of digits are counts; flags are not.
    """
    if reported is None:
        return None, None
    if not isinstance(reported, dict):
        return None, UsageFault.NOT_A_COUNT
    try:
        return _usage(reported), None
    except _Faulty as faulty:
        return None, faulty.fault


def _usage(reported: Mapping[str, Any]) -> Usage:
    given_input = _count(reported, "prompt_tokens")
    given_output = _count(reported, "completion_tokens")
    if given_input is None or given_output is None:
        raise _Faulty(UsageFault.INCOMPLETE)
    total = _count(reported, "total_tokens")
    if total is not None and total < max(given_input, given_output):
        raise _Faulty(UsageFault.CONTRADICTORY)
    # Where the total is more than the sum, reasoning was left out of the completion (x.ai
    # and Gemini's compatible API do so, field-report 47). It is billed all the same.
    output = max(given_output, (total or 0) - given_input)
    prompt, completion = _details(reported, "prompt"), _details(reported, "completion")
    usage = Usage(
        input_tokens=given_input,
        output_tokens=output,
        cache_read_tokens=_count(prompt, "cached_tokens") or 0,
        cache_write_tokens=_count(prompt, "cache_write_tokens") or 0,
        input_image_tokens=_count(prompt, "image_tokens") or 0,
        input_audio_tokens=_count(prompt, "audio_tokens") or 0,
        output_audio_tokens=_count(completion, "audio_tokens") or 0,
        reasoning_tokens=_count(completion, "reasoning_tokens") or 0,
    )
    _check_parts(usage)
    return usage


def _check_parts(usage: Usage) -> None:
    """No part may be more than the whole it is a part of."""
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    media = usage.input_image_tokens + usage.input_audio_tokens
    if (
        cached > usage.input_tokens
        or media > usage.input_tokens
        or usage.reasoning_tokens > usage.output_tokens
        or usage.output_audio_tokens > usage.output_tokens
    ):
        raise _Faulty(UsageFault.CONTRADICTORY)


def _details(reported: Mapping[str, Any], of: str) -> Mapping[str, Any]:
    details = reported.get(f"{of}_tokens_details")
    return details if isinstance(details, dict) else {}


def _count(fields: Mapping[str, Any], name: str) -> int | None:
    """A count of tokens, None when it is absent or null."""
    value = fields.get(name)
    if value is None or (type(value) is int and 0 <= value <= MAX_PLAUSIBLE_TOKENS):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        value = int(value)
    if type(value) is not int or value < 0:
        raise _Faulty(UsageFault.NOT_A_COUNT)
    if value > MAX_PLAUSIBLE_TOKENS:
        raise _Faulty(UsageFault.IMPLAUSIBLE)
    return value
