"""A form with files, as far as it was read before its call leaves.

Fields are read and written here; what was not changed keeps its bytes.
Source: RFC 7578; field names that end in `[]` are lists in OpenAI's APIs.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from proxy.dialects.wire.json_text import invalid
from proxy.dialects.wire.multipart import MultipartReader
from proxy.dialects.wire.part_header import refused

MULTIPART: Final = "multipart/form-data"

_PARAMETER: Final = re.compile(
    r';[ \t]*([\w!#$%&\'*+.^`|~-]+)=(?:"([^"\\]*)"|([\w!#$%&\'*+.^`|~-]+))[ \t]*', re.ASCII
)
_BOUNDARY: Final = re.compile(r"[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]", re.ASCII)


class Field(msgspec.Struct, frozen=True):
    """A field that was read to its end. Places count bytes from the beginning of the form."""

    name: str
    value: str
    begins_at: int
    ends_at: int


class FormFile(msgspec.Struct, frozen=True):
    """A file. `begin` are its first bytes, `max_bytes` the most that it can have."""

    name: str
    filename: str
    content_type: str
    begin: bytes
    max_bytes: int


class Form(msgspec.Struct, frozen=True):
    """What was read of a form: all of it, or its beginning up to the middle of a file.

    `begin` are its bytes so far. Each list is in the order of the form.
    """

    begin: bytes
    fields: Sequence[Field]
    files: Sequence[FormFile]
    is_whole: bool

    def __repr__(self) -> str:
        """Without its content."""
        return f"<Form of {len(self.fields)} fields and {len(self.files)} files>"

    def value(self, name: str) -> str | None:
        """The value of a field that stands once; None where it is not there.

        Raises:
            Refused: INVALID_REQUEST, it stands there twice, or as a file, which some take for it.
        """
        values = self.values(name)
        if len(values) > 1 or any(file.name == name for file in self.files):
            raise invalid(name, "must stand in the form once, as a field")
        return values[0] if values else None

    def values(self, *names: str) -> list[str]:
        """The values of all fields of these names."""
        return [field.value for field in self.fields if field.name in names]

    def with_values(self, changes: Mapping[str, str]) -> "Form":
        """The form with these values. Fields that it does not have come before all others.

        Raises:
            Refused: INVALID_REQUEST, a value has the boundary of the form in it.
        """
        mark, _, _ = self.begin.partition(b"\r\n")
        if any(mark in value.encode() for value in changes.values()):
            raise refused("has a boundary that is part of a value")
        begin, fields = bytearray(), []
        for name in sorted(changes.keys() - {field.name for field in self.fields}):
            begin += mark + b'\r\nContent-Disposition: form-data; name="%b"' % name.encode()
            begin += b"\r\n\r\n"
            fields.append(_append(begin, name, changes[name]))
            begin += b"\r\n"
        place = 0
        for field in self.fields:
            begin += self.begin[place : field.begins_at]
            fields.append(_append(begin, field.name, changes.get(field.name, field.value)))
            place = field.ends_at
        begin += self.begin[place:]
        return replace(self, begin=bytes(begin), fields=tuple(fields))

    def reread(self, begin: bytes) -> "Form":
        """The form with other fields: `begin` is what the call leaves with in place of its own.

        Raises:
            Refused: INVALID_REQUEST, a field is not in UTF-8.
        """
        mark, _, _ = begin.partition(b"\r\n")
        reader = MultipartReader(mark.removeprefix(b"--").decode("ascii"))
        reader.feed(begin)
        form = form_of(reader, begin, max_bytes=len(begin))
        return replace(form, files=self.files)


def _append(begin: bytearray, name: str, value: str) -> Field:
    begins_at = len(begin)
    begin += value.encode()
    return Field(name, value, begins_at, len(begin))


def form_of(reader: MultipartReader, begin: bytes, *, max_bytes: int) -> Form:
    """What was read by now. `max_bytes` is the most that the whole form can have.

    Raises:
        Refused: INVALID_REQUEST, a field is not in UTF-8.
    """
    return Form(
        begin=begin,
        fields=tuple([
            Field(part.name, _text(part.kept), part.begins_at, part.ends_at)
            for part in reader.parts
            if not part.is_file and part.ends_at is not None
        ]),
        files=tuple([
            FormFile(
                part.name,
                part.header.filename,
                part.header.content_type,
                bytes(part.kept),
                (max_bytes if part.ends_at is None else part.ends_at) - part.begins_at,
            )
            for part in reader.parts
            if part.header.filename is not None
        ]),
        is_whole=reader.is_over,
    )  # fmt: skip


def _text(value: bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise refused("has a field that is not in UTF-8") from None


def is_form(content_type: str) -> bool:
    """Whether a body is a form with files."""
    return content_type.partition(";")[0].strip().lower() == MULTIPART


def boundary_of(content_type: str) -> str:
    """The boundary that a Content-Type names.

    Raises:
        Refused: INVALID_REQUEST.
    """
    _, separator, parameters = content_type.strip().partition(";")
    given = separator + parameters
    found = [match.groups() for match in _PARAMETER.finditer(given)]
    is_understood = _PARAMETER.sub("", given) == ""
    named = [quoted or plain or "" for name, quoted, plain in found if name.lower() == "boundary"]
    if not is_understood or len(named) != 1 or _BOUNDARY.fullmatch(named[0]) is None:
        raise refused("has no boundary of 1 to 70 characters in its Content-Type")
    return named[0]
