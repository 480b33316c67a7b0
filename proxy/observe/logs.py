"""One JSON line a call, and one a noteworthy event: ids, amounts, models; never content."""

from typing import Protocol, TextIO

import msgspec

from proxy.domain.clock import Clock
from proxy.domain.period import iso

Field = str | int | bool | None


class Log(Protocol):
    """Where lines go."""

    def line(self, event: str, **fields: Field) -> None:
        """Write one event. Fields that are None are left out."""
        ...


class JsonLog:
    """Lines of JSON on a stream."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode

    def line(self, event: str, **fields: Field) -> None:
        record: dict[str, Field] = {"at": iso(self._clock.now_ms()), "event": event}
        for name, value in fields.items():
            if value is not None:
                record[name] = value
        self._stream.write(self._encode(record).decode() + "\n")
        self._stream.flush()
