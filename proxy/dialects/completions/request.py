"""What a legacy completion call asks for, as far as money depends on it.

Everything else passes to the upstream untouched, known or not. Field names and types:
https://platform.openai.com/docs/api-reference/completions/create
"""

from collections.abc import Mapping
from typing import Any, Final

from proxy.dialects.dialect import Request
from proxy.dialects.fields import read_model, read_number
from proxy.dialects.openai.stream_options import asks_usage
from proxy.dialects.openai.texts import read_texts
from proxy.dialects.wire.json_text import optional, read_object

LIMIT_FIELD: Final = "max_tokens"

DEFAULT_OUTPUT_TOKENS: Final = 16
"""What the API allows an answer when nobody says."""

MAX_CHOICES: Final = 128
"""The most answers to each prompt, by `n` or `best_of`."""


def read_request(body: bytes) -> Request:
    """Read a call, or say what is wrong with it.

    All prompts together have prompts x `best_of` answers that are paid for, and
    prompts x `n` that are shown. With a limit of 0 the prompt is only read, and echoed.

    Raises:
        Refused: INVALID_REQUEST. The message names the field and what it accepts, and
            quotes nothing of the body.
    """
    fields = read_object(body)
    model = read_model(fields)
    limit = read_number(fields, LIMIT_FIELD, 0)
    stream = optional(fields, "stream", bool, "true or false") or False
    shown = read_number(fields, "n", 1, MAX_CHOICES) or 1
    paid = max(shown, read_number(fields, "best_of", 1, MAX_CHOICES) or 1)
    optional(fields, "suffix", str, "a string")
    return Request(
        body=body,
        fields=fields,
        model=model,
        stream=stream,
        asks_usage=asks_usage(fields) and stream,
        n=paid * _prompts(fields),
        hides_answers=paid > shown,
        generates=limit != 0,
        max_output_tokens=DEFAULT_OUTPUT_TOKENS if limit is None else limit,
        limit_field=None if limit is None else LIMIT_FIELD,
        service_tier=optional(fields, "service_tier", str, "a string"),
    )


def _prompts(fields: Mapping[str, Any]) -> int:
    prompt = fields.get("prompt")
    return 1 if prompt is None else len(read_texts(prompt, "prompt"))
