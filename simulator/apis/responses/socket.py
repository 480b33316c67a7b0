"""Responses over a WebSocket: one at a time, in the order in which they are asked for.

What was said last is remembered for the socket, also where it is not to be stored. Source:
https://developers.openai.com/api/docs/guides/websocket-mode
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec
from aiohttp import web

from simulator.answer.render import Answer
from simulator.apis.api import generate_nothing
from simulator.apis.responses import responses_api
from simulator.apis.responses.store import Store
from simulator.behaviour import Behaviour
from simulator.endpoint import Endpoint
from simulator.errors import ApiError, invalid
from simulator.fields import boolean, optional, read_object
from simulator.models import Model
from simulator.records import Records, Tab
from simulator.wire.frames import FrameDelivery, error_frame

LONGEST_FRAME_BYTES: Final = 64 * 1024 * 1024
_CREATE: Final = "response.create"
_ENDS: Final = ("response.cancel", "response.interrupt")
_HEARD: Final = "response.processed"


class LastSaid(Store):
    """What `shared` has, and the last response on this socket."""

    def __init__(self, shared: Store) -> None:
        super().__init__()
        self._shared = shared
        self._last: dict[str, Sequence[Mapping[str, Any]]] = {}

    def keep(self, answer: Answer, body: dict[str, Any]) -> None:
        self._shared.keep(answer, body)
        self._last = {answer.id: self.said_with(answer)}

    def messages(self, response_id: str) -> Sequence[Mapping[str, Any]]:
        return self._last.get(response_id) or self._shared.messages(response_id)


class Conversation:
    """One socket."""

    def __init__(
        self, endpoint: Endpoint, records: Records, models: Mapping[str, Model], shared: Store
    ) -> None:
        self._endpoint = endpoint
        self._records = records
        self._models = models
        self._api = responses_api(LastSaid(shared))
        self._socket = web.WebSocketResponse(max_msg_size=LONGEST_FRAME_BYTES)
        self._waiting: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._cancelled = asyncio.Event()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer until the client leaves."""
        await self._socket.prepare(request)
        async with asyncio.TaskGroup() as group:
            answers = group.create_task(self._answer_all(request))
            async for message in self._socket:
                if message.type is not web.WSMsgType.TEXT:
                    break
                await self._take(request, message.data.encode())
            answers.cancel()
        return self._socket

    async def _take(self, request: web.Request, text: bytes) -> None:
        try:
            fields = read_object(text)
            kind = fields.get("type")
            if kind in _ENDS:
                self._cancelled.set()
            elif kind == _CREATE:
                number = self._records.saw("FRAME", request.path_qs, request.headers, text)
                self._waiting.put_nowait(fields | {"number": number})
            elif kind != _HEARD:
                raise invalid("type", "There is no frame of this type.", "unknown_event")
        except ApiError as error:
            await self._socket.send_frame(error_frame(error, None), web.WSMsgType.TEXT)

    async def _answer_all(self, request: web.Request) -> None:
        while True:
            fields = await self._waiting.get()
            self._cancelled.clear()
            lane = fields.get("stream_id")
            try:
                await self._answer(request, fields)
            except ApiError as error:
                await self._socket.send_frame(error_frame(error, lane), web.WSMsgType.TEXT)

    async def _answer(self, request: web.Request, fields: dict[str, Any]) -> None:
        number, lane = fields.pop("number"), optional(fields, "stream_id", str)
        api = replace(self._api, generate=generate_nothing) if _warms(fields) else self._api

        def deliver(behaviour: Behaviour, tab: Tab) -> FrameDelivery:
            return FrameDelivery(
                self._socket,
                request,
                behaviour,
                tab,
                sleep=self._endpoint.sleep,
                gate=self._records.gate,
                cancelled=self._cancelled,
                lane=lane,
            )

        asked = replace(api.read(msgspec.json.encode(fields), self._models), stream=True)
        await self._endpoint.serve(api, asked, request.headers, number, deliver)


def _warms(fields: Mapping[str, Any]) -> bool:
    """Whether the model is only to read."""
    options = optional(fields, "prompt_cache_options", dict) or {}
    return fields.get("generate") is False or boolean(options, "prewarm")
