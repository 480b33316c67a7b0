"""OpenAI's responses: `POST /v1/responses`, and `POST /v1/responses/compact`.

request   what a call asks for, and every way it can be malformed
tools     the names by which caps know its tools; who runs them, and who pays
items     the input: messages, calls and their results, thoughts
prompt    all of it that is billed as input, as parts that can be counted
changes   another body for the same call: model, limits, tools
answer    what a whole response says and delivered
events    the same from a stream
usage     the billed quantities, and the calls of tools with a fee
frames    the same call as a frame of a WebSocket
"""

from dataclasses import replace
from typing import Final

from proxy.dialects.dialect import Dialect
from proxy.dialects.openai.error import error_body
from proxy.dialects.responses.answer import read_answer
from proxy.dialects.responses.changes import apply
from proxy.dialects.responses.events import ResponseEvents
from proxy.dialects.responses.frames import read_frame
from proxy.dialects.responses.prompt import prompt_of
from proxy.dialects.responses.request import LIMIT_FIELD, read_compaction, read_request

RESPONSES: Final = Dialect(
    name="responses",
    cached_in_input=True,
    limit_field=LIMIT_FIELD,
    read_request=read_request,
    prompt_of=prompt_of,
    apply=apply,
    read_answer=read_answer,
    new_reader=ResponseEvents,
    error_body=error_body,
    ends_streams=True,
)

COMPACTION: Final = replace(RESPONSES, read_request=read_compaction)
"""Makes a long conversation shorter: the same input, and an answer that has no limit."""

FRAMES: Final = replace(RESPONSES, read_request=read_frame)
"""The same API over a WebSocket."""
