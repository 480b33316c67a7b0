"""Forms are read the same on any split, and nothing that two readers could take differently."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.wire.multipart import (
    FILE_BEGIN_BYTES,
    MAX_FIELDS_BYTES,
    MAX_PARTS,
    MultipartReader,
)
from proxy.domain.errors import Reason, Refused
from tests.dialects.wire.forms import BOUNDARY, field, file, form

MARK = BOUNDARY.encode()
WAV = b"RIFF\r\n--nearly\r\n-\r\n" + bytes(range(256)) + b"\r\n--" + MARK[:-1] + b"!\r\n"
WHOLE = form([field("model", "whisper-1"), file("file", WAV), field("prompt", ""), field("a", "é")])


def read(*pieces: bytes) -> MultipartReader:
    reader = MultipartReader(BOUNDARY)
    for piece in pieces:
        reader.feed(piece)
    return reader


def outline(reader: MultipartReader) -> list[tuple[str, bool, bytes, int, int | None]]:
    return [
        (part.name, part.is_file, bytes(part.kept), part.begins_at, part.ends_at)
        for part in reader.parts
    ]


def refusal(body: bytes) -> Refused:
    with pytest.raises(Refused) as caught:
        read(body).finish()
    assert caught.value.reason is Reason.INVALID_REQUEST
    return caught.value


def test_fields_are_kept_and_of_files_the_beginning() -> None:
    reader = read(WHOLE)
    reader.finish()

    assert [(part.name, part.is_file, bytes(part.kept)) for part in reader.parts] == [
        ("model", False, b"whisper-1"),
        ("file", True, WAV),
        ("prompt", False, b""),
        ("a", False, "é".encode()),
    ]
    assert reader.parts[1].header.filename == "a.wav"
    assert reader.parts[1].header.content_type == "audio/wav"
    assert [WHOLE[part.begins_at : part.ends_at] for part in reader.parts] == [
        b"whisper-1", WAV, b"", "é".encode(),
    ]  # fmt: skip


@pytest.mark.parametrize("place", range(len(WHOLE)))
def test_it_is_the_same_form_wherever_its_bytes_are_split(place: int) -> None:
    assert outline(read(WHOLE[:place], WHOLE[place:])) == outline(read(WHOLE))


def test_it_is_the_same_form_byte_by_byte() -> None:
    reader = read(*(WHOLE[place : place + 1] for place in range(len(WHOLE))))

    assert outline(reader) == outline(read(WHOLE))
    assert reader.is_over


LAST_BOUNDARY = WHOLE.rindex(b"--\r\n")


@pytest.mark.parametrize("place", range(LAST_BOUNDARY + 2))
def test_cut_anywhere_it_has_no_end(place: int) -> None:
    reader = read(WHOLE[:place])

    assert not reader.is_over
    with pytest.raises(Refused, match="ends before its last boundary"):
        reader.finish()


def test_a_large_file_is_not_kept() -> None:
    reader = MultipartReader(BOUNDARY)
    begin, end = form([file("file", b"|")]).split(b"|")
    reader.feed(begin)
    for _ in range(1_000):
        reader.feed(bytes(10_000))
        assert len(reader.parts[0].kept) + len(reader._waiting) <= FILE_BEGIN_BYTES + 100
    reader.feed(end)
    reader.finish()

    part = reader.parts[0]
    assert part.ends_at is not None
    assert part.ends_at - part.begins_at == 10_000_000


@pytest.mark.parametrize(
    ("why", "body"),
    {
        "does not begin with the boundary": b"hello\r\n" + WHOLE,
        "does not begin with": b"\r\n" + WHOLE,
        "neither a part nor the end": b"--" + MARK + b" \r\n" + WHOLE,
        "middle of a line": form([field("model", b"x--" + MARK)]),
        "in the middle": form([field("model", b"x\n--" + MARK + b"\nmore")]),
        "its boundary in the middle": form([b'Content-Disposition: form-data; name="a"\r\n'])[:-2],
        "goes on behind": WHOLE + b"--" + MARK,
        "goes on": WHOLE + b"\r\n",
        "ends before": b"",
        "malformed header": form([b"no header\r\n\r\n"]),
        "malformed header in": form([b'Content-Disposition: form-data;\r\n name="a"\r\n\r\n']),
        "a malformed header": form([b'Content-Disposition : form-data; name="a"\r\n\r\n']),
        "header twice": form([b"A: 1\r\na: 2\r\n\r\n"]),
        "not in UTF-8": form([b'Content-Disposition: form-data; name="\xff"\r\n\r\n']),
        "Content-Disposition is malformed": form([b"Content-Type: text/plain\r\n\r\n"]),
        "Disposition is malformed": form([b'Content-Disposition: attachment; name="a"\r\n\r\n']),
        "is malformed": form([b"Content-Disposition: form-data; name=a\r\n\r\n"]),
        "whose Content-Disposition": form([
            b'Content-Disposition: form-data; name="a"; filename*=UTF-8\'\'b\r\n\r\n'
        ]),
        "part whose Content-Disposition": form([
            b'Content-Disposition: form-data; name="a\\"; name=\\"model"\r\n\r\n'
        ]),
        "without a name": form([b"Content-Disposition: form-data\r\n\r\n"]),
        "a part without a name": form([b'Content-Disposition: form-data; name=""\r\n\r\n']),
        "two names": form([b'Content-Disposition: form-data; name="a"; NAME="b"\r\n\r\n']),
        "another form": form([
            b'Content-Disposition: form-data; name="a"\r\n'
            b"Content-Type: Multipart/mixed; boundary=b\r\n\r\n"
        ]),
        "field that is not in UTF-8": form([
            b'Content-Disposition: form-data; name="a"\r\n'
            b"Content-Type: text/plain; charset=utf-16\r\n\r\n"
        ]),
        "encoded": form([
            b'Content-Disposition: form-data; name="a"\r\n'
            b"Content-Transfer-Encoding: base64\r\n\r\n"
        ]),
        "bytes of headers": form([b"A: " + b"a" * 9_000 + b"\r\n\r\n"]),
        "of headers": b"--" + MARK + b"\r\n" + b"a" * 9_000,
    }.items(),
)  # fmt: skip
def test_what_is_doubtful_is_refused(why: str, body: bytes) -> None:
    assert why in str(refusal(body))


def test_a_form_has_so_many_parts() -> None:
    parts = [field("a", "")] * MAX_PARTS

    assert read(form(parts)).is_over
    assert "parts" in str(refusal(form([*parts, field("a", "")])))


def test_fields_have_so_many_bytes_together() -> None:
    half = "a" * (MAX_FIELDS_BYTES // 2)

    assert read(form([field("a", half), field("b", half)])).is_over
    assert "bytes in its fields" in str(refusal(form([field("a", half), field("b", half + "a")])))


@given(st.binary(max_size=400), st.integers(1, 40))
def test_no_bytes_do_anything_but_be_read_or_refused(body: bytes, size: int) -> None:
    reader = MultipartReader("b")
    body = body.replace(b"\x00", b"--b")
    with suppress(Refused):
        for place in range(0, len(body), size):
            reader.feed(body[place : place + size])
        reader.finish()
        assert reader.is_over


@given(
    st.lists(
        st.tuples(st.booleans(), st.binary(max_size=60).filter(lambda data: MARK not in data)),
        max_size=6,
    ),
    st.lists(st.integers(1, 30), min_size=1),
)
def test_any_contents_come_out_as_they_went_in(
    contents: list[tuple[bool, bytes]], sizes: list[int]
) -> None:
    parts = [file("f", data) if is_file else field("f", data) for is_file, data in contents]
    body = form(parts) if parts else b"--" + MARK + b"--"
    reader, place, turn = MultipartReader(BOUNDARY), 0, 0
    while place < len(body):
        size = sizes[turn % len(sizes)]
        reader.feed(body[place : place + size])
        place, turn = place + size, turn + 1
    reader.finish()

    assert [(part.is_file, bytes(part.kept)) for part in reader.parts] == contents
