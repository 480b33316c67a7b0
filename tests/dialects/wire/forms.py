"""Forms as clients write them."""

from collections.abc import Sequence

BOUNDARY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def field(name: str, value: str | bytes) -> bytes:
    """A field, with its headers."""
    data = value.encode() if isinstance(value, str) else value
    return b'Content-Disposition: form-data; name="%b"\r\n\r\n%b' % (name.encode(), data)


def file(
    name: str, content: bytes, *, filename: str = "a.wav", content_type: str = "audio/wav"
) -> bytes:
    """A file, with its headers."""
    disposition = f'form-data; name="{name}"; filename="{filename}"'
    lines = f"Content-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
    return lines.encode() + content


def form(parts: Sequence[bytes], *, boundary: str = BOUNDARY) -> bytes:
    """The whole body."""
    mark = boundary.encode()
    return b"".join(b"--%b\r\n%b\r\n" % (mark, part) for part in parts) + b"--%b--\r\n" % mark


def content_type(boundary: str = BOUNDARY) -> str:
    """What the body is sent as."""
    return f"multipart/form-data; boundary={boundary}"
