"""Puts together what calls go out by: each upstream of a configuration, and the way to it."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

from pricing.catalogue import provider_of
from proxy.config.model import Config
from proxy.config.sections.retries import RetriesConfig
from proxy.config.sections.upstreams import KeyMode, UpstreamConfig
from proxy.domain.clock import Clock
from proxy.gateway.attempts.retries import RetryRules
from proxy.gateway.forward import Forwarder, Upstream
from proxy.gateway.routes import Route, Routes
from proxy.gateway.upstream.addressing import PLAIN, Addressing, AzureAddressing
from proxy.gateway.upstream.credential import AZURE, Credential, CredentialMode, Secret
from proxy.gateway.upstream.dial import http_proxy
from proxy.gateway.upstream.pool import HttpUpstream, UpstreamTimeouts
from proxy.gateway.upstream.secrets import GivenSecret, SecretCommand, SecretFile
from proxy.gateway.upstream.tls import client_context
from proxy.gateway.websocket.client import WebSocketClient
from proxy.gateway.websocket.forwarders import SocketRoute
from proxy.gateway.websocket.line import LineTimeouts


def open_upstream(upstream: UpstreamConfig, config: Config) -> HttpUpstream:
    """One of the upstreams of a configuration.

    Raises:
        OSError: a file of TLS cannot be used any more.
    """
    proxy = upstream.http_proxy
    return HttpUpstream(
        upstream.base_url,
        timeouts=UpstreamTimeouts(
            connect_ms=upstream.connect_timeout_ms,
            response_ms=upstream.response_timeout_ms,
            idle_ms=upstream.idle_timeout_ms,
        ),
        max_connections=upstream.max_connections or config.limits.max_connections,
        tls=client_context(upstream.ca_file, upstream.client_cert_file, upstream.client_key_file),
        proxy=http_proxy(proxy.get_secret_value()) if proxy is not None else None,
    )


def forwarder_of(upstream: UpstreamConfig, way: Upstream, clock: Clock) -> Forwarder:
    """What sends calls to an upstream of a configuration, by this way."""
    addressing: Addressing = PLAIN
    if upstream.api == AZURE:
        addressing = AzureAddressing(upstream.is_v1, upstream.api_version or "")
    mode = CredentialMode(upstream.key_mode)
    secret = secret_of(upstream, clock) if mode is CredentialMode.SECRET else None
    return Forwarder(way, Credential(mode, secret, upstream.api), addressing)


def socket_routes_of(
    config: Config, forwarders: Mapping[str, Forwarder]
) -> Mapping[str, SocketRoute]:
    """The upstreams that take WebSockets, by name.

    Raises:
        OSError: as `open_upstream`.
    """
    return {
        each.name: SocketRoute(
            forwarders[each.name],
            _socket_client(each),
            LineTimeouts(each.response_timeout_ms, each.idle_timeout_ms),
        )
        for each in config.upstreams
        if each.websockets
    }


def _socket_client(upstream: UpstreamConfig) -> WebSocketClient:
    proxy = upstream.http_proxy
    return WebSocketClient(
        upstream.base_url,
        upstream.connect_timeout_ms,
        proxy.get_secret_value() if proxy is not None else "",
        client_context(upstream.ca_file, upstream.client_cert_file, upstream.client_key_file),
    )


def routes_of(config: Config) -> Routes:
    """Where the models of a configuration are served."""
    return Routes([_route(upstream) for upstream in config.upstreams])


def secret_of(upstream: UpstreamConfig, clock: Clock) -> Secret:
    """What goes to an upstream as its secret, from wherever it is kept."""
    if upstream.api_key is not None:
        return GivenSecret(upstream.api_key.get_secret_value())
    if upstream.api_key_file is not None:
        return SecretFile(Path(upstream.api_key_file))
    return SecretCommand(
        upstream.api_key_command or (),
        ttl_ms=upstream.api_key_ttl_ms,
        timeout_ms=upstream.connect_timeout_ms,
        monotonic_ns=clock.monotonic_ns,
    )


def _route(upstream: UpstreamConfig) -> Route:
    return Route(
        name=upstream.name,
        api=upstream.api,
        models=upstream.models,
        provider=_provider(upstream),
        multiplier=Fraction(upstream.price_multiplier),
        auto_tier=upstream.service_tier,
        has_credential=upstream.key_mode is not KeyMode.MISSING,
        retries=_retry_rules(upstream.retries),
        fallback=upstream.fallback,
        deployments=upstream.deployments,
    )


def _provider(upstream: UpstreamConfig) -> str:
    """Whose list prices hold there. Azure sells OpenAI's models, at OpenAI's prices."""
    if upstream.api == AZURE:
        return "openai"
    return provider_of(upstream.base_url) or upstream.api


def _retry_rules(retries: RetriesConfig) -> RetryRules:
    return RetryRules(
        max_attempts=retries.max_attempts,
        statuses=frozenset(retries.statuses),
        after_no_status=retries.after_no_status,
        backoff_ms=retries.backoff_ms,
        max_wait_ms=retries.max_wait_ms,
    )
