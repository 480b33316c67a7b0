"""Which headers pass, in both directions."""

import pytest
from multidict import CIMultiDict

from proxy.gateway.runtime.headers import client_headers, readable_encodings, upstream_headers

INCOMING = (
    ("Host", "localhost:7676"),
    ("Authorization", "Bearer cyc_live_x"),
    ("X-Api-Key", "cyc_live_x"),
    ("Content-Type", "application/json"),
    ("Content-Length", "12"),
    ("Connection", "keep-alive, X-Private"),
    ("X-Private", "1"),
    ("X-More", "1"),
    ("connection", "X-MORE , x-most"),
    ("X-Most", "1"),
    ("Transfer-Encoding", "chunked"),
    ("TE", "trailers"),
    ("Trailer", "X-Late"),
    ("Keep-Alive", "timeout=5"),
    ("Upgrade", "h2c"),
    ("Proxy-Authorization", "Basic eA=="),
    ("Proxy-Connection", "keep-alive"),
    ("Proxy-Whatever", "1"),
    ("Cookie", "session=of-a-neighbour"),
    ("api-key", "a-key-of-azures"),
    ("X-Whatever", "cyc_live_x"),
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
    sent = upstream_headers(INCOMING, accept_encoding="gzip")
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
    sent = upstream_headers((("Baggage", "cycles.agent=bot"),), accept_encoding="identity")
    assert "baggage" not in sent


@pytest.mark.parametrize("name", ["baggage", "accept-encoding", "host", "x-cycles-agent"])
def test_a_header_that_connection_names_is_dropped_whatever_it_is(name: str) -> None:
    incoming = (("Connection", name), (name, "cycles.a=1,b=2"))
    sent = upstream_headers(incoming, accept_encoding="gzip")
    assert list(sent.items()) == [("Accept-Encoding", "gzip")]


def test_the_caller_sees_the_answers_headers_but_not_those_of_the_connection() -> None:
    """Nor what belongs to our session with the upstream."""
    answer = CIMultiDict(
        [
            ("Content-Type", "application/json"),
            ("Content-Encoding", "gzip"),
            ("Content-Length", "7"),
            ("Connection", "close, X-Hop"),
            ("X-Hop", "1"),
            ("X-Skip", "1"),
            ("CONNECTION", "x-skip,x-jump"),
            ("X-Jump", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authenticate", "Basic"),
            ("Proxy-Status", "edge"),
            ("TE", "trailers"),
            ("Trailer", "x"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "h2c"),
            ("x-request-id", "req_1"),
            ("x-ratelimit-remaining-requests", "9"),
            ("openai-processing-ms", "12"),
            ("openai-processing-ms", "13"),
            ("X-Budget-Decision", "ALLOW"),
            ("X-Cycles-Trace-Id", "forged"),
            ("Authorization", "Bearer sk"),
            ("X-Api-Key", "sk"),
            ("Set-Cookie", "__cf_bm=1"),
            ("set-cookie", "_cfuvid=2"),
        ]
    )
    assert list(client_headers(answer).items()) == [
        ("Content-Type", "application/json"),
        ("Content-Encoding", "gzip"),
        ("x-request-id", "req_1"),
        ("x-ratelimit-remaining-requests", "9"),
        ("openai-processing-ms", "12"),
        ("openai-processing-ms", "13"),
    ]


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
