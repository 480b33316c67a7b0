"""Forms with files, as the simulated APIs that take them read them."""

import pytest

from simulator.errors import ApiError
from simulator.wire.form import File, read_form
from tests.dialects.wire.forms import field, file, form


def test_fields_and_files_come_apart_to_the_byte() -> None:
    content = b"\x00\r\n--\r\n\r\nname=\xff"
    parts = [field("n", "1"), file("image[]", content, filename="a.png"), field("n", "2")]

    read = read_form(form([*parts, file("mask", b"", filename="b.png"), field("empty", "")]))

    assert read.fields == {"n": "2", "empty": ""}
    assert read.files == (File("a.png", content), File("b.png", b""))


WHOLE = form([field("model", "whisper-1"), file("file", b"sound")])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"model": "whisper-1"}',
        WHOLE.removesuffix(b"--\r\n"),
        WHOLE[: WHOLE.index(b"sound")],
        form([b"Content-Type: text/plain\r\n\r\nwhisper-1"]),
    ],
)
def test_what_is_no_whole_form_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read_form(body)

    assert refused.value.status == 400
