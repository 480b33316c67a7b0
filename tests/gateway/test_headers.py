"""Which headers pass, in both directions."""

import pytest

from proxy.gateway.runtime.headers import client_headers, readable_encodings, upstream_headers

INCOMING = (
    ("Host", "localhost:7676"),
    ("Authorization", "Bearer cyc_live_x"),
    ("X-Api-Key", "cyc_live_x"),
    ("Content-Type", "application/json"),
    ("Content-Length", "12"),
    ("Connection", "keep-alive, X-Private"),
    ("X-Private", "1"),
    ("Transfer-Encoding", "chunked"),
    ("TE", "trailers"),
    ("Expect", "100-continue"),
    ("X-Cycles-Agent", "bot"),
    ("X-Budget-Anything", "1"),
    ("X-Stainless-Retry-Count", "0"),
    ("Idempotency-Key", "k"),
    ("OpenAI-Beta", "a"),
    ("OpenAI-Beta", "b"),
    ("baggage", "theirs=1,cycles.agent=bot"),
)


def test_what_goes_upstream_is_what_the_upstream_is_meant_to_see() -> None:
    sent = upstream_headers(INCOMING, connection="keep-alive, X-Private", accept_encoding="gzip")
    assert list(sent.items()) == [
        ("Content-Type", "application/json"),
        ("X-Stainless-Retry-Count", "0"),
        ("Idempotency-Key", "k"),
        ("OpenAI-Beta", "a"),
        ("OpenAI-Beta", "b"),
        ("baggage", "theirs=1"),
        ("Accept-Encoding", "gzip"),
    ]


def test_baggage_that_was_all_ours_does_not_go_on_empty() -> None:
    sent = upstream_headers(
        (("Baggage", "cycles.agent=bot"),), connection="", accept_encoding="identity"
    )
    assert "baggage" not in sent


def test_the_caller_sees_the_answers_headers_but_not_those_of_the_connection() -> None:
    answer = {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "Content-Length": "7",
        "Connection": "close, X-Hop",
        "X-Hop": "1",
        "Trailer": "x",
        "Transfer-Encoding": "chunked",
        "x-request-id": "req_1",
        "x-ratelimit-remaining-requests": "9",
        "X-Budget-Decision": "ALLOW",
    }
    assert dict(client_headers(answer)) == {
        "Content-Type": "application/json",
        "Content-Encoding": "gzip",
        "x-request-id": "req_1",
        "x-ratelimit-remaining-requests": "9",
    }


@pytest.mark.parametrize(
    ("accepted", "passed"),
    [
        ("gzip, deflate, br, zstd", "gzip, deflate, br, zstd"),
        ("gzip;q=0.5, compress, snappy", "gzip;q=0.5"),
        ("br;q=0, gzip", "gzip"),
        ("", "identity"),
        ("*", "identity"),
        ("compress", "identity"),
    ],
)
def test_only_codings_that_can_be_metered_are_asked_for(accepted: str, passed: str) -> None:
    assert readable_encodings(accepted) == passed
