"""docs/routes.md: every path, how it is metered, and what is refused, from the tables."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from proxy.dialects.addresses import PREFIXES
from proxy.dialects.routes import FREE_PATHS, METERED
from proxy.dialects.unmetered import UNMETERED

PAGE: Final = "docs/routes.md"

_LIMIT: Final = "the prompt, and the longest answer that its limit allows"
_AS_REPORTED: Final = "the usage that the answer reports; without it, what was delivered"

_DRAWN: Final = (
    "the prompt, and `n` images of this size and quality by the published tokens or fees"
)
_HEARD: Final = (
    "the longest that the sound can be, by its head or by its size at the lowest bit rate",
    "the usage that the answer reports, in tokens or in seconds; without it, the length that a "
    "WAVE file tells, or the hold",
)
_AS_DRAWN: Final = "the usage that the answer reports, or its images by their fees"

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "/v1/chat/completions": (f"{_LIMIT}, `n` times", _AS_REPORTED),
    "/v1/responses": (
        f"{_LIMIT}, with what `previous_response_id` may bring, and built-in tools by their fees",
        f"{_AS_REPORTED}; calls of built-in tools by their fees",
    ),
    "/v1/responses/compact": (_LIMIT, _AS_REPORTED),
    "/v1/completions": (f"{_LIMIT}, as many times as answers are made (`best_of`)", _AS_REPORTED),
    "/v1/embeddings": (
        "the input",
        "the usage that the answer reports; without it, the input as counted",
    ),
    "/v1/messages": (
        f"{_LIMIT}, with cache writes at their price and server tools by their fees",
        f"{_AS_REPORTED}; cache writes by their lifetime, server tools by their fees",
    ),
    "/v1/images/generations": (_DRAWN, _AS_DRAWN),
    "/v1/images/edits": (f"{_DRAWN}; the images that go in at their most", _AS_DRAWN),
    "/v1/images/variations": (f"{_DRAWN}; the image that goes in at its most", _AS_DRAWN),
    "/v1/audio/speech": (
        "the text by its characters; or by its tokens, and the longest sound that may come of it",
        "the usage that the answer reports; without it, the characters, or the tokens of the "
        "sound by how long it plays",
    ),
    "/v1/audio/transcriptions": _HEARD,
    "/v1/audio/translations": _HEARD,
}
"""By metered path: what is held before the call, and what is charged after it."""

_OVER_A_SOCKET: Final = (
    "`GET /v1/responses` as a WebSocket, where `upstreams[].websockets` is on",
    "responses",
    "of each `response.create` frame, as over HTTP; of a warm-up (`generate: false`) the input",
    "as over HTTP, each frame by itself",
)

_HEAD: Final = """\
# Routes

This page is generated from the code by `spendgate docs`.

What is not on it does not pass: the answer is 403 with `path_not_allowed`
([errors.md](errors.md)). A path prefix that says who is calling (`/s/agent=bot/v1/…`) changes
nothing here. How calls are held and charged is told in [semantics.md](semantics.md).
"""

_PATHS: Final = """\
## Paths

Paths are told here below `/v1`. Clients whose base URL ends otherwise may send what follows in its
place, and mean the same ([semantics.md](semantics.md#where-calls-go)); `/v1` twice is refused with
a hint.

"""

_FREE: Final = """\
## Free

These pass without a hold, and nothing of their answers is charged: no provider bills them. A
response that is fetched again was charged when it was made; as a stream it is refused
(`invalid_request`). An answer passes when all of it has come, up to 256 MiB.

"""

_LISTED: Final = """\
## Listed by an operator

Requests that cost nothing may be listed in [`passthrough`](configuration.md#passthrough): they pass
like those above. `GET /v1/skills*` lets pass `/v1/skills`, `/v1/skills/skill_1` and
`/v1/skills/skill_1/content`; `GET /v1/skills/*/content` the last alone. What is metered, or is in
the table below, may not be listed: `spendgate check` finds it, and the proxy does not start with
it.
"""

_REFUSED: Final = """\
## Refused

| request | what it is | reason | instead |
|---|---|---|---|
"""

_ELSEWHERE: Final = (
    (
        "an upgrade to WebSocket, on any other path",
        "realtime sessions",
        "`upgrade_required` (426)",
        "use HTTP; agents that know both fall back by themselves",
    ),
    (
        "`POST /v1/responses` with `background: true`",
        "a response that nobody waits for",
        "`invalid_request` (400)",
        "leave it out, or use `stream`",
    ),
    (
        "`GET /v1/responses/{id}?stream=true`",
        "the stream of such a response",
        "`invalid_request` (400)",
        "leave it out",
    ),
    (
        "`GET /` and `HEAD /`",
        "a probe, as some clients send before their first call",
        "`not_found` (404)",
        "nothing: they go on",
    ),
    ("any other", "nobody knows what it costs", "`path_not_allowed` (403)", "`passthrough`"),
)


def route_page() -> str:
    """The page, in Markdown."""
    paths = _PATHS + "".join(_prefixes())
    free = _FREE + "".join(_free())
    return "\n".join([_HEAD, paths, "".join(_metered()), free, _LISTED, _refused()])


def _prefixes() -> Iterator[str]:
    for prefix in PREFIXES:
        yield f"- `{prefix}/…`\n"
    yield "- nothing: `/chat/completions`, `/models`, and so on\n"
    yield "- `/openai/deployments/{name}/…`, where the deployment says the model\n"


def _metered() -> Iterator[str]:
    yield "## Metered\n\n| request | API | held before it leaves | charged |\n|---|---|---|---|\n"
    for path, dialect in METERED.items():
        held, charged = WORDS[path]
        yield _row((f"`POST {path}`", dialect.name, held, charged))
    yield _row(_OVER_A_SOCKET)


def _free() -> Iterator[str]:
    for path in FREE_PATHS:
        yield f"- `{path}`\n"


def _refused() -> str:
    billed = [
        (
            ", ".join(f"`{pattern}`" for pattern in row.patterns),
            row.what,
            "`path_not_allowed` (403)",
            row.hint,
        )
        for row in UNMETERED
    ]
    return _REFUSED + "".join(map(_row, [*billed, *_ELSEWHERE]))


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |\n"
