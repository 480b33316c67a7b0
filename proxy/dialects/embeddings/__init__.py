"""OpenAI's embeddings: `POST /v1/embeddings`. Nothing is generated, so only input is billed.

request   what a call asks for, and what it is billed as input
answer    what a whole answer says; its vectors are never decoded
"""

from typing import Final

from proxy.dialects.chat.events import ChatEvents
from proxy.dialects.dialect import Dialect
from proxy.dialects.edits import apply_model
from proxy.dialects.embeddings.answer import read_answer
from proxy.dialects.embeddings.request import prompt_of, read_request
from proxy.dialects.openai.error import error_body

EMBEDDINGS: Final = Dialect(
    name="embeddings",
    cached_in_input=True,
    limit_field=None,
    read_request=read_request,
    prompt_of=prompt_of,
    apply=apply_model,
    read_answer=read_answer,
    new_reader=ChatEvents,  # the API has no streams; should one come, it is read as others are
    error_body=error_body,
)
