"""Step 1. Who is calling: a subject, and what of its credential may go upstream.

Layers, outermost first: the sidecar's configuration, our key, the path prefix, headers,
W3C baggage. A key may fill any empty level; what comes with the call may fill only the
levels that are accepted. Nothing is ever widened: a level outside the list, or two layers
that disagree, is refused. Rules: docs/semantics.md, "Who is calling".
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import msgspec

from proxy.dialects.addresses import meant_by
from proxy.domain.errors import LedgerError, Reason, Refused
from proxy.domain.key import KEY_PREFIX, Key, KeyRing, Permission
from proxy.domain.scope import derive, encode_value
from proxy.domain.sub_budget import (
    CHILD_KEY_PREFIX,
    NOBODYS,
    UNLIMITED,
    Child,
    ChildKeys,
    Limits,
)
from proxy.domain.subject import LEVELS, PURSE, RUN, Subject
from proxy.gateway.runtime.headers import AZURE_KEY, BAGGAGE_PREFIX

_PATH_PREFIX = "/s/"
_SUBJECTS_REMEMBERED: Final = 4_096
_NAMEABLE = (*LEVELS, RUN)
_HEADER_LEVELS = {f"x-cycles-{level}": level for level in _NAMEABLE}


class CallKey(msgspec.Struct, frozen=True):
    """By what a call that its caller may send again is known to the ledger.

    `name` is for one call, `attempt` counts those of it that cost nothing, `payload_hash` is
    of its body. `nonce`: who it is that makes this attempt.
    """

    name: str
    attempt: int
    payload_hash: str
    nonce: str


class Caller(msgspec.Struct, frozen=True):
    """Who is calling, the path that was meant, and the credential that is not ours."""

    subject: Subject
    path: str
    """In the one form in which paths are known here: dialects/addresses.py."""
    foreign_credential: str | None
    limits: Limits = UNLIMITED
    """What the sub-budget that pays leaves open."""
    key: CallKey | None = None
    """None: this call is like no other."""
    deployment: str | None = None
    """The deployment of Azure's that the path names. It decides, whatever the body says."""
    foreign_azure_key: str | None = None
    """What came as `api-key` and is not ours."""


class Identifier:
    """The rules of identity of one sidecar."""

    def __init__(
        self,
        *,
        default: Mapping[str, str],
        accept: frozenset[str],
        trust_headers: bool,
        require_key: bool,
        keys: KeyRing,
        children: ChildKeys = NOBODYS,
    ) -> None:
        """`children`: the keys of sub-budgets."""
        self._children = children
        self._default = tuple(default.items())
        self._accept = accept
        self._trusts_headers = trust_headers
        self._requires_key = require_key
        self._keys = keys
        # An agent says the same of itself with every call.
        self._subject_of = lru_cache(_SUBJECTS_REMEMBERED)(self._merge)

    async def admit(self, path: str, headers: Sequence[tuple[str, str]]) -> Caller:
        """Work out the subject of a call, which may pay from a sub-budget.

        Raises:
            Refused: as `identify` says, what a stopped budget says, or AUTHORITY_UNAVAILABLE.
        """
        if not any(CHILD_KEY_PREFIX in value for _, value in headers):
            return self.identify(path, headers)
        sent = (_credential(name.lower(), value) for name, value in headers)
        secrets = {secret for secret in sent if secret is not None and _is_of_child(secret)}
        if not secrets:
            return self.identify(path, headers)
        if len(secrets) > 1:
            raise _two_keys()
        try:
            child = await self._children.find(secrets.pop())
        except LedgerError:
            raise Refused(
                Reason.AUTHORITY_UNAVAILABLE,
                "The budget ledger cannot be reached, so nothing was sent. Retry shortly.",
            ) from None
        if child is not None:
            child.check_goes_on()
        return self.identify(path, headers, child)

    def identify(
        self, path: str, headers: Iterable[tuple[str, str]], child: Child | None = None
    ) -> Caller:
        """Work out the subject of a call. `child`: the sub-budget whose key came with it.

        Raises:
            Refused: IDENTITY_REQUIRED, INVALID_KEY, IDENTITY_MISMATCH.
        """
        prefix, path = split_path(path)
        claims = list(prefix)
        credentials: list[tuple[str, str]] = []
        for name, value in headers:
            lower = name.lower()
            secret = _credential(lower, value)
            if secret is not None:
                credentials.append((lower, secret))
            elif self._trusts_headers and lower in _HEADER_LEVELS:
                claims.append((_HEADER_LEVELS[lower], _text(value)))
            elif self._trusts_headers and lower == "baggage":
                claims.extend(_from_baggage(_text(value)))
        key, theirs = self._tell_apart(credentials, None if child is None else child.key)
        if child is not None:
            fixed = (*child.key.subject.items(), *child.dimensions.items())
            subject = self._subject_of(self._default, fixed, tuple(claims))
        else:
            layers = (*self._default, *key.subject.items()) if key else self._default
            subject = self._subject_of(layers, (), tuple(claims))
        if key is not None:
            _check_may_call(key, subject)
        meant = meant_by(path)
        return Caller(
            subject,
            meant.path,
            next((secret for name, secret in theirs if name != AZURE_KEY), None),
            UNLIMITED if child is None else child.limits,
            deployment=meant.deployment,
            foreign_azure_key=dict(theirs).get(AZURE_KEY),
        )

    def _tell_apart(
        self, credentials: list[tuple[str, str]], of_child: Key | None
    ) -> tuple[Key | None, list[tuple[str, str]]]:
        """Our key among the credentials, by the name of their header; and those of others."""
        ours = of_child
        theirs = []
        for name, secret in credentials:
            if of_child is not None and _is_of_child(secret):
                continue
            key = self._keys.find(secret)
            if key is not None:
                if ours is not None and ours is not key:
                    raise _two_keys()
                ours = key
            elif secret.startswith(KEY_PREFIX):
                raise Refused(Reason.INVALID_KEY, "This budget key is not known here.")
            elif secret:
                theirs.append((name, secret))
        if ours is None and self._requires_key:
            raise Refused(
                Reason.IDENTITY_REQUIRED, "A budget key is required: send it as the bearer token."
            )
        return ours, theirs

    def _merge(
        self,
        layers: tuple[tuple[str, str], ...],
        fixed: tuple[tuple[str, str], ...],
        claims: tuple[tuple[str, str], ...],
    ) -> Subject:
        """One subject of all layers, or a refusal where they disagree.

        `fixed` are as subjects have them; of the others a value may have to be encoded.
        """
        merged = dict(fixed)
        originals: dict[str, str] = {}
        for number, (level, value) in enumerate([*layers, *claims]):
            if number >= len(layers) and level not in self._accept:
                raise Refused(
                    Reason.IDENTITY_MISMATCH,
                    f"A call may not name its {level}: accepted are "
                    f"{', '.join(sorted(self._accept)) or 'no levels'} (identity.accept).",
                )
            if not value.strip():
                raise Refused(Reason.IDENTITY_MISMATCH, f"The {level} of the call is empty.")
            encoded = value if level == RUN else encode_value(value)
            if merged.setdefault(level, encoded) != encoded:
                raise Refused(
                    Reason.IDENTITY_MISMATCH, f"Two sources of the call disagree on its {level}."
                )
            if encoded != value:
                originals[level] = value
        if "tenant" not in merged:
            raise Refused(
                Reason.IDENTITY_REQUIRED,
                "Nobody to charge: the call names no tenant and identity.default has none.",
            )
        for name in (RUN, PURSE):
            if name in merged:
                originals[name] = merged.pop(name)
        return Subject(**merged, dimensions=originals)


def _credential(name: str, value: str) -> str | None:
    """The secret in a header, whose name is in lower case; None where it is for something else."""
    if name == "authorization" and value[:7].lower() == "bearer ":
        return value[7:].strip()
    return value.strip() if name in ("x-api-key", AZURE_KEY) else None


def _is_of_child(secret: str) -> bool:
    return secret.startswith(CHILD_KEY_PREFIX)


def _two_keys() -> Refused:
    return Refused(Reason.IDENTITY_MISMATCH, "Two of our keys came with one call.")


def _check_may_call(key: Key, subject: Subject) -> None:
    if not key.may(Permission.RESERVATIONS_CREATE):
        raise Refused(
            Reason.IDENTITY_MISMATCH,
            f"The key {key.name} may not make calls: it lacks {Permission.RESERVATIONS_CREATE}.",
        )
    if not key.reaches(derive(subject)[-1]):
        raise Refused(
            Reason.IDENTITY_MISMATCH,
            f"The key {key.name} may not spend here: its scope_filter says where.",
        )


def split_path(path: str) -> tuple[tuple[tuple[str, str], ...], str]:
    """`/s/agent=bot,run=7/v1/models` is who is calling, and `/v1/models`.

    Raises:
        Refused: IDENTITY_MISMATCH, when the prefix names no level.
    """
    if not path.startswith(_PATH_PREFIX):
        return (), path
    named, slash, rest = path[len(_PATH_PREFIX) :].partition("/")
    claims = []
    for pair in named.split(","):
        level, equals, value = pair.partition("=")
        if not equals or level not in _NAMEABLE:
            raise Refused(
                Reason.IDENTITY_MISMATCH,
                f"The path prefix is /s/level=value,.../: levels are {', '.join(_NAMEABLE)}.",
            )
        claims.append((level, unquote(value)))
    return tuple(claims), slash + rest


def _text(value: str) -> str:
    """A header's value as text: UTF-8, else Latin-1, which RFC 9110 section 5.5 knows too.

    Bytes that are no UTF-8 arrive as lone surrogates, which cannot be written anywhere.
    """
    if value.isascii():
        return value
    sent = value.encode("utf-8", "surrogateescape")
    try:
        return sent.decode()
    except UnicodeDecodeError:
        return sent.decode("latin-1")


def _from_baggage(baggage: str) -> Iterator[tuple[str, str]]:
    """Our entries of a W3C baggage header. Source: www.w3.org/TR/baggage."""
    for entry in baggage.split(","):
        name, equals, value = entry.partition(";")[0].partition("=")
        level = name.strip().removeprefix(BAGGAGE_PREFIX)
        if equals and name.strip().startswith(BAGGAGE_PREFIX) and level in _NAMEABLE:
            yield level, unquote(value.strip())
