"""What an embeddings call asks for: texts or tokens, and a model.

Format and size of the vectors cost nothing, so those fields pass unread. Field names and
types: https://platform.openai.com/docs/api-reference/embeddings/create
"""

from pricing.prompt import Prompt
from proxy.dialects.dialect import Request
from proxy.dialects.fields import read_model
from proxy.dialects.openai.texts import read_texts
from proxy.dialects.wire.json_text import read_object


def read_request(body: bytes) -> Request:
    """Read a call, or say what is wrong with it.

    Raises:
        Refused: INVALID_REQUEST. The message names the field and what it accepts, and
            quotes nothing of the body.
    """
    fields = read_object(body)
    model = read_model(fields)
    read_texts(fields.get("input"), "input")
    return Request(body=body, fields=fields, model=model, generates=False)


def prompt_of(request: Request) -> Prompt:
    """Its texts, each as it stands: the API adds nothing around them."""
    return Prompt(read_texts(request.fields["input"], "input"), 0)
