"""Where a request goes below the base URL of its upstream, from the path as it is known here.

Azure has a deployment in the path of most calls, and a date as the version of its API; its
newer surface, below `/openai/v1`, is that of OpenAI. Sources:
https://learn.microsoft.com/azure/ai-services/openai/reference,
https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
"""

from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import quote

_OWN_PREFIX: Final = "/v1"
"""What stands in front of every path here, and in the base URL of the upstream."""

_VERSION: Final = "api-version"

_OF_DEPLOYMENTS: Final = ("/chat/completions", "/completions", "/embeddings", "/audio/", "/images/")
"""What Azure serves by deployment; all else names its model in the body."""

_UNDATED: Final = frozenset({"preview", "latest", "v1"})
"""The versions that the newer surface knows. It says no to dates."""


class Addressing(Protocol):
    """The way from paths here to paths there."""

    def target(self, path: str, query: str, model: str | None) -> str:
        """The request target below the base URL. `model` is what the upstream calls it."""
        ...


@dataclass(frozen=True, slots=True)
class PlainAddressing:
    """An upstream with the paths that are known here. A version of Azure's is not for it."""

    def target(self, path: str, query: str, model: str | None) -> str:
        return _with(path.removeprefix(_OWN_PREFIX), _without_version(query))


@dataclass(frozen=True, slots=True)
class AzureAddressing:
    """Azure, by deployments or (`is_v1`) by its newer surface.

    `api_version` is for calls that name none; empty, such calls name none there either.
    """

    is_v1: bool
    api_version: str = ""

    def target(self, path: str, query: str, model: str | None) -> str:
        rest = path.removeprefix(_OWN_PREFIX)
        if not self.is_v1 and model is not None and rest.startswith(_OF_DEPLOYMENTS):
            rest = f"/deployments/{quote(model, safe='')}{rest}"
        return _with(rest, self._versioned(query))

    def _versioned(self, query: str) -> str:
        asked = [pair for pair in query.split("&") if _is_version(pair)]
        if self.is_v1:
            asked = [pair for pair in asked if pair.partition("=")[2] in _UNDATED]
        if not asked and self.api_version:
            asked = [f"{_VERSION}={self.api_version}"]
        return "&".join(filter(None, (*asked[:1], _without_version(query))))


PLAIN: Final = PlainAddressing()


def _with(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def _is_version(pair: str) -> bool:
    return pair.partition("=")[0] == _VERSION


def _without_version(query: str) -> str:
    if _VERSION not in query:
        return query
    return "&".join(pair for pair in query.split("&") if not _is_version(pair))
