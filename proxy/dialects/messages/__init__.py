"""Anthropic's Messages: `POST /v1/messages`.

request   what a call asks for, and every way it can be malformed
tools     the names by which caps know its tools, and which of them the provider runs
prompt    all of it that is billed as input, as parts that can be counted
changes   another body for the same call: model, limit, thought, tools
answer    what a whole answer says and delivered
events    the same from a stream
usage     the billed quantities, out of a report or out of several that follow each other
error     a refusal in the shape of this API
"""

from typing import Final

from proxy.dialects.dialect import Dialect
from proxy.dialects.messages.answer import read_answer
from proxy.dialects.messages.changes import apply
from proxy.dialects.messages.error import error_body
from proxy.dialects.messages.events import MessageEvents
from proxy.dialects.messages.prompt import prompt_of
from proxy.dialects.messages.request import LIMIT_FIELD, read_request

MESSAGES: Final = Dialect(
    name="messages",
    cached_in_input=False,
    limit_field=LIMIT_FIELD,
    read_request=read_request,
    prompt_of=prompt_of,
    apply=apply,
    read_answer=read_answer,
    new_reader=MessageEvents,
    error_body=error_body,
    ends_streams=True,
)
