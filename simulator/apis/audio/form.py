"""A form with a file, taken apart. RFC 7578."""

import re
from typing import NamedTuple

from simulator.errors import ApiError

_NAME = re.compile(rb'[; ]name="([^"]*)"')
_FILENAME = re.compile(rb'[; ]filename="[^"]*"')


class Form(NamedTuple):
    """Fields by name, the last of each, and the one file."""

    fields: dict[str, str]
    file: bytes | None


def read_form(body: bytes) -> Form:
    """Take a form apart. Raises ApiError: it is none."""
    mark, _, _ = body.partition(b"\r\n")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if not mark.startswith(b"--") or len(pieces) < 3 or not pieces[-1].startswith(b"--"):
        raise ApiError(400, "The request body is not a whole form.")
    fields: dict[str, str] = {}
    file = None
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name is None:
            raise ApiError(400, "A part of the form has no name.")
        if _FILENAME.search(head):
            file = content
        else:
            fields[name[1].decode()] = content.decode()
    return Form(fields, file)
