"""Which headers pass through, and which stay here. One table for each direction.

Hop-by-hop rules: RFC 9110 section 7.6.1; field-report 85. Cookies: RFC 6265 section 8.5, they
are told apart by host and not by port.
"""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Final

from multidict import CIMultiDict

from proxy.dialects.wire.decoding import SUPPORTED_ENCODINGS
from proxy.domain.key import KEY_PREFIX

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""About one connection only, so they never cross a proxy."""

_STAY_HERE: Final = ("x-cycles-", "x-budget-", "proxy-")
"""Prefixes of headers that are between the caller and us, or a proxy and the next one."""

AZURE_KEY: Final = "api-key"
"""The header of a credential in Azure's API, and in no other."""

CREDENTIALS: Final = frozenset({"authorization", "x-api-key", AZURE_KEY})

BAGGAGE_PREFIX: Final = "cycles."
"""Entries of the W3C baggage header that name a level: `cycles.agent=bot`."""

_NOT_UPSTREAM: Final = (
    HOP_BY_HOP | CREDENTIALS | {"host", "content-length", "expect", "accept-encoding", "cookie"}
)
"""A cookie of the caller's belongs to whatever else answers at this host."""

_NOT_TO_CLIENT: Final = HOP_BY_HOP | CREDENTIALS | {"content-length", "set-cookie"}
"""A cookie of the upstream's is part of our session there, and would be kept for this host."""


def upstream_headers(
    incoming: Collection[tuple[str, str]], *, accept_encoding: str
) -> CIMultiDict[str]:
    """What of the caller's headers goes to the upstream; credentials are added by `forward`."""
    dropped = _with_named(_NOT_UPSTREAM, incoming)
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in incoming:
        lower = name.lower()
        if lower in dropped or lower.startswith(_STAY_HERE):
            continue
        if lower == "baggage":
            value = _without_our_entries(value)
        if value.startswith(KEY_PREFIX):
            continue  # in a header in which nobody looks for it
        if value:
            kept.add(name, value)
    kept["Accept-Encoding"] = accept_encoding
    return kept


def client_headers(answer: Mapping[str, str]) -> CIMultiDict[str]:
    """What of the upstream's headers the caller sees. Lengths are set by whoever writes."""
    dropped = _with_named(_NOT_TO_CLIENT, answer.items())
    return CIMultiDict(
        [
            (name, value)
            for name, value in answer.items()
            if (lower := name.lower()) not in dropped and not lower.startswith(_STAY_HERE)
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


def _with_named(dropped: frozenset[str], headers: Collection[tuple[str, str]]) -> frozenset[str]:
    """These, and what any Connection header names beside them."""
    for name, value in headers:
        if name.lower() == "connection" and value.lower() not in ("keep-alive", "close"):
            dropped |= {option.strip().lower() for option in value.split(",")}
    return dropped
