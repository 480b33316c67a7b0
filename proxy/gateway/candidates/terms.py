"""What an operator lets become of calls: how far they are cut down, and what bounds a hold."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Degrade:
    """How far a call may be cut down before it is refused, and whether its model hears of it.

    A model that thinks unseen is left `min_reasoning_tokens` beside the shortest answer.
    """

    shorten: bool
    min_output_tokens: int
    fallback_models: Mapping[str, tuple[str, ...]]
    min_reasoning_tokens: int = 0
    gives_notes: bool = False


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What bounds a hold beside the prices.

    `unbounded_microcents` is held for calls without any bound; None refuses them. Prices
    that change within `hold_ms` count with their dearest. `counts_calls`: each call holds one
    in the unit of calls as well.
    """

    unbounded_microcents: int | None
    max_microcents_per_call: int | None
    hold_ms: int
    counts_calls: bool = False
