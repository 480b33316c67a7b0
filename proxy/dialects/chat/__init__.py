"""OpenAI's chat completions: `POST /v1/chat/completions`.

request   what a call asks for, and every way it can be malformed
tools     the names by which caps know its tools
prompt    all of it that is billed as input, as parts that can be counted
changes   another body for the same call: model, limit, tools, usage
answer    what a whole answer says and delivered
events    the same from a stream
usage     the billed quantities, out of the shapes that upstreams give them
"""

from typing import Final

from proxy.dialects.chat.answer import read_answer
from proxy.dialects.chat.changes import apply
from proxy.dialects.chat.events import ChatEvents
from proxy.dialects.chat.prompt import prompt_of
from proxy.dialects.chat.request import asked_of, read_request
from proxy.dialects.dialect import Dialect
from proxy.dialects.openai.error import error_body

CHAT: Final = Dialect(
    name="chat",
    cached_in_input=True,
    limit_field=None,
    read_request=read_request,
    prompt_of=prompt_of,
    apply=apply,
    read_answer=read_answer,
    new_reader=ChatEvents,
    error_body=error_body,
    asked_of=asked_of,
    ends_streams=True,
)
