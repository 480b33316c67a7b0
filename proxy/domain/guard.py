"""Who may knock at our ports: a page in a browser must not spend through them.

Source: docs/semantics.md, "Who is calling".
"""

from dataclasses import dataclass

from proxy.domain.errors import Reason, Refused


@dataclass(frozen=True, slots=True)
class Guard:
    """Hosts we answer to, and origins of web pages that may call."""

    allowed_hosts: frozenset[str]
    allowed_origins: frozenset[str]

    def check(self, host: str | None, origin: str | None) -> None:
        """Refuse a foreign Host (DNS rebinding) and a web page that spends through us.

        Raises:
            Refused: HOST_NOT_ALLOWED, ORIGIN_NOT_ALLOWED.
        """
        if host is None or _host_name(host) not in self.allowed_hosts:
            raise Refused(
                Reason.HOST_NOT_ALLOWED,
                "This Host is not one the proxy answers to: add it to listen.allowed_hosts.",
            )
        if origin is not None and origin.lower() not in self.allowed_origins:
            raise Refused(
                Reason.ORIGIN_NOT_ALLOWED,
                "Calls from web pages are not allowed: add the origin to listen.allowed_origins.",
            )


def _host_name(host: str) -> str:
    """The Host header without its port; IPv6 addresses without their brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
