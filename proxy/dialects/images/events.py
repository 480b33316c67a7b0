"""The events of streamed images: previews, then each image with its usage.

Source: https://platform.openai.com/docs/api-reference/images-streaming
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from pricing.usage import Usage
from proxy.dialects.answer import text_or_none, uncountable
from proxy.dialects.images.usage import read_usage
from proxy.dialects.openai.media_events import MediaEvents
from proxy.dialects.wire.sse import data_of

_COMPLETED: Final = frozenset({"image_generation.completed", "image_edit.completed"})

# No base64 can look like this.
_TELLING: Final = b'.completed"'


class _Event(msgspec.Struct):
    """The members that matter. What is not named here is skipped over."""

    type: object = None
    size: object = None
    quality: object = None
    usage: object = None


_DECODER: Final = msgspec.json.Decoder(_Event)


class ImageEvents(MediaEvents):
    """An `EventReader`. A stream goes on until all `n` images have come."""

    def __init__(self, n: int) -> None:
        super().__init__(uncountable(), missing=n)

    def glance(self, event: bytes) -> dict[str, Any] | None:
        if _TELLING not in event:
            return None
        try:
            told = _DECODER.decode(data_of(event))
        except (ValueError, RecursionError):
            return None
        if text_or_none(told.type) not in _COMPLETED:
            return None
        self._missing -= 1
        self._add(told)
        return {"usage": told.usage} if told.usage is not None else None

    def _add(self, told: _Event) -> None:
        """Take in one image. Each tells its own usage; one that cannot be spoils the sum."""
        usage, fault = read_usage(told.usage, images=1, size=told.size, quality=told.quality)
        self.usage_fault = self.usage_fault or fault
        if usage is None or self.usage_fault is not None:
            self.usage = None
        else:
            self.usage = usage if self.usage is None else _sum(self.usage, usage)


def _sum(one: Usage, other: Usage) -> Usage:
    sums: dict[str, Any] = {}
    for name in Usage.__struct_fields__:
        left, right = getattr(one, name), getattr(other, name)
        if isinstance(left, Mapping):
            kinds = {*left, *right}
            sums[name] = {kind: left.get(kind, 0) + right.get(kind, 0) for kind in kinds}
        else:
            sums[name] = None if left is None or right is None else left + right
    return Usage(**sums)
