"""OpenAI's images: `POST /v1/images/generations`, `/v1/images/edits`, `/v1/images/variations`.

request   what a call asks for, and every way it can be malformed
form      the same out of a form with files
prompt    all of it that is billed as input: texts, and images that go in
changes   another model, or fewer images
answer    what a whole answer says of itself; its images are never decoded
events    the same from a stream
usage     the billed quantities, out of a report or counted
"""

from dataclasses import replace
from typing import Final

from proxy.dialects.dialect import Dialect, FormRules
from proxy.dialects.images.answer import read_answer
from proxy.dialects.images.changes import apply
from proxy.dialects.images.events import ImageEvents
from proxy.dialects.images.form import LATE, read_edit_form, read_variation_form
from proxy.dialects.images.prompt import prompt_of
from proxy.dialects.images.request import read_edit, read_generation, refuse_json
from proxy.dialects.openai.error import error_body

IMAGES: Final = Dialect(
    name="images",
    cached_in_input=True,
    limit_field=None,
    read_request=read_generation,
    prompt_of=prompt_of,
    apply=apply,
    read_answer=read_answer,
    new_reader=ImageEvents,
    error_body=error_body,
)

IMAGE_EDITS: Final = replace(
    IMAGES,
    name="image_edits",
    read_request=read_edit,
    form=FormRules(read=read_edit_form, needs=frozenset({"model", "prompt"}), late=LATE),
)

IMAGE_VARIATIONS: Final = replace(
    IMAGES,
    name="image_variations",
    read_request=refuse_json,
    form=FormRules(read=read_variation_form, needs=frozenset({"model"}), late=LATE),
)
