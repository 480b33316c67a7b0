"""The billed quantities of images, out of a report or counted.

Source: https://platform.openai.com/docs/api-reference/images/object (usage)
"""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from pricing.usage import Usage, image_kind
from proxy.dialects.answer import text_or_none
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


def read_usage(
    reported: object, *, images: int, size: object, quality: object
) -> tuple[Usage | None, UsageFault | None]:
    """The tokens and the images, or what is wrong with the tokens.

    Images that are billed one by one come without a report; neither is known of an answer
    with no image and no report. A report of nothing says that nothing is billed.
    """
    usage, fault = read_report(reported, _usage)
    is_told = usage is not None and not (usage.input_tokens or usage.output_tokens)
    if fault is not None or is_told or not (images or usage):
        return usage, fault
    kind = image_kind(text_or_none(size) or "", text_or_none(quality) or "")
    counted = {kind: images} if images else {}
    return replace(usage or Usage(0, 0), images=counted), None


def _usage(reported: Mapping[str, Any]) -> Usage:
    """What is not said to be text counts as images, which cost more."""
    all_input, all_output = totals_of(reported)
    text_in = count_of(part_of(reported, "input_tokens_details"), "text_tokens") or 0
    text_out = count_of(part_of(reported, "output_tokens_details"), "text_tokens") or 0
    if text_in > all_input or text_out > all_output:
        raise FaultyUsage(UsageFault.CONTRADICTORY)
    cached, cached_images = _cached(reported, text_in)
    usage = Usage(
        input_tokens=all_input,
        output_tokens=all_output,
        cache_read_tokens=cached,
        input_image_tokens=all_input - text_in,
        cache_read_image_tokens=cached_images,
        output_image_tokens=all_output - text_out,
        billed_microcents=billed_of(reported),
    )
    check_parts(usage, cached_in_input=True)
    return usage


def _cached(reported: Mapping[str, Any], text_in: int) -> tuple[int, int]:
    """Cached tokens, and those of them that are of images.

    What is not said to be of images is text, of which the cache saves less, as long as there
    is as much text.
    """
    into = part_of(reported, "input_tokens_details")
    holder = into if "cached_tokens" in into else reported
    cached = count_of(holder, "cached_tokens") or 0
    details = part_of(holder, "cached_tokens_details")
    told = count_of(details, "image_tokens")
    images = (count_of(details, "cached_image_tokens") if told is None else told) or 0
    return cached, max(images, cached - text_in)
