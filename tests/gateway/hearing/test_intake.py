"""A form is read until its price is known, and no further; the rest is read along."""

from collections.abc import Sequence

import pytest

from proxy.dialects.embeddings import EMBEDDINGS
from proxy.dialects.transcription import TRANSCRIPTION
from proxy.domain.errors import Reason, Refused
from proxy.gateway.hearing.intake import HELD_BYTES, Heard, hear, take_free
from proxy.gateway.routes import Route, Routes
from tests.dialects.wire.forms import content_type, field, file, form

SOUND = bytes(3 * HELD_BYTES)
MODEL = field("model", "whisper-1")
BODY = form([MODEL, file("file", SOUND), field("language", "en")])
AZURE = Routes([Route("a", "azure", ("*",), "openai", deployments={"mine": "whisper-1"})])


class Arriving:
    """A body that arrives in pieces."""

    def __init__(self, pieces: Sequence[bytes], *, is_announced: bool) -> None:
        self._pieces = list(pieces)
        self.max_bytes = sum(map(len, pieces)) if is_announced else 50_000_000
        self.length_bytes = self.max_bytes if is_announced else None
        self.was_read = 0

    async def read(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        self.was_read += len(piece)
        return piece


class WholeDoor:
    """A door that gives its body whole, as those do that remember what is answered."""

    def __init__(self, body: bytes, *, kind: str = content_type()) -> None:
        self._whole = body
        self._kind = kind
        self.method = "POST"
        self.gone = False

    def header(self, name: str) -> str | None:
        return self._kind if name == "Content-Type" else None

    async def body(self) -> bytes:
        return self._whole


class UploadDoor(WholeDoor):
    """A door whose body comes in pieces, `size` bytes each."""

    def __init__(
        self, body: bytes, size: int = 50_000, *, kind: str = content_type(), announced: bool = True
    ) -> None:
        super().__init__(body, kind=kind)
        pieces = [body[place : place + size] for place in range(0, len(body), size)]
        self.incoming = Arriving(pieces, is_announced=announced)


async def heard(door: WholeDoor, *, deployment: str | None = None) -> Heard:
    return await hear(TRANSCRIPTION, door, AZURE, deployment=deployment)  # type: ignore[arg-type]


async def all_of(heard: Heard) -> bytes:
    """What leaves, when all of it has."""
    pieces = [heard.request.body]
    while heard.rest is not None and (piece := await heard.rest.read()):
        pieces.append(piece)
    return b"".join(pieces)


@pytest.mark.parametrize("size", [1_000, 50_000, HELD_BYTES, HELD_BYTES + 1, len(BODY)])
async def test_nothing_is_lost_on_any_split(size: int) -> None:
    call = await heard(UploadDoor(BODY, size))

    assert call.request.model == "whisper-1"
    assert await all_of(call) == BODY


async def test_no_more_is_kept_than_it_takes() -> None:
    door = UploadDoor(BODY, 1_000)
    call = await heard(door)

    assert HELD_BYTES <= len(call.request.body) == door.incoming.was_read < HELD_BYTES + 1_000
    assert call.rest is not None
    assert call.rest.length_bytes == len(BODY) - len(call.request.body)


async def test_without_a_length_the_sound_may_be_as_long_as_a_body_may_be() -> None:
    call = await heard(UploadDoor(BODY, announced=False))

    assert call.rest is not None
    assert call.rest.length_bytes is None
    assert call.request.audio_ms > 1_000 * 49_000_000 // 750


@pytest.mark.parametrize(
    "parts",
    [
        [file("file", SOUND), MODEL],
        [file("file", SOUND), field("prompt", "a"), MODEL],
    ],
)
async def test_what_says_its_model_late_is_kept_until_then(parts: list[bytes]) -> None:
    call = await heard(UploadDoor(form(parts)))

    assert call.rest is None
    assert call.request.body == form(parts)


async def test_a_small_form_is_read_whole_in_any_order() -> None:
    body = form([file("file", b"a" * 1_000), MODEL, field("prompt", "More.")])
    call = await heard(UploadDoor(body, 7))

    assert (call.rest, call.request.body) == (None, body)


async def test_a_door_that_has_it_all_is_read_the_same_way() -> None:
    call = await heard(WholeDoor(BODY))

    assert await all_of(call) == BODY


async def test_a_deployment_in_the_path_is_the_model() -> None:
    """Azure's SDKs leave it out of the form."""
    call = await heard(UploadDoor(form([file("file", SOUND)])), deployment="mine")

    assert (call.request.model, call.request.deployment) == ("whisper-1", "mine")
    assert b'name="model"\r\n\r\nmine\r\n' in call.request.body
    assert call.rest is not None


@pytest.mark.parametrize(
    ("late", "message"),
    [
        (form([MODEL, file("file", SOUND), field("prompt", "a")]), "before the file"),
        (form([MODEL, file("file", SOUND), MODEL]), "before the file"),
        (form([MODEL, file("file", SOUND), file("file", b"")]), "before the file"),
        (form([MODEL, file("file", SOUND)])[:-10], "ends before"),
        (form([MODEL, file("file", SOUND)]) + b"more", "goes on"),
    ],
)
@pytest.mark.parametrize("size", [1_000, 65_536])
async def test_what_comes_too_late_ends_the_upload(late: bytes, message: str, size: int) -> None:
    call = await heard(UploadDoor(late, size))

    with pytest.raises(Refused, match=message) as caught:
        await all_of(call)
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize("cut", [0, 10, 60, 100, len(BODY) // 2, len(BODY) - 20])
async def test_a_form_that_is_cut_never_leaves_whole(cut: int) -> None:
    with pytest.raises(Refused, match="ends before its last boundary"):
        await all_of(await heard(UploadDoor(BODY[:cut])))


async def test_forms_are_for_the_apis_that_take_them() -> None:
    door = UploadDoor(BODY)
    with pytest.raises(Refused, match="not valid JSON"):
        await hear(EMBEDDINGS, door, AZURE, deployment=None)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["application/json", "application/vnd.api+json; a=b", ""])
async def test_json_that_costs_nothing_is_read(kind: str) -> None:
    assert await take_free(UploadDoor(b"{}", kind=kind)) == (b"{}", None)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [content_type(), "application/octet-stream", "audio/wav"])
async def test_other_bodies_that_cost_nothing_go_on_as_they_come(kind: str) -> None:
    door = UploadDoor(b"data", kind=kind)

    assert await take_free(door) == (b"", door.incoming)  # type: ignore[arg-type]
