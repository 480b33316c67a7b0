"""Responses that were kept: they can be looked up, deleted, and gone on from."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from simulator.answer.render import Answer
from simulator.errors import ApiError, invalid

_NO_SUCH = "There is no response of that id here."


class Store:
    """What was answered, by the id of the response."""

    def __init__(self) -> None:
        self._bodies: dict[str, dict[str, Any]] = {}
        self._messages: dict[str, tuple[Mapping[str, Any], ...]] = {}

    def reset(self) -> None:
        """Forget all of it."""
        self._bodies.clear()
        self._messages.clear()

    def keep(self, answer: Answer, body: dict[str, Any]) -> None:
        """Keep a response, unless it was asked not to be."""
        if answer.request.sent.get("store") is not False:
            self._bodies[answer.id] = body
            self._messages[answer.id] = self.said_with(answer)

    @staticmethod
    def said_with(answer: Answer) -> tuple[Mapping[str, Any], ...]:
        """What was said before a response, and in it."""
        return (*answer.request.messages, *_said(answer))

    def messages(self, response_id: str) -> Sequence[Mapping[str, Any]]:
        """What was said before a response, and in it. Raises ApiError: it is not here."""
        if response_id not in self._messages:
            raise invalid("previous_response_id", _NO_SUCH, "previous_response_not_found")
        return self._messages[response_id]

    def serve(self, method: str, path: str) -> dict[str, Any]:
        """Look up, delete or cancel a response, below /v1/responses/. Raises ApiError."""
        response_id, _, below = path.removeprefix("/v1/responses/").partition("/")
        body = self._bodies.get(response_id)
        if body is None:
            raise ApiError(404, _NO_SUCH)
        match method, below:
            case "GET", "":
                return body
            case "GET", "input_items":
                return {"object": "list", "data": [], "has_more": False}
            case "DELETE", "":
                del self._bodies[response_id], self._messages[response_id]
                return {"id": response_id, "object": "response", "deleted": True}
            case "POST", "cancel":
                raise ApiError(400, "Only a response in the background can be cancelled.")
            case _:
                raise ApiError(404, "There is nothing at this address.", "unknown_url")


def _said(answer: Answer) -> Iterator[Mapping[str, Any]]:
    for choice in answer.choices:
        if choice.pieces:
            yield {"role": "assistant", "content": choice.text()}
        for call in choice.tool_calls:
            said = {"name": call.name, "arguments": "".join(call.pieces)}
            called = {"type": call.kind, call.kind: said}
            yield {"role": "assistant", "content": None, "tool_calls": [called]}
