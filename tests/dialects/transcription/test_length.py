"""How long a file of sound can play is never less than it does."""

import io
import struct
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.transcription.length import Length, length_of
from proxy.dialects.wire.form import FormFile
from proxy.dialects.wire.multipart import FILE_BEGIN_BYTES


def wav(frames: int, *, rate_hz: int = 8_000, channels: int = 1, width_bytes: int = 2) -> bytes:
    sound = io.BytesIO()
    with wave.open(sound, "wb") as opened:
        opened.setnchannels(channels)
        opened.setsampwidth(width_bytes)
        opened.setframerate(rate_hz)
        opened.writeframes(bytes(frames * channels * width_bytes))
    return sound.getvalue()


def flac(samples: int, *, rate_hz: int = 16_000, size_bytes: int = 1_000) -> bytes:
    packed = rate_hz << 44 | 15 << 36 | samples
    head = b"fLaC" + b"\x00\x00\x00\x22" + bytes(10) + packed.to_bytes(8, "big") + bytes(16)
    return head + bytes(max(0, size_bytes - len(head)))


def length(sound: bytes, *, more_bytes: int = 0) -> Length:
    begin = sound[:FILE_BEGIN_BYTES]
    return length_of(FormFile("file", "a", "", begin, len(sound) + more_bytes))


@pytest.mark.parametrize(
    ("sound", "seconds"),
    [
        (wav(8_000), 1),
        (wav(8_001), 2),
        (wav(1), 1),
        (wav(0), 0),
        (wav(44_100, rate_hz=44_100, channels=2), 1),
        (wav(100_000, rate_hz=8_000, width_bytes=1), 13),
    ],
)
def test_wave_tells_it(sound: bytes, seconds: int) -> None:
    assert length(sound) == Length(seconds, seconds)


def test_the_end_of_a_form_behind_it_may_count_but_is_not_told() -> None:
    assert length(wav(8_000 - 10), more_bytes=100) == Length(2, 1)


def test_a_head_that_says_less_than_there_is_is_not_believed() -> None:
    sound = wav(80_000)
    place = sound.index(b"data") + 4
    lying = sound[:place] + struct.pack("<I", 16_000) + sound[place + 4 :]

    assert length(lying) == Length(10, None)


def test_a_head_that_says_more_than_there_is_is_not_believed() -> None:
    sound = wav(80_000)
    place = sound.index(b"data") + 4
    streamed = sound[:place] + struct.pack("<I", 2**32 - 1) + sound[place + 4 :]

    assert length(streamed) == Length(10, None)


def test_chunks_before_the_samples_are_passed_over() -> None:
    sound = wav(8_000)
    place = sound.index(b"data")
    with_list = sound[:place] + b"LIST" + struct.pack("<I", 5) + b"abcde\0" + sound[place:]

    assert length(with_list) == Length(1, 1)


@pytest.mark.parametrize(
    ("begin", "bytes_per_second"),
    [
        (b"ID3\x04", 1_000),
        (b"\xff\xfb\x90\xc4", 1_000),
        (b"\x00\x00\x00\x18ftypM4A ", 1_000),
        (b"OggS\x00", 750),
        (b"\x1a\x45\xdf\xa3", 750),
        (b"fLaC", 750),
        (b"", 750),
        (b"RIFF\x00\x00\x00\x00WAVE", 750),
        (b"anything", 750),
    ],
)
def test_other_formats_are_as_long_as_the_lowest_rate_makes_them(
    begin: bytes, bytes_per_second: int
) -> None:
    sound = begin + bytes(60_000 - len(begin))

    assert length(sound) == Length(60_000 // bytes_per_second, None)


def test_compressed_samples_in_wave_are_as_long_as_the_lowest_rate_makes_them() -> None:
    sound = bytearray(wav(16_000))
    sound[20] = 0x31  # GSM

    assert length(bytes(sound)) == Length(43, None)


def test_flac_tells_it_and_is_believed_where_that_can_be() -> None:
    assert length(flac(160_000)) == Length(10, None)
    assert length(flac(160_000, size_bytes=2_000_000)) == Length(2_667, None)
    assert length(flac(0, size_bytes=7_500)) == Length(10, None)


@given(st.binary(max_size=200), st.sampled_from([b"", b"RIFF\0\0\0\0WAVE", b"fLaC\0\0\0\x22"]))
def test_no_bytes_fail(rest: bytes, begin: bytes) -> None:
    found = length(begin + rest)
    assert found.billed_s >= 0
    assert found.told_s is None or found.told_s <= found.billed_s
