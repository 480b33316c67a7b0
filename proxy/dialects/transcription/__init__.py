"""OpenAI's transcriptions and translations: `POST /v1/audio/transcriptions` and `…/translations`.

request   what a call asks for, out of a form with a file
length    how long a file of sound can play
usage     the billed quantities, in tokens or in seconds
answer    what a whole answer says: JSON, or plain text
events    the same from a stream
"""

from typing import Final

from proxy.dialects.dialect import Dialect, FormRules
from proxy.dialects.openai.error import error_body
from proxy.dialects.transcription.answer import read_answer
from proxy.dialects.transcription.events import TranscriptionEvents
from proxy.dialects.transcription.request import LATE, apply, prompt_of, read_form, refuse_json

TRANSCRIPTION: Final = Dialect(
    name="transcription",
    cached_in_input=True,
    limit_field=None,
    read_request=refuse_json,
    prompt_of=prompt_of,
    apply=apply,
    read_answer=read_answer,
    new_reader=TranscriptionEvents,
    error_body=error_body,
    form=FormRules(read=read_form, needs=frozenset({"model"}), late=LATE),
)
