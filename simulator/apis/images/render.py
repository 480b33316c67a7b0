"""Images as JSON, and as the events of a stream: previews, then each image with its usage.

Source: https://developers.openai.com/api/reference/resources/images. What is drawn has no
bearing on the bill: every image is the same few bytes.
"""

import base64
from collections.abc import Iterator
from typing import Any, Final

from simulator.answer.render import Answer
from simulator.answer.stream import Event
from simulator.answer.usage import UsageObject, shaped
from simulator.apis.images.request import FILES
from simulator.apis.images.tokens import kind_of
from simulator.bill import Input, Output

_COUNTS: Final = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS: Final = ("input_tokens_details", "output_tokens_details")
_PNG: Final = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(120)).decode()


def json_images(answer: Answer) -> dict[str, Any]:
    """All images, and the usage of models that are billed by it."""
    size, quality = kind_of(answer.request)
    body: dict[str, Any] = {"created": answer.created_s}
    if answer.request.model.prices.image_fees:
        url = "https://images.example/{}.png"
        return body | {"data": [{"url": url.format(place)} for place, _ in _each(answer)]}
    body |= {
        "background": "opaque",
        "data": [{"b64_json": _PNG} for _ in answer.choices],
        "output_format": "png",
        "quality": quality,
        "size": size,
    }
    if answer.report.place != "nowhere":
        body["usage"] = _usage(answer, answer.input, answer.output())
    return body


def events(answer: Answer) -> Iterator[Event]:
    """Previews of each image, then the image."""
    size, quality = kind_of(answer.request)
    kind = "image_edit" if answer.request.body[FILES] else "image_generation"
    about = {
        "b64_json": _PNG,
        "created_at": answer.created_s,
        "size": size,
        "quality": quality,
        "background": "opaque",
        "output_format": "png",
    }
    for place, drawn in _each(answer):
        for preview in range(answer.request.body.get("partial_images") or 0):
            name = f"{kind}.partial_image"
            yield Event({"type": name} | about | {"partial_image_index": preview}, name=name)
        name = f"{kind}.completed"
        told = {"type": name} | about
        if answer.report.place != "nowhere":
            # What went in is told with the first image, and counts once.
            consumed = answer.input if place == 0 else Input()
            told["usage"] = _usage(answer, consumed, drawn)
        yield Event(told, name=name)


def _each(answer: Answer) -> Iterator[tuple[int, Output]]:
    for place, choice in enumerate(answer.choices):
        yield place, choice.output()


def _usage(answer: Answer, consumed: Input, produced: Output) -> UsageObject:
    usage = {
        "input_tokens": consumed.prompt_tokens,
        "input_tokens_details": {
            "text_tokens": consumed.prompt_tokens - consumed.image_tokens,
            "image_tokens": consumed.image_tokens,
        },
        "output_tokens": produced.completion_tokens,
        "output_tokens_details": {
            "image_tokens": produced.image_tokens,
            "text_tokens": produced.text_tokens,
        },
        "total_tokens": consumed.prompt_tokens + produced.completion_tokens,
    }
    return shaped(usage, answer.report.shape, _COUNTS, _DETAILS)
