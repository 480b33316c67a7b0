"""The key of a sub-budget: `cyc_sub_<reservation id>_<secret>`.

The secret follows from the parent's own and from a salt, so that a carve that is asked for
again gives the same key, and nobody has to store it: the salt stays in the ledger, which has
never seen the parent's secret, and the child knows neither.
"""

import hashlib
import hmac
import re
from typing import Final, NamedTuple

from proxy.domain.sub_budget import CHILD_KEY_PREFIX

_KEY: Final = re.compile(rf"{CHILD_KEY_PREFIX}(rsv_[0-9A-Za-z]{{1,64}})_([0-9a-f]{{64}})")


class ChildKey(NamedTuple):
    """A key taken apart."""

    reservation_id: str
    secret: str


def secret_of(parent_secret: str, salt: str) -> str:
    """The secret of a child: HMAC-SHA-256 in hexadecimal."""
    key = parent_secret.encode("utf-8", "surrogateescape")
    return hmac.new(key, salt.encode(), hashlib.sha256).hexdigest()


def hash_of(secret: str) -> str:
    """What is kept of a secret: its SHA-256 in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_secret_of(secret: str, kept_hash: str) -> bool:
    """Whether the hash is that of the secret, found out in the same time either way."""
    return hmac.compare_digest(hash_of(secret), kept_hash)


def written(key: ChildKey) -> str:
    """The key as callers send it."""
    return f"{CHILD_KEY_PREFIX}{key.reservation_id}_{key.secret}"


def parse(text: str) -> ChildKey | None:
    """The key that a caller sent; None for what cannot be one."""
    found = _KEY.fullmatch(text)
    return None if found is None else ChildKey(found[1], found[2])
