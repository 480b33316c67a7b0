"""What stands in the way to upstreams: unusable files, loops, others that go before."""

import os
import ssl
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from pricing.catalogue import provider_of
from proxy.config.findings import Finding, Path
from proxy.config.model import Config
from proxy.config.sections.upstreams import KeyMode, UpstreamConfig
from proxy.config.sections.values import Address

_USUAL_PORTS: Final = {"http": 80, "https": 443}
_AZURE: Final = "azure"


def loops(config: Config) -> Iterator[Finding]:
    """Upstreams that are this proxy itself, or are reached through it."""
    listen = config.listen
    listeners = {
        "listen.proxy": listen.proxy,
        "listen.authority": listen.authority,
        "listen.admin": listen.admin,
    }
    for number, upstream in enumerate(config.upstreams):
        places = {"base_url": upstream.base_url}
        if upstream.http_proxy is not None:
            places["http_proxy"] = upstream.http_proxy.get_secret_value()
        for key, url in places.items():
            for name, listener in listeners.items():
                if _is_at(url, listener):
                    problem = f"is {name} itself: calls would go round in a circle"
                    yield Finding(("upstreams", number, key), problem)
    seen: dict[Address, str] = {}
    for name, listener in listeners.items():
        first = seen.setdefault(listener, name)
        if first != name and listener.port != 0:
            yield Finding(tuple(name.split(".")), f"the same address as {first}")


def unusable_stand_ins(config: Config) -> Iterator[Finding]:
    """Upstreams that could not take a call in place of the one that names them."""
    by_name = {upstream.name: upstream for upstream in config.upstreams}
    for number, upstream in enumerate(config.upstreams):
        for place, name in enumerate(upstream.fallback):
            path: Path = ("upstreams", number, "fallback", place)
            other = by_name.get(name)
            if other is None:
                yield Finding(path, "no upstream has this name", ", ".join(by_name))
            elif other is upstream:
                yield Finding(path, "this upstream itself: see retries.max_attempts")
            elif _bodies_of(other) != _bodies_of(upstream):
                yield Finding(path, f"speaks {other.api}: it cannot take a call of {upstream.api}")


def doubtful_stand_ins(config: Config) -> Iterator[Finding]:
    """Upstreams that would be shown what callers brought for another one."""
    by_name = {upstream.name: upstream for upstream in config.upstreams}
    for number, upstream in enumerate(config.upstreams):
        for place, name in enumerate(upstream.fallback):
            if by_name[name].key_mode is KeyMode.PASSTHROUGH:
                path: Path = ("upstreams", number, "fallback", place)
                yield Finding(path, "is sent what callers bring for this one (passthrough)")


def idle_upstreams(config: Config) -> Iterator[Finding]:
    """Upstreams that no model is sent to: one before them matches all that they serve."""
    stand_ins = {name for upstream in config.upstreams for name in upstream.fallback}
    for number, upstream in enumerate(config.upstreams):
        before = config.upstreams[:number]
        is_idle = upstream.name not in stand_ins and not upstream.deployments
        if is_idle and all(_is_matched(models, before) for models in upstream.models):
            problem = "no call for a model comes here: upstreams before it match all of these"
            yield Finding(("upstreams", number, "models"), problem, "put it before them")


def _is_matched(models: str, upstreams: Iterable[UpstreamConfig]) -> bool:
    """Whether each name that a wildcard stands for is matched by one of these upstreams.

    A `?` is no match for a `*`; what is not known to be matched is not.
    """
    patterns = (pattern for upstream in upstreams for pattern in upstream.models)
    return any(
        pattern == models or (fnmatchcase(models, pattern) and not set("?[") & set(pattern))
        for pattern in patterns
    )


def _bodies_of(upstream: UpstreamConfig) -> str:
    """Whose requests it takes: Azure takes those of OpenAI's API."""
    return "openai" if upstream.api == _AZURE else upstream.api


def unusable_pem_files(config: Config) -> Iterator[Finding]:
    """Files of TLS without which no connection would come about."""
    for number, upstream in enumerate(config.upstreams):
        yield from _pem_findings(("upstreams", number), upstream)


def unreadable_key_files(config: Config) -> Iterator[Finding]:
    """Files with a credential that are not there yet. They may come while the proxy runs."""
    for number, upstream in enumerate(config.upstreams):
        if upstream.api_key_file is not None:
            why = _cannot_be_read(upstream.api_key_file)
            if why is not None:
                path: Path = ("upstreams", number, "api_key_file")
                yield Finding(path, f"{why}: calls will be refused with 503")


def doubtful_azure(config: Config) -> Iterator[Finding]:
    """Upstreams at Azure that are not told all that Azure wants to hear."""
    for number, upstream in enumerate(config.upstreams):
        if upstream.api == _AZURE and upstream.api_version is None and not upstream.is_v1:
            path: Path = ("upstreams", number, "api_version")
            yield Finding(path, "missing: Azure refuses calls that name none, as OpenAI's do")
        elif upstream.api == "openai" and provider_of(upstream.base_url) == _AZURE:
            path = ("upstreams", number, "api")
            yield Finding(path, "openai, at an address of Azure's", "azure")


def is_this_machine(host: str) -> bool:
    """Whether a host is a loopback address, or all addresses of the machine."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_at(url: str, listener: Address) -> bool:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if (parts.port or _USUAL_PORTS[parts.scheme]) != listener.port:
        return False
    return host == listener.host.lower() or (
        is_this_machine(host) and is_this_machine(listener.host)
    )


def _pem_findings(at: Path, upstream: UpstreamConfig) -> Iterator[Finding]:
    unreadable = False
    for key in upstream.pem_files:
        why = _cannot_be_read(getattr(upstream, key))
        if why is not None:
            unreadable = True
            yield Finding((*at, key), why)
    if unreadable:
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if upstream.ca_file is not None:
            context.load_verify_locations(cafile=upstream.ca_file)
    except ssl.SSLError:
        yield Finding((*at, "ca_file"), "holds no certificates that can be read")
    if upstream.client_cert_file is not None:
        own = upstream.client_cert_file
        try:
            context.load_cert_chain(own, upstream.client_key_file, password=lambda: b"")
        except (ssl.SSLError, ValueError):
            problem = "and its key are not a pair that can be read (an encrypted key cannot)"
            yield Finding((*at, "client_cert_file"), problem)


def _cannot_be_read(file: str) -> str | None:
    """Why not; None where it can."""
    try:
        with open(file, "rb") as opened:
            opened.read(1)
    except OSError as failure:
        return os.strerror(failure.errno).lower() if failure.errno else "it cannot be read"
    return None
