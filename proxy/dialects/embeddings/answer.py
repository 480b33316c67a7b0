"""What a whole answer of the embeddings API says of itself.

It is mostly numbers: 2,048 vectors are tens of megabytes. They are passed over, not decoded.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pricing.usage import Usage
from proxy.dialects.answer import Answer, DeliveredTexts, text_or_none
from proxy.dialects.usage import FaultyUsage, UsageFault, billed_of, count_of, read_report


class _Answer(msgspec.Struct):
    """The members that matter. What is not named here is skipped over."""

    data: msgspec.Raw = msgspec.Raw()
    model: object = None
    usage: object = None


_DECODER: Final = msgspec.json.Decoder(_Answer)
_UNREADABLE: Final = (ValueError, RecursionError)


def read_answer(body: bytes) -> Answer:
    """Read a whole JSON answer; never fails, an unreadable one is merely not complete."""
    read = _read(body)
    usage, fault = read_usage(read.usage)
    is_complete = memoryview(read.data)[:1].tobytes() == b"["
    return Answer(usage, fault, text_or_none(read.model), None, is_complete, DeliveredTexts)


def read_usage(reported: object) -> tuple[Usage | None, UsageFault | None]:
    """The input tokens, or what is wrong with them; neither when nothing was reported."""
    return read_report(reported, _usage)


def _usage(reported: Mapping[str, Any]) -> Usage:
    return Usage(_input_tokens(reported), 0, billed_microcents=billed_of(reported))


def _input_tokens(reported: Mapping[str, Any]) -> int:
    """All tokens of the total are input, for there is no output."""
    prompt, total = count_of(reported, "prompt_tokens"), count_of(reported, "total_tokens")
    if total is None:
        if prompt is None:
            raise FaultyUsage(UsageFault.INCOMPLETE)
        return prompt
    if prompt is not None and total < prompt:
        raise FaultyUsage(UsageFault.CONTRADICTORY)
    return total


def _read(body: bytes) -> _Answer:
    try:
        return _DECODER.decode(body)
    except _UNREADABLE:
        return _read_around(body)


def _read_around(body: bytes) -> _Answer:
    """What stands around the vectors of an answer that is not quite JSON: they may have NaN.

    One that is cut among its vectors has no usage after them.
    """
    first, last = body.find(b"["), body.rfind(b"]")
    try:
        around = _DECODER.decode(body[:first] + b"[]" + body[last + 1 :])
    except _UNREADABLE:
        return _Answer()
    return around if first < last and around.usage is not None else _Answer()
