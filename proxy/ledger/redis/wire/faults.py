"""What can go wrong between us and a store, and what the ledger's callers see of it.

A Fault is about one attempt and says what may help. When nothing helps any more it becomes
a StoreError, which is a LedgerUnavailable.
"""

from dataclasses import dataclass
from enum import Enum, auto

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.redis.wire.address import Endpoint


class StoreError(LedgerUnavailable):
    """The store did not answer, or not with an answer.

    `may_have_applied`: whether the operation may have happened all the same. Either way the
    same key may be tried again.
    """

    def __init__(self, why: str, *, may_have_applied: bool = False) -> None:
        super().__init__(why)
        self.may_have_applied = may_have_applied


class StoreRefused(StoreError):
    """The store will not serve until its operator changes what the text says."""


class Remedy(Enum):
    """What to do about a fault."""

    SEND_SOURCE = auto()
    """The server does not know the script yet."""
    FOLLOW = auto()
    """Another node of the cluster owns the slot."""
    FOLLOW_ONCE = auto()
    """Another node of the cluster has this key, and will own the slot."""
    WAIT = auto()
    """The server is there and cannot work right now."""
    RECONNECT = auto()
    """The connection is gone, or leads to a server that may not be written to."""
    CHANGE_SERVER = auto()
    """Only its operator can help."""
    NONE = auto()
    """Nothing that we know of helps."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one attempt brought no answer.

    `target` is where the cluster sends us, for the remedies that follow; its host is empty
    when it is that of the node that said so.
    """

    why: str
    remedy: Remedy
    may_have_applied: bool = False
    target: Endpoint | None = None

    def error(self, *, may_have_applied: bool = False) -> StoreError:
        """This fault, for the callers of the ledger."""
        kind = StoreRefused if self.remedy is Remedy.CHANGE_SERVER else StoreError
        return kind(self.why, may_have_applied=self.may_have_applied or may_have_applied)


class AttemptFailed(Exception):
    """An attempt brought no answer, because of `fault`."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.why)
        self.fault = fault
