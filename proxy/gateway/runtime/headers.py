"""Which headers pass through, and which stay here. One table for each direction.

Hop-by-hop rules: RFC 9110 section 7.6.1; field-report 85.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final

from multidict import CIMultiDict

from proxy.dialects.wire.decoding import SUPPORTED_ENCODINGS

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""About one connection only, so they never cross a proxy."""

OURS: Final = ("x-cycles-", "x-budget-")
"""Prefixes of headers that are between the caller and us."""

CREDENTIALS: Final = frozenset({"authorization", "x-api-key"})

BAGGAGE_PREFIX: Final = "cycles."
"""Entries of the W3C baggage header that name a level: `cycles.agent=bot`."""

_NOT_UPSTREAM: Final = (
    HOP_BY_HOP | CREDENTIALS | {"host", "content-length", "expect", "accept-encoding"}
)
_NOT_TO_CLIENT: Final = HOP_BY_HOP | {"content-length"}


def upstream_headers(
    incoming: Iterable[tuple[str, str]], *, connection: str, accept_encoding: str
) -> CIMultiDict[str]:
    """What of the caller's headers goes to the upstream; credentials are added by `forward`.

    `connection` is the caller's Connection header: what it names is dropped as well.
    """
    dropped = _with_named(_NOT_UPSTREAM, connection)
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in incoming:
        lower = name.lower()
        if lower == "baggage":
            value = _without_our_entries(value)
        elif lower in dropped or lower.startswith(OURS):
            continue
        if value:
            kept.add(name, value)
    kept["Accept-Encoding"] = accept_encoding
    return kept


def client_headers(answer: Mapping[str, str]) -> CIMultiDict[str]:
    """What of the upstream's headers the caller sees. Lengths are set by whoever writes."""
    dropped = _with_named(_NOT_TO_CLIENT, answer.get("Connection", ""))
    return CIMultiDict(
        [
            (name, value)
            for name, value in answer.items()
            if (lower := name.lower()) not in dropped and not lower.startswith(OURS)
        ]
    )


@lru_cache(maxsize=64)
def readable_encodings(accept_encoding: str) -> str:
    """What the caller accepts and we can meter, `identity` when that is nothing."""
    offered = []
    for offer in accept_encoding.split(","):
        coding, _, parameters = offer.strip().partition(";")
        if coding.strip().lower() in SUPPORTED_ENCODINGS and parameters.replace(" ", "") != "q=0":
            offered.append(offer.strip())
    return ", ".join(offered) or "identity"


def _without_our_entries(baggage: str) -> str:
    return ",".join(
        entry for entry in baggage.split(",") if not entry.strip().startswith(BAGGAGE_PREFIX)
    )


def _with_named(dropped: frozenset[str], connection: str) -> frozenset[str]:
    """These, and what a Connection header names beside them."""
    if not connection or connection.lower() in ("keep-alive", "close"):
        return dropped
    return dropped | {name.strip().lower() for name in connection.split(",")}
