"""How a call ended, and what that does to its hold. A table, no input or output.

A hold ends exactly once, and never in favour of free: where nobody can know what the
provider will bill, the hold stays, uncertain. Source: docs/semantics.md, "The life of a
hold"; field-report 12-20, 33-36, 68.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal, assert_never

import msgspec

from proxy.domain.money import Unit


class Outcome(StrEnum):
    """What was seen of the upstream's answer."""

    NOT_SENT = "not_sent"
    """No byte of the request left."""
    NO_STATUS = "no_status"
    """It left; a timeout, a reset or our own crash came before a status."""
    COMPLETE = "complete"
    """A whole answer with a status below 400."""
    REFUSED = "refused"
    """A status of 4xx, or of 3xx: an answer of which nothing was generated."""
    FAILED = "failed"
    """A whole answer with a status of 5xx."""
    BROKEN = "broken"
    """The answer stopped before its end, or we stopped reading it."""
    CUT = "cut"
    """We ended a stream whose hold could not grow, as its API ends one at its limit."""


class Ending(msgspec.Struct, frozen=True):
    """What is known when a call is over.

    `has_usage`: the upstream reported what it counted, and it made sense. `is_filtered`: it
    refused the prompt after it had read it.
    `answer_bytes`: how much of the body came. `streamed`: it came as events.
    """

    outcome: Outcome
    status: int | None = None
    has_usage: bool = False
    answer_bytes: int = 0
    streamed: bool = False
    is_filtered: bool = False


class Charge(StrEnum):
    """What a commit charges."""

    USAGE = "usage"
    """The reported usage, priced by the model that served."""
    COUNTED = "counted"
    """The prompt as counted, and every token that was delivered."""
    USAGE_OR_COUNTED = "usage_or_counted"
    """The dearer of both: a usage report from the middle of an answer is a lower bound."""
    HOLD = "hold"
    """All that was held."""


class Commit(msgspec.Struct, frozen=True):
    """Charge the call. Everything but a usage report is marked estimated."""

    charge: Charge

    @property
    def estimated(self) -> bool:
        return self.charge is not Charge.USAGE


class Release(msgspec.Struct, frozen=True):
    """The call cost nothing."""


class KeepUncertain(msgspec.Struct, frozen=True):
    """Nobody knows: the hold stays until someone does."""


Verdict = Commit | Release | KeepUncertain


class Charged(msgspec.Struct, frozen=True, tag="charged"):
    """End a hold by charging `actual`, in each of its units.

    `fees` is how much of its money is for calls of tools, which no bound promised to cover.
    """

    actual: Mapping[Unit, int]
    estimated: bool
    model: str
    fees: int = 0

    @property
    def metadata(self) -> dict[str, str]:
        """What the row of the hold says of it, beside its amounts."""
        fees = {"fees": str(self.fees)} if self.fees else {}
        return {"served_model": self.model, **fees}


class GivenBack(msgspec.Struct, frozen=True, tag="given_back"):
    """End a hold for nothing."""


class LeftUncertain(msgspec.Struct, frozen=True, tag="left_uncertain"):
    """Keep the hold until someone knows."""


Sentence = Charged | GivenBack | LeftUncertain
"""A verdict in amounts: what is told to the ledger."""

REQUEST_TIMEOUT = 408
"""The one status of 4xx after which a provider may have done the work. One kind of 400 is billed:
that of a content filter. https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter
"""


def judge(
    ending: Ending, *, hidden_output: bool, missing_usage: Literal["counted", "hold"]
) -> Verdict:
    """What an ending does to the hold.

    `hidden_output`: the model may bill for output nobody sees, so counting what was
    delivered says too little.
    """
    countable = not hidden_output and missing_usage == "counted"
    match ending.outcome:
        case Outcome.COMPLETE:
            if ending.has_usage:
                return Commit(Charge.USAGE)
            return Commit(Charge.COUNTED if countable else Charge.HOLD)
        case Outcome.NOT_SENT | Outcome.FAILED:
            return Release()
        case Outcome.NO_STATUS:
            return KeepUncertain()
        case Outcome.REFUSED:
            may_be_billed = ending.status == REQUEST_TIMEOUT or ending.is_filtered
            return Commit(Charge.HOLD) if may_be_billed else Release()
        case Outcome.BROKEN | Outcome.CUT:
            if not ending.streamed or hidden_output or ending.answer_bytes == 0:
                return KeepUncertain()
            return Commit(Charge.USAGE_OR_COUNTED if ending.has_usage else Charge.COUNTED)
        case _:
            assert_never(ending.outcome)
