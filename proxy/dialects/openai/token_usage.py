"""What OpenAI's APIs for audio report: tokens that went in, tokens that came out.

Source: https://platform.openai.com/docs/api-reference/audio/json-object (usage)
"""

from collections.abc import Mapping
from typing import Any

from proxy.dialects.usage import FaultyUsage, UsageFault, count_of


def totals_of(reported: Mapping[str, Any]) -> tuple[int, int]:
    """All input and all output tokens. What the total has beside both counts as output.

    Raises:
        FaultyUsage: one is missing, or the total is less.
    """
    given_input = count_of(reported, "input_tokens")
    given_output = count_of(reported, "output_tokens")
    if given_input is None or given_output is None:
        raise FaultyUsage(UsageFault.INCOMPLETE)
    total = count_of(reported, "total_tokens")
    if total is not None and total < max(given_input, given_output):
        raise FaultyUsage(UsageFault.CONTRADICTORY)
    return given_input, max(given_output, (total or 0) - given_input)
