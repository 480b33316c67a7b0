"""Which node of a cluster has which keys.

Source: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/, "Key
distribution model" and "Hash tags"; https://redis.io/docs/latest/commands/cluster-slots/.
"""

import binascii
from typing import Any, Final

from proxy.ledger.redis.wire.address import Endpoint

SLOTS: Final = 16_384


def slot_of(key: str) -> int:
    """The slot of a key, which is that of its hash tag: what stands in its first braces."""
    start = key.find("{") + 1
    end = key.find("}", start)
    tag = key[start:end] if 0 < start < end else key
    return binascii.crc_hqx(tag.encode(), 0) % SLOTS


def read_owners(reply: Any, asked: Endpoint) -> list[Endpoint | None]:
    """The master of each slot, by number, from what `CLUSTER SLOTS` answers.

    A node that does not know its own name is the one that was asked. None: no master has
    the slot.

    Raises:
        ValueError: this is no such answer.
    """
    owners: list[Endpoint | None] = [None] * SLOTS
    try:
        for first, last, (host, port, *_), *_ in reply:
            name = host.decode() if host else ""
            if not 0 <= first <= last < SLOTS:
                raise ValueError("a slot that does not exist")
            owner = Endpoint(asked.host if name in ("", "?") else name, port)
            owners[first : last + 1] = [owner] * (last + 1 - first)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError("the store did not say which node has which keys") from error
    return owners
