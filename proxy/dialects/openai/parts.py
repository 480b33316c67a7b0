"""Images, audio and files as OpenAI's APIs take them, as parts that can be counted."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from pricing.prompt import Audio, File, Image, Unseen
from proxy.dialects.wire.inline_media import image_size, payload_bytes, payload_of, wav_duration_ms

_DETAILS: Final[Mapping[str, Literal["auto", "low", "high", "original"]]] = {
    "low": "low",
    "high": "high",
    "original": "original",
}


def image_of(url: object, detail: object) -> Image:
    """An image by its address, whose size is unseen, or inline in a `data:` URL."""
    size = image_size(url) if isinstance(url, str) else None
    width, height = size or (None, None)
    return Image(width, height, _DETAILS.get(detail, "auto") if type(detail) is str else "auto")


def audio_of(audio: object) -> Audio | Unseen:
    """Audio that is inline: an object of `data` and `format`."""
    data = audio.get("data") if isinstance(audio, dict) else None
    if not isinstance(audio, dict) or not isinstance(data, str):
        return Unseen("audio")
    form = audio.get("format")
    base64 = payload_of(data)
    return Audio(
        form if isinstance(form, str) else "",
        payload_bytes(base64),
        wav_duration_ms(base64),
    )


def file_of(file: object) -> File | Unseen:
    """A file that is inline: an object of `file_data` and `filename`."""
    data = file.get("file_data") if isinstance(file, dict) else None
    if not isinstance(file, dict) or not isinstance(data, str) or file.get("file_id"):
        return Unseen("a file by its id")
    name = file.get("filename")
    return File(name if isinstance(name, str) else "", payload_bytes(payload_of(data)))


def enum_items(schema: object) -> int:
    """How many values the enums of a JSON schema list, at any depth."""
    items = 0
    level = [schema]
    while level:
        below: list[object] = []
        for node in level:
            if isinstance(node, dict):
                items += len(list_of(node, "enum"))
                below += node.values()
            elif isinstance(node, list):
                below += node
        level = below
    return items


def list_of(fields: Mapping[str, Any], name: str) -> list[Any]:
    """A member that is an array; empty for anything else."""
    value = fields.get(name)
    return value if isinstance(value, list) else []
