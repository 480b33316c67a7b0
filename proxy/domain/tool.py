"""What the use of a tool counts for, beside what its call costs as tokens.

Source: docs/semantics.md, "Tools as actions".
"""

import msgspec


class ToolRule(msgspec.Struct, frozen=True):
    """An entry of the list of tools: for each tool whose name matches `pattern` (`*`, `?`).

    `fee_microcents` and `risk_points` are of one call of the tool. In a run it may be called
    `max_calls_per_run` times; None is as often as anybody likes.
    """

    pattern: str
    fee_microcents: int = 0
    risk_points: int = 0
    max_calls_per_run: int | None = None
