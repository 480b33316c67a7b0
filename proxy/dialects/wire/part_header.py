"""What stands above a part of a form: its name, and that of its file.

Source: RFC 7578 section 4; quoting as browsers do it:
https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from proxy.domain.errors import Reason, Refused

_LINE: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")

_QUOTED: Final = r'"(?:[^"\\]|\\(?!"))*"'
"""Where a quote behind a backslash ends a text for some readers and for others does not, there
is none."""

_DISPOSITION: Final = re.compile(rf"form-data((?:[ \t]*;[ \t]*[A-Za-z]+={_QUOTED})*)", re.ASCII)
_PARAMETER: Final = re.compile(rf"([A-Za-z]+)=({_QUOTED})")
_CHARSET: Final = re.compile(r"charset[ \t]*=[ \t]*\"?([\w.-]+)", re.IGNORECASE | re.ASCII)

_PLAIN_ENCODINGS: Final = frozenset({"7bit", "8bit", "binary"})
_CHARSETS: Final = frozenset({"utf-8", "utf8", "us-ascii"})


class PartHeader(msgspec.Struct, frozen=True):
    """A field, or a file where `filename` is not None. `content_type` is "" where none is said."""

    name: str
    filename: str | None
    content_type: str


def refused(why: str) -> Refused:
    """The refusal of a form. Quotes nothing of it."""
    return Refused(Reason.INVALID_REQUEST, f"The form {why}.")


def read_part_header(block: bytes) -> PartHeader:
    """Read the lines above a part, without the empty one that ends them.

    Raises:
        Refused: INVALID_REQUEST.
    """
    lines = _lines(block)
    parameters = _parameters(lines.get("content-disposition", ""))
    name, filename = parameters.get("name"), parameters.get("filename")
    if not name:
        raise refused("has a part without a name")
    content_type = lines.get("content-type", "")
    if content_type.lower().startswith("multipart/"):
        raise refused("has another form in a part")
    charset = _CHARSET.search(content_type)
    if charset is not None and charset[1].lower() not in _CHARSETS and filename is None:
        raise refused("has a field that is not in UTF-8")
    if lines.get("content-transfer-encoding", "binary").lower() not in _PLAIN_ENCODINGS:
        raise refused("has a part that is encoded")
    return PartHeader(name, filename, content_type)


def _lines(block: bytes) -> Mapping[str, str]:
    """Header values by lower-case name. None may stand twice or go on in the next line."""
    lines: dict[str, str] = {}
    for line in block.split(b"\r\n"):
        match = _LINE.fullmatch(line)
        if match is None:
            raise refused("has a malformed header in a part")
        name = match[1].decode("ascii").lower()
        if name in lines:
            raise refused("has a header twice in a part")
        try:
            lines[name] = match[2].decode("utf-8").strip()
        except UnicodeDecodeError:
            raise refused("has a header in a part that is not in UTF-8") from None
    return lines


def _parameters(disposition: str) -> Mapping[str, str]:
    """What `Content-Disposition: form-data; name="…"` says.

    Names in another coding (`filename*`) are not for forms: RFC 7578 section 4.2.
    """
    match = _DISPOSITION.fullmatch(disposition)
    if match is None:
        raise refused("has a part whose Content-Disposition is malformed")
    parameters: dict[str, str] = {}
    for name, quoted in _PARAMETER.findall(match[1]):
        if name.lower() in parameters:
            raise refused("has a part with two names")
        parameters[name.lower()] = quoted[1:-1]
    return parameters
