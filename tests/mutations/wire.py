"""Edits of what stands between two connections, and of what becomes of those who leave."""

from typing import Final

from tests.mutations.mutation import Mutation

REQUESTS: Final = "tests/e2e/hostile/test_hostile_requests.py"
ANSWERS: Final = "tests/e2e/hostile/test_hostile_answers.py"
FLOODS: Final = "tests/gateway/upstream/test_floods.py"
LEAVING: Final = "tests/simulation/test_disconnects.py::test_who_leaves_is_charged_by_the_table"
DOUBTFUL: Final = f"{REQUESTS}::test_what_is_doubtful_is_refused_and_nothing_after_it_is_read"

OF_WIRE: Final = (
    Mutation(
        "look at one Connection header alone",
        "proxy/gateway/runtime/headers.py",
        "            dropped |= {",
        "            return dropped | {",
        (
            "tests/gateway/test_headers.py::test_what_goes_upstream_is_what_the_upstream_is_meant_to_see",
            f"{ANSWERS}::test_headers_named_by_any_connection_header_stay_here",
        ),
    ),
    Mutation(
        "pass the cookies of an upstream on",
        "proxy/gateway/runtime/headers.py",
        '{"content-length", "set-cookie"}',
        '{"content-length"}',
        (f"{ANSWERS}::test_our_credential_and_our_session_are_never_sent_back[200]",),
    ),
    Mutation(
        "let an upstream repeat our credential in its headers",
        "proxy/gateway/forward.py",
        "answer.headers = headers_without(each, answer.headers)",
        "pass",
        (f"{ANSWERS}::test_our_credential_and_our_session_are_never_sent_back[401]",),
    ),
    Mutation(
        "look for our credential in what is compressed",
        "proxy/gateway/upstream/echo.py",
        '_plain(headers.get("Content-Encoding", ""), body), secret.encode()',
        "body, secret.encode()",
        (f"{ANSWERS}::test_an_error_that_quotes_our_credential_is_masked[gzip-401]",),
    ),
    Mutation(
        "keep a connection that brought chunks, and perhaps a trailer",
        "proxy/gateway/runtime/server.py",
        'self._is_last = "Transfer-Encoding" in request.headers',
        "self._is_last = False",
        (f"{REQUESTS}::test_a_connection_ends_with_the_request_that_brought_chunks[a trailer]",),
    ),
    Mutation(
        "take a body of a caller in any coding that ends in chunks",
        "proxy/gateway/runtime/server.py",
        'coding.lower() == "chunked"',
        'coding.lower().endswith("chunked")',
        (f"{DOUBTFUL}[coding: gzip in chunks-alone]",),
    ),
    Mutation(
        "take an answer in any coding that ends in chunks",
        "proxy/gateway/upstream/connection.py",
        'if codings and [coding.lower() for coding in codings] != ["chunked"]:',
        'if codings and not codings[-1].lower().endswith("chunked"):',
        (f"{ANSWERS}::test_what_cannot_be_read_is_no_answer[gzip in chunks]",),
    ),
    Mutation(
        "wait for the end of a line that has none",
        "proxy/gateway/upstream/connection.py",
        "        self._barren_bytes += len(data)\n",
        "",
        (
            f"{FLOODS}::test_a_head_without_measure_is_no_status[a header]",
            f"{FLOODS}::test_a_body_that_is_all_framing_breaks_off[a trailer]",
        ),
    ),
    Mutation(
        "wait for the status of a stream that nobody hears",
        "proxy/gateway/metered.py",
        'return 0 if streamed and self.on_disconnect == "abort" else self.drain_ms',
        "return self.drain_ms",
        (f"{LEAVING}[abort-before headers-SSE-left-uncertain-uncertain-shown]",),
    ),
    Mutation(
        "hang up on a JSON answer with its caller",
        "proxy/gateway/meter.py",
        "        self._door.when_gone(self._start)",
        "        self._door.when_gone(self._answer.abort)",
        (
            f"{LEAVING}[abort-mid-stream-JSON-whole-usage-usage-shown]",
            f"{LEAVING}[drain-after usage-JSON-whole-usage-usage-hidden]",
        ),
    ),
    Mutation(
        "drain without looking at what it costs",
        "proxy/gateway/stream/relay.py",
        "        if self._cost_of(text_bytes + delivered.sound_tokens) > limit:",
        "        if False:",
        (f"{LEAVING}[drain up to $x-mid-stream-SSE-left-counted-uncertain-shown]",),
    ),
)
