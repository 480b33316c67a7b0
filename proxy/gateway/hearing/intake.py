"""Step 0. Take a call in: its body whole, or of a form as much as its price depends on.

The rest of a form with a large file goes on as it comes, from one socket to the other; no more
of it stands in memory than HELD_BYTES and what the sockets hold. Most clients write the fields
before the file; where they do not, the file has to be kept until its fields are there.
"""

from dataclasses import dataclass
from functools import partial
from typing import Final

from proxy.dialects.dialect import Dialect, FormRules, Request
from proxy.dialects.wire.form import Form, boundary_of, form_of, is_form
from proxy.dialects.wire.multipart import MultipartReader
from proxy.domain.errors import Reason, Refused
from proxy.gateway.hearing.named import read_call, read_form_call
from proxy.gateway.routes import Routes
from proxy.gateway.runtime.door import Door, Incoming, incoming_of
from proxy.gateway.runtime.tasks import off_the_loop

MODEL: Final = "model"
_JSON: Final = "application/json"

HELD_BYTES: Final = 262_144
"""Forms up to this size are read whole, in whatever order their parts are."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A call, and what is still to come of its body; None when it is all there."""

    request: Request
    rest: Incoming | None = None


async def hear(dialect: Dialect, door: Door, routes: Routes, *, deployment: str | None) -> Heard:
    """Take a call in. Its path may name a deployment: then nothing else in it says the model.

    Raises:
        Refused: what the body, its framing or its fields say.
    """
    rules = dialect.form
    content_type = door.header("Content-Type") or ""
    if rules is not None and is_form(content_type):
        boundary = boundary_of(content_type)
        form, rest = await _take_form(rules, door, boundary, is_named=deployment is not None)
        return Heard(read_form_call(rules, form, routes, deployment=deployment), rest)
    body = await door.body()
    read = partial(read_call, dialect, body, routes, deployment=deployment)
    return Heard(await off_the_loop(read, size_bytes=len(body)))


async def take_free(door: Door) -> tuple[bytes, Incoming | None]:
    """The body of a request that costs nothing, or else what is still to come of it.

    JSON is read, for it may name a model; of anything else every byte goes on as it comes.

    Raises:
        Refused: what the body or its framing says.
    """
    if door.method == "GET":
        return b"", None
    kind = (door.header("Content-Type") or _JSON).partition(";")[0].strip().lower()
    if kind == _JSON or kind.endswith("+json"):
        return await door.body(), None
    return b"", await incoming_of(door)


async def _take_form(
    rules: FormRules, door: Door, boundary: str, *, is_named: bool
) -> tuple[Form, Incoming | None]:
    """Read a form until its price is known, and what is still to come of it."""
    reader = MultipartReader(boundary)
    needs = rules.needs - {MODEL} if is_named else rules.needs
    incoming = await incoming_of(door)
    begin = bytearray()
    is_whole = False
    while not (is_whole or _suffices(reader, needs, len(begin))):
        piece = await incoming.read()
        begin += piece
        reader.feed(piece)
        is_whole = not piece
    if is_whole:
        reader.finish()
    form = form_of(reader, bytes(begin), max_bytes=incoming.max_bytes)
    rest = None if is_whole else FormRest(incoming, reader, rules, begun_bytes=len(begin))
    return form, rest


def _suffices(reader: MultipartReader, needs: frozenset[str], size_bytes: int) -> bool:
    """Whether the price is known by now, and what comes is a file that need not be kept."""
    if size_bytes < HELD_BYTES or not reader.parts:
        return False
    known = {part.name for part in reader.parts if part.ends_at is not None}
    last = reader.parts[-1]
    return last.is_file and last.ends_at is None and needs <= known


class FormRest:
    """The rest of a form, read along: an `Incoming`."""

    def __init__(
        self, incoming: Incoming, reader: MultipartReader, rules: FormRules, *, begun_bytes: int
    ) -> None:
        self._incoming = incoming
        self._reader = reader
        self._late = rules.late
        length = incoming.length_bytes
        self.length_bytes = None if length is None else length - begun_bytes
        self.max_bytes = incoming.max_bytes - begun_bytes

    async def read(self) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            Refused: as `Incoming`, and INVALID_REQUEST when the form is malformed or has a
                part that its price may depend on, for which it is too late.
        """
        piece = await self._incoming.read()
        if not piece:
            self._reader.finish()
            return piece
        known = len(self._reader.parts)
        self._reader.feed(piece)
        if any(part.name not in self._late for part in self._reader.parts[known:]):
            raise Refused(
                Reason.INVALID_REQUEST,
                "The form has a field behind a large file that its price may depend on: put "
                "all fields before the file.",
            )
        return piece
