"""How the way to an upstream is written: files, commands, a proxy, deployments."""

from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from proxy.config.sections.base import Accepts, invalid
from proxy.config.sections.values import ModelName

FileName = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00]{1,4096}$"),
    Accepts("the path of a file; a relative one is the working directory's", "/run/secrets/openai"),
]
"""A file that the proxy reads."""

PemFile = Annotated[
    str,
    StringConstraints(pattern=r"^[^\x00]{1,4096}$"),
    Accepts("the path of a PEM file; a relative one is the working directory's", "/etc/ssl/my.pem"),
]
"""Certificates, or a key."""

Command = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")], ...],
    Field(min_length=1),
    Accepts(
        "a program and its arguments, as a list; no shell reads them",
        '["vault", "read", "-field=key", "secret/openai"]',
    ),
]
"""A program to run."""


def _check_proxy(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    try:
        parts = urlsplit(url)
        known = parts.scheme == "http" and bool(parts.hostname) and parts.port != 0
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    except ValueError:
        known, pair = False, ""
    if not known or not all("!" <= c <= "~" and c != "\\" for c in url):
        raise invalid("not an http:// address")
    if parts.path.strip("/") or "?" in url or "#" in url:
        raise invalid("more than a host and a port, which is all that a proxy has")
    if not pair.isprintable():
        raise invalid("characters in its user or password that no credential has")
    return value


ProxyUrl = Annotated[
    SecretStr,
    AfterValidator(_check_proxy),
    Accepts(
        "http://host:port, or http://user:password@host:port with both percent-encoded",
        '"http://${PROXY_USER:-me}:${PROXY_PASSWORD:-}@proxy.internal:3128"',
    ),
]
"""An HTTP proxy, perhaps with credentials."""

DeploymentName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$"),
    Accepts("1 to 128 characters of A-Z a-z 0-9 _ . -", "my-gpt4o"),
]
"""A deployment, as Azure names them."""

Deployments = Annotated[
    dict[DeploymentName, ModelName],
    Accepts("a map of deployment to the model that it is of", "{my-gpt4o: gpt-4o}"),
]

ApiVersion = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9.-]{1,64}$"),
    Accepts("a version of Azure's API", '"2024-10-21"'),
]
"""What Azure wants as `api-version`."""
