"""Changes to the head of a call or of an answer."""

from random import Random
from typing import Final

from tests.fuzz.message import Message

NAMES: Final = (
    *("Connection", "Transfer-Encoding", "TE", "Trailer", "Upgrade", "Expect", "Content-Length"),
    *("Content-Type", "Content-Encoding", "Accept-Encoding", "Host", "Authorization", "x-api-key"),
    *("X-Cycles-Agent", "X-Cycles-Trace-Id", "X-Cycles-Run", "traceparent", "Idempotency-Key"),
    *("anthropic-version", "anthropic-beta", "x-request-id", "Location", "Set-Cookie", "Date"),
    *("Retry-After", "x-ratelimit-remaining-requests", "Origin", "Keep-Alive", "Proxy-Connection"),
    *("", " ", "A b", "A:b", "\x7f", "é", "x" * 9_000, "\tfolded"),
)
WORDS: Final = (
    *("", " ", "close", "keep-alive", "chunked", "gzip, chunked", "chunked, chunked", "identity"),
    *(
        "0",
        "1",
        "-1",
        "+5",
        "99999999999999999999",
        "5, 5",
        "0x5",
        "gzip",
        "br;q=0",
        "*",
        "websocket",
    ),
    *(
        "100-continue",
        "text/event-stream",
        "application/json; charset=\xff",
        "text/html",
        "localhost",
    ),
    *("evil.example", "Bearer", "Bearer x", "Basic !!!", "00-" + "f" * 32 + "-" + "1" * 16 + "-01"),
    *("\x00", "a\rb", "a\nb", "a\r\n b", "\udcff", "é", "x" * 40_000, "host, authorization"),
)
METHODS: Final = (
    "GET",
    "HEAD",
    "PUT",
    "DELETE",
    "OPTIONS",
    "CONNECT",
    "TRACE",
    "post",
    "P\x00T",
    "",
)
TARGETS: Final = (
    *("/", "*", "", "http://evil.example/v1/chat/completions", "//evil.example/v1/models"),
    *("/v1/../v1/responses", "/v1/%63hat/completions", "/v1/models/..%2f..", "/v1/models/a/b"),
    *("/v1/responses/compact", "/v1/messages/batches", "/v1/realtime", "/v1/audio/speech"),
    *("/v1/chat/completions?stream=1", "/v1/chat/completions#a", "/v1/responses/x?stream=true"),
    *("/v1/models?" + "a=" * 9_000, "/v1/\udcff", "/t/dev/v1/messages", "/v1/files", "/%"),
)
VERSIONS: Final = ("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/1.9", "HTTP/9.9", "http/1.1", "", "X")
STATUSES: Final = (
    *("100 Continue", "101 Switching Protocols", "103 Early Hints", "199 x", "201 Created"),
    *("202 Accepted", "204 No Content", "206 Partial Content", "299 x", "301 Moved", "304 Same"),
    *("400 Bad", "401 No", "404 Not", "408 Late", "429 Many", "499 x", "500 Oh", "502 x", "529 x"),
    *("599 x", "600 x", "999 x", "0 x", "-1 x", "2 OK", "2000 OK", "abc OK", "200", "", "200 \xff"),
)


def _add_header(random: Random, message: Message) -> None:
    header = (random.choice(NAMES), random.choice(WORDS))
    message.headers.insert(random.randint(0, len(message.headers)), header)


def _change_header(random: Random, message: Message) -> None:
    if message.headers:
        at = random.randrange(len(message.headers))
        message.headers[at] = (message.headers[at][0], random.choice(WORDS))


def _drop_header(random: Random, message: Message) -> None:
    if message.headers:
        del message.headers[random.randrange(len(message.headers))]


def _repeat_header(random: Random, message: Message) -> None:
    if message.headers:
        name, value = random.choice(message.headers)
        message.headers += [(name, value)] * random.choice((1, 1, 300))


def _space_header(random: Random, message: Message) -> None:
    if message.headers:
        at = random.randrange(len(message.headers))
        name, value = message.headers[at]
        odd = ((f"{name} ", value), (f" {name}", value), (name, f"a\r\n {value}"))
        message.headers[at] = random.choice(odd)


def _frame_otherwise(random: Random, message: Message) -> None:
    message.framing = random.choice(("chunked", "chunked", "none"))
    message.chunk_bytes = random.choice((1, 7, 1_000, 10**9))


def _frame_twice(random: Random, message: Message) -> None:
    word = random.choice(("0", "5", "9999999", "-1", "abc", str(len(message.body))))
    other = random.choice((("Content-Length", word), ("Transfer-Encoding", random.choice(WORDS))))
    message.headers.append(other)


def _put_in_first_line(random: Random, message: Message, at: int, word: str) -> None:
    words = message.first_line.split(" ")
    words[at] = word
    message.first_line = " ".join(words)


def _method(random: Random, message: Message) -> None:
    _put_in_first_line(random, message, 0, random.choice(METHODS))


def _target(random: Random, message: Message) -> None:
    _put_in_first_line(random, message, 1, random.choice(TARGETS))


def _version(random: Random, message: Message) -> None:
    is_answer = message.first_line.startswith("HTTP/")
    _put_in_first_line(random, message, 0 if is_answer else -1, random.choice(VERSIONS))


def _status(random: Random, message: Message) -> None:
    version = message.first_line.split(" ")[0]
    message.first_line = f"{version} {random.choice(STATUSES)}"


def _hint(random: Random, message: Message) -> None:
    hint = random.choice(("100 Continue", "103 Early Hints", "101 Switching", "102 x"))
    times = random.choice((1, 2, 400))
    message.first_line = f"HTTP/1.1 {hint}\r\nLink: x\r\n\r\n" * times + message.first_line


def _type(random: Random, message: Message) -> None:
    kinds = (
        "text/event-stream",
        "application/json",
        "text/html",
        "Text/Event-Stream ;x",
        "",
        "a/b",
    )
    rest = [header for header in message.headers if header[0] != "Content-Type"]
    message.headers = [*rest, ("Content-Type", random.choice(kinds))]


_OF_BOTH: Final = {
    "add a header": _add_header,
    "add another header": _add_header,
    "change a header": _change_header,
    "drop a header": _drop_header,
    "repeat a header": _repeat_header,
    "space a header": _space_header,
    "frame otherwise": _frame_otherwise,
    "frame twice": _frame_twice,
    "change the version": _version,
    "change the type": _type,
}
CALL_HEAD: Final = {
    **_OF_BOTH,
    "change the method": _method,
    "change the target": _target,
}
ANSWER_HEAD: Final = {
    **_OF_BOTH,
    "change the status": _status,
    "hint first": _hint,
}
