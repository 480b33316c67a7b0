"""What a whole answer with images says of itself.

It is mostly base64, tens of megabytes of it, which is passed over and not decoded. There is
no text in it that is billed: an answer without usage cannot be counted.
"""

from typing import Final

import msgspec

from proxy.dialects.answer import Answer, text_or_none, uncountable
from proxy.dialects.images.usage import read_usage


class _Answer(msgspec.Struct):
    """The members that matter. What is not named here is skipped over."""

    data: msgspec.Raw = msgspec.Raw()
    model: object = None
    size: object = None
    quality: object = None
    usage: object = None


_DECODER: Final = msgspec.json.Decoder(_Answer)
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_UNREADABLE: Final = (ValueError, RecursionError)


def read_answer(body: bytes) -> Answer:
    """Read a whole JSON answer; never fails, an unreadable one is merely not complete."""
    try:
        read = _DECODER.decode(body)
        images = _ITEMS.decode(read.data) if read.data else None
    except _UNREADABLE:
        return Answer(None, None, None, None, False, uncountable)
    usage, fault = read_usage(
        read.usage, images=len(images or ()), size=read.size, quality=read.quality
    )
    return Answer(usage, fault, text_or_none(read.model), None, images is not None, uncountable)
