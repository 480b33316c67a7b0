"""How long sound plays is told from its bytes, the same on any split."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.speech.playing import PLAYING, Playing


def samples(seconds: int) -> bytes:
    return bytes(48_000 * seconds)


def wave(seconds: int, *, bytes_per_second: int = 48_000) -> bytes:
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 2**32 - 1, b"WAVE", b"fmt ", 16, 1, 1, bytes_per_second // 2),
        *(bytes_per_second, 2, 16, b"data", 2**32 - 1),
    )
    return head + bytes(bytes_per_second * seconds)


def mp3(frames: int, *, head: bytes = b"\xff\xf3\x84\xc4", size: int = 192) -> bytes:
    return (head + bytes(size - 4)) * frames


def aac(frames: int) -> bytes:
    """ADTS: 24 kHz, one block of 1,024 samples in 100 bytes."""
    head = ((0xFFF << 44) + (6 << 34) + (100 << 13)).to_bytes(7, "big")
    return (head + bytes(93)) * frames


def ogg(*positions: int) -> bytes:
    """Pages that end at these samples of 48 kHz, each with two segments."""
    pages = []
    for position in positions:
        head = struct.pack("<4sBBqIIIB", b"OggS", 0, 0, position, 1, 0, 0, 2)
        pages.append(head + bytes([255, 40]) + bytes(295))
    return b"".join(pages)


ID3 = b"ID3\x04\x00\x00\x00\x00\x01\x00" + bytes(128)

SOUNDS = {
    "pcm": ("audio/pcm", samples(3), 3_000),
    "wav": ("audio/wav", wave(3), 3_001),
    "wav of 8 kHz": ("audio/wav", wave(2, bytes_per_second=16_000), 2_003),
    "mp3 of 24 kHz": ("audio/mpeg", mp3(50), 1_200),
    "mp3 of 44.1 kHz": (
        "audio/mpeg",
        mp3(100, head=b"\xff\xfb\x90\xc4", size=417),
        2_613,
    ),
    "mp3 with tags": ("audio/mpeg", ID3 + mp3(50) + b"TAG" + bytes(125), 1_200),
    "mp3, padded": ("audio/mpeg", mp3(10, head=b"\xff\xfb\x92\xc4", size=418), 262),
    "aac": ("audio/aac", aac(30), 1_281),
    "opus": ("audio/opus", ogg(0, 0, 48_000, 96_000, 100_800), 2_100),
    "nothing": ("audio/mpeg", b"", 0),
}


def played(kind: str, *pieces: bytes) -> int | None:
    playing: Playing = PLAYING[kind]()
    for piece in pieces:
        playing.feed(piece)
    return playing.played_ms


@pytest.mark.parametrize(("kind", "sound", "ms"), SOUNDS.values(), ids=SOUNDS)
def test_sound_plays_as_long_as_its_frames_say(kind: str, sound: bytes, ms: int) -> None:
    assert played(kind, sound) == ms


@pytest.mark.parametrize(("kind", "sound", "ms"), SOUNDS.values(), ids=SOUNDS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 191, 192, 193, 1_000])
def test_it_is_the_same_on_any_split(kind: str, sound: bytes, ms: int, size: int) -> None:
    pieces = [sound[place : place + size] for place in range(0, len(sound), size)]
    assert played(kind, *pieces) == ms


@pytest.mark.parametrize(("kind", "sound", "ms"), SOUNDS.values(), ids=SOUNDS)
def test_cut_anywhere_it_plays_no_longer_and_never_backward(
    kind: str, sound: bytes, ms: int
) -> None:
    before = 0
    for place in range(0, len(sound), max(1, len(sound) // 200)):
        now = played(kind, sound[:place])
        assert now is None or before <= now <= ms
        before = now or before


@pytest.mark.parametrize("kind", ["audio/mpeg", "audio/aac", "audio/opus", "audio/wav"])
def test_of_other_bytes_nobody_knows_how_long_they_play(kind: str) -> None:
    assert played(kind, b"<html>" * 100) is None


def test_frames_that_are_lost_are_not_found_again() -> None:
    assert played("audio/mpeg", mp3(10), b"garbage" * 30, mp3(10)) is None


@given(st.sampled_from(sorted(PLAYING)), st.lists(st.binary(max_size=300), max_size=5))
def test_no_bytes_fail(kind: str, pieces: list[bytes]) -> None:
    ms = played(kind, *pieces)
    assert ms is None or ms >= 0
