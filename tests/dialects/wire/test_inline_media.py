"""Sizes and lengths are those of the file, or unknown; never less than what is shown."""

import base64
import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from proxy.dialects.wire.inline_media import image_size, payload_bytes, payload_of, wav_duration_ms


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{_encoded(data)}"


def _image(form: str, size: tuple[int, int], **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, form, **options)
    return out.getvalue()


def _wav(seconds: float, *, rate_hz: int = 8000, channels: int = 1, sample_bytes: int = 2) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(sample_bytes)
        file.setframerate(rate_hz)
        file.writeframes(bytes(int(seconds * rate_hz) * channels * sample_bytes))
    return out.getvalue()


def _alpha_webp() -> bytes:
    out = io.BytesIO()
    frames = [Image.new("RGBA", (33, 44), (0, 0, 0, shade)) for shade in (10, 200)]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:])
    return out.getvalue()


@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3, 2048), (1025, 7)])
@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("GIF", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\0\0" + bytes(60_000), "comment": b"x" * 5_000}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_the_size_of_an_image_is_read_from_its_head(
    form: str, options: dict[str, object], size: tuple[int, int]
) -> None:
    assert image_size(_url(_image(form, size, **options))) == size


def test_an_extended_webp_has_the_size_of_its_canvas() -> None:
    assert _alpha_webp()[12:16] == b"VP8X"
    assert image_size(_url(_alpha_webp())) == (33, 44)


def test_the_thumbnail_inside_a_jpeg_is_not_the_image() -> None:
    large = _image("JPEG", (800, 600), exif=b"Exif\0\0" + _image("JPEG", (16, 12)))
    assert image_size(_url(large)) == (800, 600)


def test_the_bytes_say_the_format_and_not_the_label() -> None:
    assert image_size(_url(_image("GIF", (5, 6)), "image/jpeg")) == (5, 6)
    assert image_size("DATA:;charset=x;BASE64," + _encoded(_image("PNG", (5, 6)))) == (5, 6)


def test_only_the_head_is_needed() -> None:
    assert image_size(_url(_image("PNG", (500, 600))[:24])) == (500, 600)


def test_base64_without_its_padding_is_read() -> None:
    data = _image("PNG", (5, 6))
    padded = _url(data + bytes(-(len(data) + 2) % 3))
    assert padded.endswith("=")
    assert image_size(padded.rstrip("=")) == (5, 6)


_PNG = _image("PNG", (500, 600))
_JPEG = _image("JPEG", (500, 600))
_LOSSY = _image("WEBP", (500, 600))
_FRAME = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", 600, 500) + bytes(8)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/cat.png",
        "",
        "data:",
        "data:image/png," + _encoded(_PNG),
        "data:image/png;base64,",
        "data:image/png;base64,????",
        "data:image/png;base64,é" + _encoded(_PNG),
        "data:image/png;base64, " + _encoded(_PNG),
        _url(_PNG[:23]),
        _url(_PNG[:12] + b"IDAT" + _PNG[16:]),
        _url(_PNG[:16] + struct.pack(">II", 0, 5) + _PNG[24:]),
        _url(_image("BMP", (5, 6))),
        _url(b"<svg width='5' height='6'/>"),
        _url(_JPEG[:100]),
        _url(b"\xff\xd8\xff\xe0\x00\x00" * 5_000),
        _url(b"\xff\xd8\xff" + b"\xff" * 9_000),
        _url(b"\xff\xd8\xff\xd9" + bytes(50)),
        _url(b"\xff\xd8\xff\xe0\x00\x02" + b"\x00" + _FRAME[1:]),
        _url(b"\xff\xd8\xff\xd0" * 1_001 + _FRAME),
        _url(b"GIF88a" + bytes([7, 0, 8, 0, 0, 0])),
        _url(_alpha_webp()[:27]),
        _url(_alpha_webp().replace(b"RIFF", b"RIFX")),
        _url(_alpha_webp().replace(b"WEBP", b"WAVE")),
        _url(_LOSSY.replace(b"\x9d\x01\x2a", b"\x9d\x01\x2b")),
        _url(b"RIFF\0\0\0\0WEBPVP9 " + bytes(40)),
        _url(b"RIFF\0\0\0\0WEBPVP8 " + bytes(40)),
        _url(b"RIFF\0\0\0\0WEBPVP8L" + bytes(40)),
    ],
)
def test_what_cannot_be_read_for_certain_is_unknown(url: str) -> None:
    assert image_size(url) is None


@pytest.mark.parametrize("shift", [" ", "\n", "=", "-", "é", "A==="])
def test_base64_that_readers_could_see_differently_is_unknown(shift: str) -> None:
    """A decoder that skips what is foreign would see another image behind the comment."""
    text = _encoded(_image("JPEG", (500, 600), comment=b"x" * 300))
    assert image_size(f"data:;base64,{text}") == (500, 600)
    for place in range(0, 400, 37):
        assert image_size(f"data:;base64,{text[:place]}{shift}{text[place:]}") is None


def test_base64_is_strict_in_what_is_skipped_and_in_what_is_read() -> None:
    jpeg = _encoded(_image("JPEG", (500, 600), comment=b"x" * 300 + b"\xff\xff\xff"))
    assert image_size(f"data:;base64,{jpeg}") == (500, 600)
    inside = jpeg.index("eHh4") + 40
    assert image_size(f"data:;base64,{jpeg[:inside]}\n\n\n\n{jpeg[inside:]}") is None
    png = _encoded(_PNG)
    for place in range(32):
        assert image_size(f"data:;base64,{png[:place]}\n{png[place:]}") is None
    assert image_size(f"data:;base64,{png[:32]}\n{png[32:]}") == (500, 600)


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\xff\xff\xff",
        b"\xff\x01\xff\xd0\xff\xd7",
        b"\xff\xe0\x00\x04ab\xff",
        b"\xff\xc4\x00\x0b" + bytes(9),
        b"\xff\xc8\x00\x0b" + bytes(9),
        b"\xff\xcc\x00\x0b" + bytes(9),
        b"\xff\xd8\x00\x02",
        b"\xff\xd0" * 998,
    ],
)
def test_what_stands_before_the_frame_of_a_jpeg_is_passed(before: bytes) -> None:
    assert image_size(_url(b"\xff\xd8" + before + _FRAME)) == (500, 600)


@pytest.mark.parametrize("marker", [*range(0xC0, 0xC4), 0xC5, 0xC7, 0xC9, 0xCB, 0xCD, 0xCF])
def test_every_kind_of_frame_has_the_size(marker: int) -> None:
    frame = b"\xff" + bytes([marker]) + _FRAME[2:]
    assert image_size(_url(b"\xff\xd8" + frame)) == (500, 600)


@pytest.mark.parametrize("version", [b"GIF87a", b"GIF89a"])
def test_both_versions_of_gif_have_a_size(version: bytes) -> None:
    assert image_size(_url(version + struct.pack("<HH", 7, 8) + bytes(3))) == (7, 8)


@given(
    st.binary(max_size=60), st.sampled_from([b"", _PNG[:16], _JPEG[:20], b"RIFF\0\0\0\0WEBPVP8"])
)
def test_any_bytes_have_a_size_or_none(tail: bytes, head: bytes) -> None:
    size = image_size(_url(head + tail))
    assert size is None or min(size) > 0


@pytest.mark.parametrize(
    ("data", "duration_ms"),
    [
        (_wav(1.5), 1500),
        (_wav(1.5, rate_hz=44100, channels=2), 1500),
        (_wav(0.25, sample_bytes=1), 250),
        (_wav(0.25, sample_bytes=3), 250),
        (_wav(0.0001, rate_hz=48000), 1),
        (_wav(0), 0),
    ],
)
def test_a_wave_lasts_as_long_as_its_samples_rounded_up(data: bytes, duration_ms: int) -> None:
    assert wav_duration_ms(_encoded(data)) == duration_ms


def test_what_the_header_claims_of_the_length_is_not_believed() -> None:
    data = _wav(2)
    place = data.index(b"data")
    for claim in (0, 100, 2**32 - 1):
        claimed = data[: place + 4] + struct.pack("<I", claim) + data[place + 8 :]
        assert wav_duration_ms(_encoded(claimed)) == 2000


@pytest.mark.parametrize("encoding", [0x0001, 0x0003, 0xFFFE])
def test_every_linear_encoding_has_a_length(encoding: int) -> None:
    data = _wav(1).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", encoding, 1))
    assert wav_duration_ms(_encoded(data)) == 1000


def test_other_chunks_of_a_wave_are_skipped() -> None:
    data = _wav(1)
    place = data.index(b"data")
    listed = data[:place] + b"LIST" + struct.pack("<I", 5) + b"12345\0" + data[place:]
    assert wav_duration_ms(_encoded(listed)) == 1000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"ID3\x04" + bytes(100),
        _wav(1)[:40],
        _wav(1).replace(b"RIFF", b"RIFX"),
        _wav(1).replace(b"WAVE", b"AVI "),
        _wav(1)[:12] + _wav(1)[36:],
        _wav(1).replace(b"fmt ", b"abcd"),
        _wav(1).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", 2, 1)),
        _wav(1).replace(struct.pack("<I", 8000), struct.pack("<I", 4_000_000_000), 1),
        _wav(1).replace(struct.pack("<HH", 1, 1), struct.pack("<HH", 1, 0)),
    ],
)
def test_audio_that_is_not_linear_wave_has_no_known_length(data: bytes) -> None:
    assert wav_duration_ms(_encoded(data)) is None


@given(st.binary())
def test_base64_stands_for_no_more_bytes_than_said(data: bytes) -> None:
    text = _encoded(data)
    assert len(data) <= payload_bytes(text) <= len(data) + 2
    assert payload_bytes(text.rstrip("=")) == len(data)


def test_the_payload_of_a_data_url_is_what_follows_the_comma() -> None:
    assert payload_of("data:application/pdf;base64,QUJD") == "QUJD"
    assert payload_of("DATA:,QUJD") == "QUJD"
    assert payload_of("QUJD") == "QUJD"
