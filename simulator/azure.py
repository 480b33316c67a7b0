"""The upstream as Azure has it: deployments in place of models, and a version with each call.

    /openai/deployments/{name}/chat/completions?api-version=…   and others by deployment
    /openai/responses?api-version=…                             and others with it in the body
    /openai/v1/…                                                the newer API, without dates

Sources: https://learn.microsoft.com/azure/ai-services/openai/reference,
https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
"""

import re
from collections.abc import Mapping

import msgspec
from aiohttp import web

from simulator.errors import ApiError
from simulator.fields import read_object

KEY_HEADER = "api-key"

_BY_DEPLOYMENT = re.compile(
    r"/openai/deployments/(?P<name>[^/]+)"
    r"(?P<rest>/(?:chat/completions|completions|embeddings|images/.+|audio/.+))"
)
_UNDATED = frozenset({"preview", "latest", "v1"})


class Azure:
    """Reads requests of Azure's as those that the APIs here know."""

    def __init__(self, deployments: Mapping[str, str]) -> None:
        """`deployments`: each with the model that it is of."""
        self._deployments = deployments

    def path_of(self, path: str) -> str:
        """The path of the API that is meant; what is not Azure's leads nowhere."""
        if path.startswith("/simulator/"):
            return path
        named = _BY_DEPLOYMENT.fullmatch(path)
        if named is not None:
            return f"/v1{named['rest']}"
        if path.startswith("/openai/v1/"):
            return path.removeprefix("/openai")
        rest = path.removeprefix("/openai")
        known = rest != path and rest.startswith(("/responses", "/models"))
        return f"/v1{rest}" if known else ""

    def body_of(self, request: web.Request, body: bytes) -> bytes:
        """The body with the model in the place of its deployment.

        Raises ApiError: there is no such deployment, or no version of the API is named.
        """
        version = request.query.get("api-version")
        is_v1 = request.path.startswith("/openai/v1/")
        if (version not in (None, *_UNDATED)) if is_v1 else (not version or version in _UNDATED):
            raise ApiError(404, "This version of the API is not known here.", "404")
        if request.method != "POST" or request.content_type == "multipart/form-data":
            return body
        fields = read_object(body)
        named = _BY_DEPLOYMENT.fullmatch(request.path)
        name = named["name"] if named is not None else fields.get("model")
        if not isinstance(name, str) or name not in self._deployments:
            raise ApiError(404, "There is no deployment of that name.", "DeploymentNotFound")
        return msgspec.json.encode({**fields, "model": self._deployments[name]})
