"""Compressed answers come out whole on any split, and bombs do not come out at all."""

import gzip
import itertools
import random
import sys
import tracemalloc
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.wire.decoding import SUPPORTED_ENCODINGS, Undecodable, decoder_for

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


def _brotli(data: bytes) -> bytes:
    compressed: bytes = brotli.compress(data)
    return compressed


_COMPRESSORS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("x-gzip", gzip.compress),
    "deflate with a header": ("deflate", zlib.compress),
    "deflate without": ("deflate", _raw_deflate),
    "br": ("br", _brotli),
    "zstd": ("zstd", zstd.compress),
}
_CODINGS = pytest.mark.parametrize(
    ("coding", "compress"), _COMPRESSORS.values(), ids=_COMPRESSORS.keys()
)
_PLAIN = b'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n' * 20


def _decoded(coding: str, pieces: list[bytes], max_piece_bytes: int = 2**20) -> bytes:
    decoder = decoder_for(coding, max_piece_bytes=max_piece_bytes)
    assert decoder is not None
    return b"".join([*map(decoder.feed, pieces), decoder.finish()])


def test_the_codings_that_can_be_metered() -> None:
    assert {"gzip", "x-gzip", "deflate", "br", "zstd"} == SUPPORTED_ENCODINGS


@pytest.mark.parametrize("coding", ["", "identity", "gzip, br", "gzip,gzip", "compress", "snappy"])
def test_what_is_plain_or_unknown_has_no_decoder(coding: str) -> None:
    assert decoder_for(coding) is None


@pytest.mark.parametrize("coding", ["GZIP", " br ", "Zstd"])
def test_codings_are_named_in_any_case(coding: str) -> None:
    assert decoder_for(coding) is not None


@_CODINGS
def test_an_answer_comes_out_whole_on_any_split(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    compressed = compress(_PLAIN)
    assert _decoded(coding, [compressed]) == _PLAIN
    assert _decoded(coding, [bytes([byte]) for byte in compressed]) == _PLAIN
    for cut in range(len(compressed) + 1):
        assert _decoded(coding, [compressed[:cut], b"", compressed[cut:]]) == _PLAIN


@_CODINGS
def test_an_empty_answer_is_empty(coding: str, compress: Callable[[bytes], bytes]) -> None:
    assert _decoded(coding, [compress(b"")]) == b""
    assert _decoded(coding, []) == b""


@_CODINGS
def test_an_answer_that_breaks_off_gives_what_it_had(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    noise = random.Random(7).randbytes(5_000)
    compressed = compress(noise)
    for length in range(0, len(compressed), 50):
        assert noise.startswith(_decoded(coding, [compressed[:length]]))


def test_deflate_without_a_header_is_never_taken_for_one_with() -> None:
    looks_like_a_header = 0
    for number in range(500):
        compressed = _raw_deflate(str(number).encode())
        looks_like_a_header += int.from_bytes(compressed[:2]) % 31 == 0
        assert _decoded("deflate", [compressed]) == str(number).encode()
    assert looks_like_a_header


def test_events_come_out_as_they_are_flushed() -> None:
    compressor = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
    decoder = decoder_for("gzip")
    assert decoder is not None
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        piece = compressor.compress(event) + compressor.flush(zlib.Z_SYNC_FLUSH)
        assert decoder.feed(piece) == event


def test_a_small_piece_that_stops_in_the_middle_gives_all_it_holds() -> None:
    """Its last event is torn; all the others are there, however far they expand."""
    random_words = random.Random(1)
    compressor = brotli.Compressor(quality=4)
    events = [f"{random_words.random()} {'x' * 300}\n\n".encode() for _ in range(400)]
    pieces = [compressor.process(event) + compressor.flush() for event in events]
    torn = b"".join(pieces)[:-1]
    decoder = decoder_for("br")
    assert decoder is not None
    assert decoder.feed(torn).startswith(b"".join(events[:-1]))


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd.compress)])
def test_one_part_after_the_other_is_one_answer(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    both = compress(b"one ") + compress(b"two")
    assert _decoded(coding, [both]) == b"one two"
    for cut in range(len(both) + 1):
        assert _decoded(coding, [both[:cut], both[cut:]]) == b"one two"
    assert _decoded(coding, [bytes([byte]) for byte in both]) == b"one two"


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("br", _brotli)])
def test_padding_after_the_end_is_no_answer(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    assert _decoded(coding, [compress(b"x"), b"\0\0\0", b"\x1f"]) == b"x"
    assert _decoded("gzip", [gzip.compress(b"x") + b"\0\0\0"]) == b"x"


@_CODINGS
def test_what_is_not_compressed_as_it_says_is_an_error(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    with pytest.raises(Undecodable, match="not valid"):
        _decoded(coding, [b"\xff" * 40])
    with pytest.raises(Undecodable, match="not valid"):
        _decoded("zstd", [zstd.compress(b"x"), b"no frame at all"])


@_CODINGS
def test_a_bomb_is_refused_and_takes_no_room(
    coding: str, compress: Callable[[bytes], bytes]
) -> None:
    bomb = compress(bytes(50 * 2**20))
    pieces = [bomb[i : i + 2**16] for i in range(0, len(bomb), 2**16)]
    tracemalloc.start()
    with pytest.raises(Undecodable, match="beyond its limit"):
        _decoded(coding, pieces)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * 2**20


@_CODINGS
def test_the_limit_itself_is_no_bomb(coding: str, compress: Callable[[bytes], bytes]) -> None:
    assert len(_decoded(coding, [compress(bytes(1000))], max_piece_bytes=1000)) == 1000
    with pytest.raises(Undecodable, match="beyond"):
        _decoded(coding, [compress(bytes(1001))], max_piece_bytes=1000)


def test_parts_share_the_limit_of_their_piece() -> None:
    for coding, compress in (("gzip", gzip.compress), ("zstd", zstd.compress)):
        with pytest.raises(Undecodable, match="beyond"):
            _decoded(coding, [compress(bytes(600)) * 2], max_piece_bytes=1000)
        assert len(_decoded(coding, [compress(bytes(600))] * 2, max_piece_bytes=1000)) == 1200


@given(st.sampled_from(sorted(SUPPORTED_ENCODINGS)), st.lists(st.binary(max_size=40)))
def test_any_bytes_are_decoded_or_an_error(coding: str, pieces: list[bytes]) -> None:
    try:
        plain = _decoded(coding, pieces)
    except Undecodable:
        return
    assert len(plain) <= 2**20


@given(st.sampled_from(sorted(_COMPRESSORS)), st.binary(), st.data())
def test_any_answer_comes_out_as_it_went_in(name: str, plain: bytes, data: st.DataObject) -> None:
    coding, compress = _COMPRESSORS[name]
    compressed = compress(plain)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(compressed)), max_size=4)))
    pieces = [compressed[a:b] for a, b in itertools.pairwise([0, *cuts, len(compressed)])]
    assert _decoded(coding, pieces) == plain
