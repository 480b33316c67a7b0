"""The billed quantities of an answer, out of the shapes that upstreams give them.

Completion tokens include reasoning, audio, and accepted and rejected predictions; prompt
tokens include cached ones. Source: https://platform.openai.com/docs/api-reference/chat/object
(usage); odd shapes: field-report 38, 40, 41, 46, 47.
"""

from collections.abc import Mapping
from typing import Any

from pricing.usage import Usage
from proxy.dialects.openai.token_usage import totals_of
from proxy.dialects.usage import (
    UsageFault,
    billed_of,
    check_parts,
    count_of,
    part_of,
    read_report,
)


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
    """The quantities, or what is wrong with them; neither when nothing was reported."""
    return read_report(reported, _usage)


def _usage(reported: Mapping[str, Any]) -> Usage:
    all_input, all_output = totals_of(reported, "prompt_tokens", "completion_tokens")
    prompt = part_of(reported, "prompt_tokens_details")
    completion = part_of(reported, "completion_tokens_details")
    usage = Usage(
        input_tokens=all_input,
        output_tokens=all_output,
        cache_read_tokens=count_of(prompt, "cached_tokens") or 0,
        cache_write_tokens=count_of(prompt, "cache_write_tokens") or 0,
        input_image_tokens=count_of(prompt, "image_tokens") or 0,
        input_audio_tokens=count_of(prompt, "audio_tokens") or 0,
        output_audio_tokens=count_of(completion, "audio_tokens") or 0,
        output_image_tokens=count_of(completion, "image_tokens") or 0,
        reasoning_tokens=count_of(completion, "reasoning_tokens") or 0,
        billed_microcents=billed_of(reported),
    )
    check_parts(usage, cached_in_input=True)
    return usage
