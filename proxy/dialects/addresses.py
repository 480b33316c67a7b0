"""Paths as clients write them, and the one form in which they are known here: `/v1/…`.

Clients differ in what their base URL ends with. A prefix that is listed here is read as
`/v1`; no other path is made into one that is known. Sources:
https://openrouter.ai/docs/api-reference/overview (`/api/v1`),
https://console.groq.com/docs/openai (`/openai/v1`),
https://ai.google.dev/gemini-api/docs/openai (`/v1beta/openai`),
https://api-docs.deepseek.com/guides/anthropic_api (`/anthropic`),
https://learn.microsoft.com/azure/ai-services/openai/reference (`/openai`, deployments)
"""

import re
from typing import Final, NamedTuple

NORMAL_PREFIX: Final = "/v1"

PREFIXES: Final = ("/api/v1", "/openai/v1", "/v1beta/openai", "/anthropic/v1", "/openai")
"""What may stand in its place, the longer one first."""

_DEPLOYMENT: Final = re.compile(r"/openai/deployments/([\w-][\w.-]{0,127})(/.+)", re.ASCII)

_BARE: Final = re.compile(
    r"/(?:chat/completions|completions|embeddings|messages|models|responses|audio|images"
    r"|moderations|files|uploads)(?:/.*)?",
    re.DOTALL,
)
"""What clients send whose base URL ends with the host."""


class Meant(NamedTuple):
    """The path in its normal form, and the deployment that it names, as Azure's do."""

    path: str
    deployment: str | None = None


def meant_by(path: str) -> Meant:
    """The path that is meant. What is not known stays as it came."""
    if path.startswith("/v1/"):
        return Meant(path)
    if (found := _DEPLOYMENT.fullmatch(path)) is not None:
        return Meant(NORMAL_PREFIX + found[2], found[1])
    for prefix in PREFIXES:
        if path.startswith(f"{prefix}/"):
            return Meant(NORMAL_PREFIX + path.removeprefix(prefix))
    return Meant(NORMAL_PREFIX + path if _BARE.fullmatch(path) else path)


def has_version_twice(path: str) -> bool:
    """Whether a base URL with `/v1` was given to a client that adds it: no API is there."""
    return meant_by(path).path.startswith("/v1/v1/")
