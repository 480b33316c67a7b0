"""OpenAI's legacy completions: `POST /v1/completions`. A text goes on.

request   what a call asks for, and every way it can be malformed
prompt    all of it that is billed as input, as parts that can be counted
changes   another body for the same call: model, limit, usage
answer    what a whole answer, or a stream, says and delivered
"""

from typing import Final

from proxy.dialects.completions.answer import CompletionEvents, read_answer
from proxy.dialects.completions.changes import apply
from proxy.dialects.completions.prompt import prompt_of
from proxy.dialects.completions.request import LIMIT_FIELD, read_request
from proxy.dialects.dialect import Dialect
from proxy.dialects.openai.error import error_body

COMPLETIONS: Final = Dialect(
    name="completions",
    cached_in_input=True,
    limit_field=LIMIT_FIELD,
    read_request=read_request,
    prompt_of=prompt_of,
    apply=apply,
    read_answer=read_answer,
    new_reader=CompletionEvents,
    error_body=error_body,
    ends_streams=True,
)
