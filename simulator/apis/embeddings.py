"""Embeddings: vectors for texts or for tokens, as numbers or as base64.

Source: https://developers.openai.com/api/reference/resources/embeddings
"""

import base64
import struct
from collections.abc import Mapping
from random import Random
from types import MappingProxyType
from typing import Any, Final

from simulator.answer.render import Answer
from simulator.answer.usage import shaped
from simulator.apis.api import Api, generate_nothing, no_events
from simulator.errors import invalid
from simulator.fields import integer, optional, read_model, read_object
from simulator.models import Model
from simulator.prompt.count import PromptCount
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest

MOST_INPUTS: Final = 2_048
MOST_TOKENS: Final = 300_000
"""Of all inputs of one call."""

DIMENSIONS: Final = MappingProxyType(
    {
        "text-embedding-3-small": 1_536,
        "text-embedding-3-large": 3_072,
        "text-embedding-ada-002": 1_536,
    }
)

Text = str | list[int]


def _read(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    fields = read_object(body)
    model = read_model(fields, models)
    encoding = optional(fields, "encoding_format", str) or "float"
    if encoding not in ("float", "base64"):
        raise invalid("encoding_format", "The format is float or base64.", "invalid_value")
    most = DIMENSIONS.get(model.name, MOST_INPUTS)
    if integer(fields, "dimensions", 1, most) is not None and model.name.endswith("ada-002"):
        raise invalid("dimensions", "This model has no dimensions to choose.")
    return ChatRequest(
        body=fields | {"input": _inputs(fields.get("input")), "encoding_format": encoding},
        model=model,
        stream=False,
        choices=0,
        sent=fields,
    )


def _inputs(given: object) -> list[Text]:
    inputs: list[Any] = given if isinstance(given, list) else [given]
    if isinstance(given, list) and given and all(_is_token(each) for each in given):
        inputs = [given]
    if not 1 <= len(inputs) <= MOST_INPUTS:
        raise invalid("input", f"There are 1 to {MOST_INPUTS} inputs.", "invalid_value")
    for each in inputs:
        tokens = isinstance(each, list) and all(_is_token(token) for token in each)
        if not each or not (isinstance(each, str) or tokens):
            raise invalid("input", "An input is a text or tokens, and not empty.", "invalid_type")
    if len({type(each) for each in inputs}) > 1:
        raise invalid("input", "Inputs are texts or tokens, not both.", "invalid_type")
    return inputs


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    counts = [
        vocabulary.count(request.model.encoding, each) if isinstance(each, str) else len(each)
        for each in request.body["input"]
    ]
    if max(counts) > request.model.context_window:
        window = request.model.context_window
        raise invalid("input", f"An input has at most {window} tokens.", "context_length_exceeded")
    if sum(counts) > MOST_TOKENS:
        raise invalid("input", f"All inputs have at most {MOST_TOKENS} tokens.")
    return PromptCount(sum(counts))


def _json(answer: Answer) -> dict[str, Any]:
    fields = answer.request.body
    size = fields.get("dimensions") or DIMENSIONS[answer.request.model.name]
    body: dict[str, Any] = {
        "object": "list",
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": _vector(f"{index}/{each}", size, fields["encoding_format"]),
            }
            for index, each in enumerate(fields["input"])
        ],
        "model": answer.model,
    }
    if answer.report.place != "nowhere":
        tokens = answer.input.prompt_tokens
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        counts = ("prompt_tokens", "total_tokens")
        body["usage"] = shaped(usage, answer.report.shape, counts, ())
    return body


def _vector(seed: str, size: int, encoding: str) -> list[float] | str:
    random = Random(seed)
    # Single precision, as both formats have it.
    packed = struct.pack(f"<{size}f", *(random.uniform(-0.1, 0.1) for _ in range(size)))
    if encoding == "base64":
        return base64.b64encode(packed).decode()
    return list(struct.unpack(f"<{size}f", packed))


EMBEDDINGS: Final = Api(
    path="/v1/embeddings",
    serves="embedding",
    id_prefix="embd-",
    read=_read,
    count=_count,
    generate=generate_nothing,
    json=_json,
    events=no_events,
)
