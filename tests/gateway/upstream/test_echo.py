"""An upstream that repeats the credential it was sent."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from multidict import CIMultiDict

from proxy.gateway.upstream.echo import MASK, error_without, headers_without

SECRET = "sk-proj-0123456789"
PAGE = b'{"error": {"message": "You sent Bearer sk-proj-0123456789."}}'
MASKED = PAGE.replace(SECRET.encode(), MASK)


def test_a_header_that_has_it_is_left_out_and_no_other() -> None:
    sent = CIMultiDict([("X-Echo", f"Bearer {SECRET}"), ("x-echo", "sk-proj"), ("Server", "a")])

    assert list(headers_without(SECRET, sent).items()) == [("x-echo", "sk-proj"), ("Server", "a")]


def test_headers_without_it_stay_the_same_object() -> None:
    sent = CIMultiDict({"Server": "a"})

    assert headers_without(SECRET, sent) is sent


@pytest.mark.parametrize("times", [1, 3])
def test_an_error_that_quotes_it_is_masked(times: int) -> None:
    headers = CIMultiDict({"Content-Type": "text/html"})

    assert error_without(SECRET, headers, PAGE * times) == MASKED * times
    assert dict(headers) == {"Content-Type": "text/html"}


@pytest.mark.parametrize(("coding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_error_that_quotes_it_goes_on_plain_and_masked(
    coding: str, pack: Callable[[bytes], bytes]
) -> None:
    headers = CIMultiDict({"Content-Encoding": coding})

    assert error_without(SECRET, headers, pack(PAGE)) == MASKED
    assert "Content-Encoding" not in headers


@pytest.mark.parametrize(
    ("coding", "body"),
    [("", b"no"), ("gzip", gzip.compress(b"no")), ("gzip", b"not gzip"), ("snappy", b"no")],
)
def test_any_other_error_passes_as_it_came(coding: str, body: bytes) -> None:
    headers = CIMultiDict({"Content-Encoding": coding})

    assert error_without(SECRET, headers, body) == body
    assert headers["Content-Encoding"] == coding


@pytest.mark.parametrize("word", ["", "none", "ollama", "sk-anything"])
def test_a_word_is_no_secret(word: str) -> None:
    """Servers without keys are given one all the same, and it may stand anywhere."""
    headers = CIMultiDict({"Server": f"an {word} server"})

    assert headers_without(word, headers) is headers
    assert error_without(word, headers, f"no {word} here".encode()) == f"no {word} here".encode()
