"""Which address gives what.

Beside the APIs there are, for those who run the upstream out of process:

    GET  /simulator/bill            the bill: lines, and their sum in microcents
    POST /simulator/reset           forget requests, bill, script and gates
    POST /simulator/behaviour       the body, as JSON, is how calls are answered from now on
    POST /simulator/gates/{name}    open a gate
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from simulator.apis.audio import SPEECH, TRANSCRIPTIONS, TRANSLATIONS
from simulator.apis.chat import CHAT
from simulator.apis.completions import COMPLETIONS
from simulator.apis.embeddings import EMBEDDINGS
from simulator.apis.images import EDITS, GENERATIONS, VARIATIONS
from simulator.apis.messages import COUNT_TOKENS, MESSAGES
from simulator.apis.responses import INPUT_TOKENS, compaction_api, responses_api
from simulator.apis.responses.socket import Conversation
from simulator.apis.responses.store import Store
from simulator.apis.shelf import Shelf
from simulator.azure import KEY_HEADER, Azure
from simulator.behaviour import read_behaviour
from simulator.endpoint import Endpoint, always
from simulator.errors import ApiError
from simulator.models import Model, find_model
from simulator.records import Records

SOCKET_PATH = "/v1/responses"
MODELS_CREATED_S = 1_700_000_000


class Routes:
    """All requests arrive here. With a `key`, those of the APIs need it, as bearer token or as
    x-api-key, those of `azure` as api-key."""

    def __init__(
        self,
        endpoint: Endpoint,
        records: Records,
        models: Mapping[str, Model],
        key: str | None,
        azure: Azure | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._records = records
        self._stored = Store()
        self._shelf = Shelf()
        every = (
            CHAT,
            COMPLETIONS,
            EMBEDDINGS,
            SPEECH,
            TRANSCRIPTIONS,
            TRANSLATIONS,
            MESSAGES,
            COUNT_TOKENS,
            responses_api(self._stored),
            compaction_api(self._stored),
            INPUT_TOKENS,
            GENERATIONS,
            EDITS,
            VARIATIONS,
        )
        self._apis = {api.path: api for api in every}
        self._models = models
        self._key = key
        self._azure = azure

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, whatever it is."""
        body = await request.read()
        if request.path.startswith("/simulator/"):
            return self._control(request, body)
        number = self._records.saw(request.method, request.path_qs, request.headers, body)
        path = request.path if self._azure is None else self._azure.path_of(request.path)
        api = self._apis.get(path)
        words = api or (MESSAGES if path.startswith(MESSAGES.path) else CHAT)
        headers = words.headers(self._endpoint.request_id(number), number, 0)
        try:
            self._check_key(request)
            if self._azure is not None:
                body = self._azure.body_of(request, body)
            if path == SOCKET_PATH and "upgrade" in request.headers:
                talk = Conversation(self._endpoint, self._records, self._models, self._stored)
                return await talk.serve(request)
            if api is not None:
                _check_method(request, "POST")
                return await self._endpoint.answer(api, request, body, number)
            if path.startswith("/v1/responses/"):
                return _json(200, self._stored.serve(request.method, path), headers)
            if self._shelf.serves(path):
                return _shown(self._shelf.serve(request.method, path, body), headers)
            if path == "/v1/models" or path.startswith("/v1/models/"):
                _check_method(request, "GET")
                return _json(200, self._listing(path), headers)
            raise ApiError(404, "There is nothing at this address.", "unknown_url")
        except ApiError as error:
            return _json(error.status, words.error(error), headers)

    def _check_key(self, request: web.Request) -> None:
        given = request.headers.get("authorization", "")
        header = "x-api-key" if self._azure is None else KEY_HEADER
        if self._key in (None, request.headers.get(header)) or given == f"Bearer {self._key}":
            return
        if not given.startswith("Bearer "):
            raise ApiError(401, "An API key is needed, as Authorization: Bearer KEY.")
        raise ApiError(401, "The API key is not the right one.", "invalid_api_key")

    def _listing(self, path: str) -> dict[str, Any]:
        name = path.removeprefix("/v1/models").removeprefix("/")
        if not name:
            return {
                "object": "list",
                "data": [_model_object(each) for each in self._models],
            }
        if find_model(self._models, name) is None:
            raise ApiError(404, "There is no model of that name here.", "model_not_found", "model")
        return _model_object(name)

    def _control(self, request: web.Request, body: bytes) -> web.StreamResponse:
        match request.method, request.path.split("/")[2:]:
            case "GET", ["bill"]:
                return _json(200, self._records.bill(), {})
            case "POST", ["reset"]:
                self._records.reset()
                self._stored.reset()
                self._shelf.reset()
            case "POST", ["behaviour"]:
                try:
                    self._endpoint.choose = always(read_behaviour(body))
                except ValueError as error:
                    return _json(400, ApiError(400, str(error)).body(), {})
            case "POST", ["gates", name]:
                self._records.gate(name).set()
            case _:
                return _json(404, ApiError(404, "There is nothing at this address.").body(), {})
        return _json(200, {}, {})


def _check_method(request: web.Request, method: str) -> None:
    if request.method != method:
        raise ApiError(405, f"Only {method} is allowed here.", "method_not_supported")


def _model_object(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": MODELS_CREATED_S, "owned_by": "openai"}


def _shown(answer: dict[str, Any] | bytes, headers: Mapping[str, str]) -> web.Response:
    if isinstance(answer, dict):
        return _json(200, answer, headers)
    return web.Response(body=answer, content_type="application/octet-stream", headers=headers)


def _json(status: int, body: object, headers: Mapping[str, str]) -> web.Response:
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers=headers,
    )
