"""What OpenAI's APIs report alike: tokens that went in, tokens that came out, all tokens."""

from collections.abc import Mapping
from typing import Any

from proxy.dialects.usage import FaultyUsage, UsageFault, count_of


def totals_of(
    reported: Mapping[str, Any],
    input_name: str = "input_tokens",
    output_name: str = "output_tokens",
) -> tuple[int, int]:
    """All input and all output tokens of a report that also has a total.

    Where the total is more than the sum, reasoning was left out of the output (x.ai and
    Gemini's compatible API do so, field-report 47). It is billed all the same.

    Raises:
        FaultyUsage: one of them is missing, or the total is less.
    """
    given_input, given_output = count_of(reported, input_name), count_of(reported, output_name)
    if given_input is None or given_output is None:
        raise FaultyUsage(UsageFault.INCOMPLETE)
    total = count_of(reported, "total_tokens")
    if total is not None and total < max(given_input, given_output):
        raise FaultyUsage(UsageFault.CONTRADICTORY)
    return given_input, max(given_output, (total or 0) - given_input)
