"""What streams of sound, images and transcriptions have in common: nothing ends one early."""

from typing import Any

from pricing.usage import Usage
from proxy.dialects.answer import DeliveredTexts, add_cost
from proxy.dialects.closing import Counted
from proxy.dialects.usage import UsageFault
from proxy.dialects.wire.json_text import read_leniently
from proxy.dialects.wire.sse import data_of


class MediaEvents:
    """An `EventReader` but for `glance`.

    `missing` is how many events the stream still needs to be whole: one that is seen takes one
    off. What the events deliver is no text, unless a reader says otherwise.
    """

    def __init__(self, delivered: DeliveredTexts, *, missing: int = 1) -> None:
        self.usage: Usage | None = None
        self.usage_fault: UsageFault | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.delivered = delivered
        self._missing = missing

    def read(self, data: bytes) -> None:
        """Nothing in it is text."""

    def text_bytes(self, event: bytes) -> int:
        return 0

    def closing_events(self, counted: Counted, *, tells_usage: bool) -> bytes:
        """These APIs have no end for half a thing: a stream that is cut breaks off."""
        return b""

    @property
    def is_told_complete(self) -> bool:
        return self._missing <= 0

    @property
    def is_complete(self) -> bool:
        return self._missing <= 0

    def is_for_usage_alone(self, chunk: dict[str, Any]) -> bool:
        return False

    def add_cost(self, data: bytes, cost_usd: str) -> bytes:
        return add_cost(data, cost_usd)


def told_by(event: bytes, kind: str) -> dict[str, Any] | None:
    """The data of an event of this type; None of any other, most of which are not decoded."""
    if kind.encode() not in event:
        return None
    told = read_leniently(data_of(event))
    return told if isinstance(told, dict) and told.get("type") == kind else None
