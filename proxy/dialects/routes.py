"""Which paths are metered, and in which dialect; and which cost nothing."""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, unquote

from proxy.dialects.addresses import meant_by
from proxy.dialects.chat import CHAT
from proxy.dialects.completions import COMPLETIONS
from proxy.dialects.dialect import Dialect
from proxy.dialects.embeddings import EMBEDDINGS
from proxy.dialects.images import IMAGE_EDITS, IMAGE_VARIATIONS, IMAGES
from proxy.dialects.messages import MESSAGES
from proxy.dialects.responses import COMPACTION, RESPONSES
from proxy.dialects.speech import SPEECH
from proxy.dialects.transcription import TRANSCRIPTION
from proxy.dialects.wire.json_text import invalid

METERED: Final[Mapping[str, Dialect]] = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/responses/compact": COMPACTION,
    "/v1/completions": COMPLETIONS,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/messages": MESSAGES,
    "/v1/images/generations": IMAGES,
    "/v1/images/edits": IMAGE_EDITS,
    "/v1/images/variations": IMAGE_VARIATIONS,
    "/v1/audio/speech": SPEECH,
    "/v1/audio/transcriptions": TRANSCRIPTION,
    "/v1/audio/translations": TRANSCRIPTION,
}
"""By path, for POST."""

_MODELS: Final = "/v1/models"
_OF_MESSAGES: Final = "/v1/messages"
_RESPONSE: Final = r"/v1/responses/[\w-]{1,128}"
_FILE: Final = r"/v1/files/[\w-]{1,128}"
_UPLOAD: Final = r"/v1/uploads/[\w-]{1,128}"

FREE: Final[tuple[tuple[str, str, re.Pattern[str]], ...]] = (
    ("GET", "responses", re.compile(_RESPONSE)),
    ("DELETE", "responses", re.compile(_RESPONSE)),
    ("POST", "responses", re.compile(f"{_RESPONSE}/cancel")),
    ("GET", "responses", re.compile(f"{_RESPONSE}/input_items")),
    ("POST", "responses", re.compile("/v1/responses/input_tokens")),
    ("POST", "messages", re.compile("/v1/messages/count_tokens")),
    ("POST", "moderations", re.compile("/v1/moderations")),
    ("GET", "files", re.compile(f"/v1/files|{_FILE}|{_FILE}/content")),
    ("POST", "files", re.compile("/v1/files")),
    ("DELETE", "files", re.compile(_FILE)),
    ("POST", "uploads", re.compile(f"/v1/uploads|{_UPLOAD}/(?:parts|complete|cancel)")),
)
"""Method, API and path of what no provider bills: it passes without a hold."""

FREE_PATHS: Final = (
    "GET /v1/models",
    "GET and DELETE /v1/responses/{id}",
    "GET /v1/responses/{id}/input_items",
    "POST /v1/responses/{id}/cancel",
    "POST /v1/responses/input_tokens",
    "POST /v1/messages/count_tokens",
    "POST /v1/moderations",
    "GET and POST /v1/files",
    "GET and DELETE /v1/files/{id}",
    "GET /v1/files/{id}/content",
    "POST /v1/uploads",
    "POST /v1/uploads/{id}/parts",
    "POST /v1/uploads/{id}/complete",
    "POST /v1/uploads/{id}/cancel",
)
"""The same for people."""

_WHO: Final = re.compile(r"^/s/[^/]*(?=/)")
"""A prefix that says who is calling."""

_NAME: Final = re.compile(r"[\w:@+-][\w.:@+-]*")
"""A part of a model's name. One that began with a dot could climb out of the list of models."""


def spoken_at(path: str) -> Dialect:
    """The dialect in which a refusal at this path, as it came, is understood."""
    path = meant_by(_WHO.sub("", path, count=1)).path
    if _OF_MESSAGES in path:
        return MESSAGES
    return next((METERED[each] for each in METERED if path.endswith(each)), CHAT)


def free_at(method: str, path: str, query: str) -> str | None:
    """What logs and metrics call the API of a request that costs nothing; None for any other.

    Raises:
        Refused: INVALID_REQUEST, for a stream of what was made before.
    """
    if method == "GET" and is_models_path(path):
        return "models"
    matching = (api for known, api, form in FREE if known == method and form.fullmatch(path))
    api = next(matching, None)
    if api is not None:
        _check_is_no_stream(query)
    return api


def is_models_path(path: str) -> bool:
    """`/v1/models`, or one model below it, whose name may have slashes but leads nowhere else."""
    if path == _MODELS:
        return True
    names = unquote(path.removeprefix(f"{_MODELS}/")).split("/")
    return path.startswith(f"{_MODELS}/") and all(map(_NAME.fullmatch, names))


def _check_is_no_stream(query: str) -> None:
    """Only a response that is still being made in the background can be streamed again.

    Raises:
        Refused: INVALID_REQUEST.
    """
    asked = parse_qs(query, keep_blank_values=True).get("stream", [])
    if any(value.lower() not in ("false", "0") for value in asked):
        raise invalid(
            "stream",
            "is for responses that are made in the background, which are not metered in this "
            "version: leave it out",
        )
