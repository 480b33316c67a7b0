"""A form with files, taken apart. RFC 7578."""

import re
from typing import NamedTuple

from simulator.errors import ApiError

_NAME = re.compile(rb'[; ]name="([^"]*)"')
_FILENAME = re.compile(rb'[; ]filename="([^"]*)"')


class File(NamedTuple):
    """A file and what it is called."""

    filename: str
    content: bytes


class Form(NamedTuple):
    """Fields by name, the last of each, and all files."""

    fields: dict[str, str]
    files: tuple[File, ...]


def read_form(body: bytes) -> Form:
    """Take a form apart. Raises ApiError: it is none."""
    mark, _, _ = body.partition(b"\r\n")
    pieces = (b"\r\n" + body).split(b"\r\n" + mark)
    if not mark.startswith(b"--") or not pieces[-1].startswith(b"--"):
        raise ApiError(400, "The request body is not a whole form.")
    fields: dict[str, str] = {}
    files: list[File] = []
    for piece in pieces[1:-1]:
        head, _, content = piece.partition(b"\r\n\r\n")
        name = _NAME.search(head)
        if name is None:
            raise ApiError(400, "A part of the form has no name.")
        if filename := _FILENAME.search(head):
            files.append(File(filename[1].decode(), content))
        else:
            fields[name[1].decode()] = content.decode()
    return Form(fields, tuple(files))
