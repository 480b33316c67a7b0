"""OpenAI's speech: `POST /v1/audio/speech`. A text is read out.

request   what a call asks for, and every way it can be malformed
sound     the answer as bytes of sound, relayed as they come
playing   how long such bytes play
events    the answer as events, with usage at their end
"""

from typing import Final

from proxy.dialects.dialect import Dialect
from proxy.dialects.edits import apply_model
from proxy.dialects.openai.error import error_body
from proxy.dialects.speech.events import SpeechEvents, read_answer
from proxy.dialects.speech.request import prompt_of, read_request
from proxy.dialects.speech.sound import sound_of

SPEECH: Final = Dialect(
    name="speech",
    cached_in_input=True,
    limit_field=None,
    read_request=read_request,
    prompt_of=prompt_of,
    apply=apply_model,
    read_answer=read_answer,
    new_reader=SpeechEvents,
    error_body=error_body,
    new_sound=sound_of,
)
