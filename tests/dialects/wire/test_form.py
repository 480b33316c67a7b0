"""Fields of a form are found once and written in place; its boundary is named without doubt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.wire.form import Form, boundary_of, form_of, is_form
from proxy.dialects.wire.multipart import MultipartReader
from proxy.domain.errors import Reason, Refused
from tests.dialects.wire.forms import BOUNDARY, content_type, field, file, form


def taken(body: bytes, *, max_bytes: int | None = None) -> Form:
    reader = MultipartReader(BOUNDARY)
    reader.feed(body)
    return form_of(reader, body, max_bytes=len(body) if max_bytes is None else max_bytes)


BODY = form([
    field("model", "whisper-1"), field("a[]", "1"), file("file", b"RIFF" * 10), field("a[]", "2"),
])  # fmt: skip


def test_values_are_found_by_name() -> None:
    whole = taken(BODY)

    assert whole.is_whole
    assert whole.value("model") == "whisper-1"
    assert whole.value("language") is None
    assert whole.values("a[]", "a") == ["1", "2"]
    assert [(each.name, each.begin, each.max_bytes) for each in whole.files] == [
        ("file", b"RIFF" * 10, 40)
    ]


@pytest.mark.parametrize("name", ["a[]", "file"])
def test_what_stands_twice_or_as_a_file_has_no_value(name: str) -> None:
    with pytest.raises(Refused, match="once") as caught:
        taken(BODY).value(name)
    assert (caught.value.reason, caught.value.param) == (Reason.INVALID_REQUEST, name)


def test_a_file_that_is_still_coming_may_be_all_that_is_left() -> None:
    begin = BODY[: BODY.index(b"RIFF") + 20]
    part = taken(begin, max_bytes=1_000)

    assert not part.is_whole
    assert part.value("model") == "whisper-1"
    assert part.files[0].begin == b""  # twenty bytes may yet be the begin of a boundary
    assert part.files[0].max_bytes == 1_000 - BODY.index(b"RIFF")


def test_a_field_that_is_still_coming_is_none() -> None:
    assert taken(BODY[: BODY.index(b"whisper") + 3]).fields == ()


def test_a_value_is_written_in_its_place_and_nothing_else_changes() -> None:
    changed = taken(BODY).with_values({"model": "gpt-transcribe"})

    assert changed.begin == BODY.replace(b"whisper-1", b"gpt-transcribe")
    assert changed == taken(changed.begin)


def test_a_field_that_is_not_there_comes_first() -> None:
    changed = taken(BODY).with_values({"b": "2", "a": "é"})

    assert changed.begin == form([field("a", "é"), field("b", "2")])[:-38] + BODY
    assert changed == taken(changed.begin)


def test_no_value_ends_a_part() -> None:
    with pytest.raises(Refused, match="boundary"):
        taken(BODY).with_values({"model": f"x\r\n--{BOUNDARY}--"})


def test_without_changes_the_bytes_are_the_same() -> None:
    assert taken(BODY).with_values({}) == taken(BODY)


@given(st.text(max_size=20), st.text(max_size=20))
def test_what_is_written_is_what_is_read_again(first: str, second: str) -> None:
    body = form([field("model", "m"), file("file", b"data"), field("prompt", "p")])
    changed = taken(body).with_values({"model": first, "prompt": second})
    again = taken(changed.begin)

    assert again == changed

    assert (again.value("model"), again.value("prompt")) == (first, second)
    assert again.files[0].begin == b"data"


def test_a_field_that_is_not_text_is_refused() -> None:
    with pytest.raises(Refused, match="UTF-8"):
        taken(form([field("model", b"\xff")]))


def test_a_form_shows_nothing_of_itself() -> None:
    assert "whisper" not in repr(taken(BODY))
    assert "RIFF" not in repr(taken(BODY))


@pytest.mark.parametrize(
    ("given_type", "boundary"),
    [
        (content_type(), BOUNDARY),
        ("multipart/form-data; boundary=----formdata-undici-07", "----formdata-undici-07"),
        ('Multipart/Form-Data;boundary="a b"', "a b"),
        ("multipart/form-data; charset=utf-8; Boundary=x", "x"),
    ],
)
def test_the_boundary_is_what_the_content_type_says(given_type: str, boundary: str) -> None:
    assert is_form(given_type)
    assert boundary_of(given_type) == boundary


@pytest.mark.parametrize(
    "given_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        'multipart/form-data; boundary=""',
        'multipart/form-data; boundary="a "',
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=" + "a" * 71,
        "multipart/form-data; boundary=a, multipart/form-data; boundary=b",
        'multipart/form-data; boundary="a',
        "multipart/form-data; boundary*=utf-8''a",
        "multipart/form-data; boundary=é",
        "multipart/form-data boundary=a",
    ],
)
def test_a_boundary_in_doubt_is_refused(given_type: str) -> None:
    with pytest.raises(Refused) as caught:
        boundary_of(given_type)
    assert caught.value.reason is Reason.INVALID_REQUEST


@pytest.mark.parametrize("other", ["", "application/json", "multipart/mixed; boundary=a"])
def test_other_bodies_are_no_forms(other: str) -> None:
    assert not is_form(other)
