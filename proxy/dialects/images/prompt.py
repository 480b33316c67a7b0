"""All that a call for images is billed as input.

What the API adds around it is not published; measured were six tokens around a text, up to 48
for each image that goes in, and everything again for each further image that comes out:
https://community.openai.com/t/openai-must-document-the-input-image-pricing-of-gpt-image-2/1382940
"""

from typing import Final, Literal

from pricing.prompt import Image, Part, Prompt, Text
from proxy.dialects.dialect import Request
from proxy.dialects.images.form import images_in

_FRAMING_TOKENS: Final = 16
_IMAGE_FRAMING_TOKENS: Final = 64


def prompt_of(request: Request) -> Prompt:
    """Its text and the images that it brings, once for each image that comes out.

    The size of an image is left unseen: the newer models enlarge a small one.
    """
    images = _images(request)
    is_low = request.fields.get("input_fidelity") in (None, "low")
    detail: Literal["auto", "original"] = "auto" if is_low else "original"
    parts: list[Part] = [Image(None, None, detail)] * images
    if isinstance(text := request.fields.get("prompt"), str):
        parts.append(Text(text))
    framing = _FRAMING_TOKENS + images * _IMAGE_FRAMING_TOKENS
    return Prompt(tuple(parts * request.n), framing * request.n)


def _images(request: Request) -> int:
    if request.form is not None:
        return images_in(request.form)
    listed = request.fields.get("images")
    beside = sum(request.fields.get(name) is not None for name in ("image", "mask", "markup"))
    return beside + (len(listed) if isinstance(listed, list) else 0)
