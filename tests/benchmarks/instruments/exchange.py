"""The bytes of a call and of its answer: what the generator sends and the upstream says.

The shapes are those of the chat completions API; sizes follow docs/performance.md: a
request of 2 kB, an answer of 1 kB, streams of events of about 200 bytes.
"""

import json
import re
from dataclasses import dataclass

PATH = "/v1/chat/completions"
MODEL = "gpt-4o-mini"
STAMP_MARK = b"@"
STAMP_DIGITS = 20
SERIAL_DIGITS = 10

_SERIAL = "#" * SERIAL_DIGITS
_SENTENCES = (
    "Summarise the incident report below for the engineer who takes over: root cause, extent "
    "and open work. At 06:17 UTC the search service answered 2.3% of its queries with HTTP 500, "
    "because a rollout had halved the memory of 14 of 56 nodes. Clients retried at once, the "
    "queue grew to 91,400 entries, and the dashboard's p99 passed 8 seconds before paging. "
)
_PROMPT_BYTES = 1_800
_ANSWER_TEXT = "The rollout halved the memory of a quarter of the nodes; clients retried. " * 8


@dataclass(frozen=True, slots=True)
class StreamScript:
    """How the upstream shall stream. `pace_us` 0 writes one event per turn of its loop."""

    chunks: int
    pace_us: int

    def written(self) -> str:
        """The script as it travels, in the body's `user` field, which proxies leave alone."""
        return f"chunks={self.chunks} pace_us={self.pace_us}"


_SCRIPT = re.compile(rb"chunks=(\d+) pace_us=(\d+)")


def script_in(body: bytes) -> StreamScript | None:
    """The script a request carries; None asks for a JSON answer."""
    found = _SCRIPT.search(body)
    return StreamScript(int(found[1]), int(found[2])) if found else None


def wants_usage(body: bytes) -> bool:
    """Whether the request asks for the usage event at the end of a stream."""
    return b'"include_usage"' in body


class Requests:
    """Requests of one kind, equal but for a serial number in the prompt.

    The number keeps a proxy from answering out of what it worked out for the last call.
    """

    def __init__(self, host: str, script: StreamScript | None) -> None:
        body = _body(script)
        head = (
            f"POST {PATH} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: bench\r\nAccept: */*\r\n"
            "Content-Type: application/json\r\nAuthorization: Bearer sk-client\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        ).encode()
        self._before, self._after = (head + body).split(_SERIAL.encode())
        self._serial = 0

    def next(self) -> bytes:
        """The next request, whole."""
        self._serial += 1
        return b"%s%0*d%s" % (self._before, SERIAL_DIGITS, self._serial, self._after)


def _body(script: StreamScript | None) -> bytes:
    prompt = (_SENTENCES * (_PROMPT_BYTES // len(_SENTENCES) + 1))[:_PROMPT_BYTES]
    body: dict[str, object] = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": f"You are on call. Ticket {_SERIAL}."},
            {"role": "user", "content": prompt},
        ],
        "max_tokens": 256,
        "temperature": 0.2,
        "user": "bench" if script is None else f"bench {script.written()}",
    }
    if script is not None:
        body["stream"] = True
    return json.dumps(body).encode()


def json_answer() -> bytes:
    """The answer to a call that does not stream, head and body."""
    body = json.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": _ANSWER_TEXT, "refusal": None},
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": _usage(125),
            "service_tier": "default",
            "system_fingerprint": "fp_bench",
        }
    ).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_bench\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Cache-Control: no-cache\r\nx-request-id: req_bench\r\nTransfer-Encoding: chunked\r\n\r\n"
)


class StreamEvents:
    """The events of a stream, framed as HTTP chunks, with or without the usage event."""

    def __init__(self, *, usage: bool) -> None:
        content = f"{STAMP_MARK.decode()}{'0' * STAMP_DIGITS} word"
        stamped = _event([_choice({"content": content})], usage)
        self._before, self._after = stamped.split(b"0" * STAMP_DIGITS)
        self.tail = _event([_choice({}, "stop")], usage)
        if usage:
            self.tail += _framed({**_chunk([]), "usage": _usage(200)})
        self.tail += b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"

    def stamped(self, sent_ns: int) -> bytes:
        """One event that says when it was sent, on the machine's monotonic clock."""
        return b"%s%0*d%s" % (self._before, STAMP_DIGITS, sent_ns, self._after)


def stamp_in(event: bytes) -> int | None:
    """When the event was sent, nanoseconds of the monotonic clock; None without a stamp."""
    at = event.find(STAMP_MARK)
    return None if at < 0 else int(event[at + 1 : at + 1 + STAMP_DIGITS])


def _event(choices: list[object], usage: bool) -> bytes:
    # Asked for usage, the API says `"usage": null` on every event before the last.
    return _framed({**_chunk(choices), "usage": None} if usage else _chunk(choices))


def _framed(chunk: dict[str, object]) -> bytes:
    event = b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"
    return b"%x\r\n%s\r\n" % (len(event), event)


def _chunk(choices: list[object]) -> dict[str, object]:
    return {
        "id": "chatcmpl-bench",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": MODEL,
        "choices": choices,
    }


def _choice(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, object]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _usage(completion_tokens: int) -> dict[str, object]:
    return {
        "prompt_tokens": 400,
        "completion_tokens": completion_tokens,
        "total_tokens": 400 + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
