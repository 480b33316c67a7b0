"""Images: made of a text, or of other images and a text.

request  a call, as JSON or as a form with files
tokens   what an image costs in tokens, going in and coming out
render   images as JSON, and as the events of a stream
"""

from dataclasses import replace
from typing import Final

from simulator.apis.api import Api
from simulator.apis.images.render import events, json_images
from simulator.apis.images.request import read_edit, read_generation, read_variation
from simulator.apis.images.tokens import count, draw

GENERATIONS: Final = Api(
    path="/v1/images/generations",
    serves="image",
    id_prefix="img_",
    read=read_generation,
    count=count,
    generate=draw,
    json=json_images,
    events=events,
)

EDITS: Final = replace(GENERATIONS, path="/v1/images/edits", read=read_edit)

VARIATIONS: Final = replace(GENERATIONS, path="/v1/images/variations", read=read_variation)
