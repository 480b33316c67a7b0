"""Who is meant: the subject of a request as a ledger knows it, and back."""

from collections.abc import Mapping

from msgspec import UNSET

from proxy.cycles_wire import schemas
from proxy.domain.scope import encode_value
from proxy.domain.subject import PURSE, STEPS, Subject


def subject_of(wire: schemas.Subject, *, tenant: str | None = None) -> Subject:
    """The subject with its levels as scopes have them, and its dimensions as they were sent.

    `tenant` stands in where the request names none. What was sent is not in the result where
    it had to be encoded: keep the wire's subject beside it.

    Raises:
        ValueError: a level that is empty, or nothing but spaces; a dimension that only
            the key of a sub-budget, or a policy, gives.
    """
    for name in (PURSE, STEPS):
        if wire.dimensions is not UNSET and name in wire.dimensions:
            raise ValueError(f"The dimension {name} of the subject is not for clients to name.")
    levels = {level: _encoded(level, value) for level, value in wire.levels().items()}
    if tenant is not None:
        levels.setdefault("tenant", _encoded("tenant", tenant))
    dimensions = {} if wire.dimensions is UNSET else dict(wire.dimensions)
    return Subject(**levels, dimensions=dimensions)


def wire_subject(subject: Subject) -> schemas.Subject:
    """The subject for the wire, as scopes have its levels."""
    return named_subject(dict(subject.levels()), subject.dimensions)


def named_subject(levels: Mapping[str, str], dimensions: Mapping[str, str]) -> schemas.Subject:
    """A subject of these levels, by their names; no dimensions are left out."""
    return schemas.Subject(**levels, dimensions=dict(dimensions) if dimensions else UNSET)


def _encoded(level: str, value: str) -> str:
    if not value.strip():
        raise ValueError(f"The {level} of the subject is empty.")
    return encode_value(value)
