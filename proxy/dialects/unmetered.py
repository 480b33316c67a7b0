"""What providers bill and this version does not meter: it never passes, and says what to do.

Sources: https://platform.openai.com/docs/api-reference,
https://docs.anthropic.com/en/api/overview, https://ai.google.dev/api; field-report 61.
"""

from dataclasses import dataclass
from typing import Final

from proxy.dialects.path_pattern import PathPattern, parse_path_pattern
from proxy.dialects.routes import METERED

_NO_SUBSTITUTE: Final = "nothing yet"


@dataclass(frozen=True, slots=True)
class Unmetered:
    """Paths that cost money: what they are, and what to do instead."""

    patterns: tuple[PathPattern, ...]
    what: str
    hint: str

    @property
    def advice(self) -> str:
        """The hint, for who reads it after a refusal."""
        if self.hint == _NO_SUBSTITUTE:
            return "Nothing stands in for it yet."
        return f"Instead: {self.hint}."


def _row(*patterns: str, what: str, hint: str) -> Unmetered:
    return Unmetered(tuple(map(parse_path_pattern, patterns)), what, hint)


UNMETERED: Final[tuple[Unmetered, ...]] = (
    _row(
        "POST /v1/batches*",
        "POST /v1/messages/batches*",
        what="batches",
        hint="send their calls one by one",
    ),
    _row("POST /v1/realtime*", what="realtime sessions", hint="use POST /v1/responses"),
    _row("POST /v1/fine_tuning*", what="fine-tuning", hint=_NO_SUBSTITUTE),
    _row(
        "POST /v1/assistants*",
        "POST /v1/threads*",
        what="assistants and their threads",
        hint="use POST /v1/responses",
    ),
    _row(
        "POST /v1/images*",
        what="images but by generations, edits and variations",
        hint="use POST /v1/images/generations",
    ),
    _row("POST /v1/videos*", what="videos", hint=_NO_SUBSTITUTE),
    _row(
        "POST /v1/audio*",
        what="audio but by speech, transcriptions and translations",
        hint="use POST /v1/audio/speech or POST /v1/audio/transcriptions",
    ),
    _row("POST /v1/evals*", what="runs of evaluations", hint="send their calls one by one"),
    _row("POST /v1/containers*", what="containers, billed by the session", hint=_NO_SUBSTITUTE),
    _row(
        "POST /v1/vector_stores*",
        what="vector stores, billed by size and day",
        hint=_NO_SUBSTITUTE,
    ),
    _row(
        "POST /v1/deployments*",
        "POST /v1/openai*",
        what="deployments of Azure below /v1",
        hint="use POST /openai/deployments/{name}/chat/completions",
    ),
    _row("POST /v1/complete", what="Anthropic's text completions", hint="use POST /v1/messages"),
    _row(
        "POST /v1/models*",
        "POST /v1beta*",
        what="Gemini's native API",
        hint="use its OpenAI-compatible endpoint at POST /v1/chat/completions",
    ),
)
"""By what it is. A path that becomes metered is looked up there first."""


def unmetered_at(method: str, path: str) -> Unmetered | None:
    """What a request would cost money for; None where nothing is known of it."""
    for row in UNMETERED:
        if any(pattern.matches(method, path) for pattern in row.patterns):
            return row
    return None


def billed_by(pattern: PathPattern) -> str | None:
    """Something that costs money and that this pattern would let pass, if there is any."""
    if pattern.method != "POST":
        return None
    for path in METERED:
        if pattern.matches("POST", path):
            return f"POST {path} is metered"
    for row in UNMETERED:
        for known in row.patterns:
            if any(pattern.matches("POST", path) for path in known.examples) or any(
                known.matches("POST", path) for path in pattern.examples
            ):
                return f"{known} is billed ({row.what})"
    return None


def costs_nothing(pattern: PathPattern, method: str, path: str) -> bool:
    """Whether a request may pass by this pattern: nothing that is known to be billed does.

    Upstreams differ in what they make of case and of a version that stands twice.
    """
    if not pattern.matches(method, path):
        return False
    meant = path.lower()
    while meant.startswith("/v1/v1/"):
        meant = meant.removeprefix("/v1")
    is_billed = method == "POST" and meant in METERED
    return not is_billed and unmetered_at(method, meant) is None
