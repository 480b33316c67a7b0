"""The end of a streamed message that is cut where its budget ends.

As the API ends a message that reached `max_tokens`: the open block is stopped as it is, the
input of a tool in the middle of its JSON too.
Source: https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from collections.abc import Mapping
from typing import Any

from proxy.dialects.closing import Counted, event_of


class OpenBlocks:
    """Which blocks of a message have begun and not stopped, and how far the message is."""

    def __init__(self) -> None:
        self._has_begun = False
        self._has_reason = False
        self._blocks: dict[object, None] = {}

    def follow(self, event: Mapping[str, Any]) -> None:
        """Take in an event. They come in order."""
        match event.get("type"):
            case "message_start":
                self._has_begun = True
            case "content_block_start":
                self._blocks[_index_of(event)] = None
            case "content_block_stop":
                self._blocks.pop(_index_of(event), None)
            case "message_delta":
                self._has_reason = True

    def closing_events(self, counted: Counted) -> bytes:
        """The events that are missing for a whole message; none for one that has not begun."""
        if not self._has_begun:
            return b""
        stops = [
            event_of({"type": "content_block_stop", "index": index}, name="content_block_stop")
            for index in self._blocks
        ]
        if not self._has_reason:
            end = {
                "type": "message_delta",
                "delta": {"stop_reason": "max_tokens", "stop_sequence": None},
                "usage": {"output_tokens": counted.output_tokens},
            }
            stops.append(event_of(end, name="message_delta"))
        return b"".join((*stops, event_of({"type": "message_stop"}, name="message_stop")))


def _index_of(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if type(index) is int else 0
