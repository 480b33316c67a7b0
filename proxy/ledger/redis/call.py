"""One operation on its way to the store: its request, and when it is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Final

from proxy.ledger.redis.script import Script
from proxy.ledger.redis.wire.connection import pack
from proxy.ledger.redis.wire.faults import Fault, Remedy, StoreError

Argument = str | int | bytes

_HOPS_MAX: Final = 5
"""A cluster that sends an operation on more often does not know who has the key."""

_ASKING: Final = pack("ASKING")


class Step(Enum):
    """What to do after an attempt has failed."""

    AGAIN = auto()
    """At once, on the same connection."""
    FOLLOW = auto()
    """At once, at the node that the fault names."""
    RECONNECT = auto()
    """At once, on another connection."""
    WAIT = auto()
    """After a short while, wherever the key is then."""
    GIVE_UP = auto()


@dataclass(slots=True)
class Call:
    """A script with its keys and arguments, due at `due_ms`, and what its attempts taught.

    `is_late`: time has passed since it was asked for.

    A fault that can be told from the reply alone costs no try: the server has done nothing
    and said what it wants instead. Otherwise there is one more.
    """

    script: Script
    keys: Sequence[str]
    args: Sequence[Argument]
    due_ms: int
    is_late: bool = False
    sends_source: bool = False
    follows_once: bool = False
    may_have_applied: bool = False
    _tries_left: int = 1
    _hops: int = 0

    @property
    def replies(self) -> int:
        """How many replies the request has; the last is the operation's."""
        return 2 if self.follows_once else 1

    def request(self, known_scripts: set[str]) -> bytes:
        """The request, for a server that was sent these scripts (by digest) before.

        EVAL leaves the script with the server as SCRIPT LOAD does, and needs no reply more.

        Raises:
            TypeError, ValueError: an argument that has no place in a request.
        """
        sha1 = self.script.sha1
        is_known = sha1 in known_scripts and not self.sends_source
        command = ("EVALSHA", sha1) if is_known else ("EVAL", self.script.source)
        packed = pack(*command, len(self.keys), *self.keys, *self.args)
        known_scripts.add(sha1)
        return _ASKING + packed if self.follows_once else packed

    def learn(self, fault: Fault) -> Step:
        """What to do after this fault."""
        self.is_late = True
        self.follows_once = False
        self.may_have_applied |= fault.may_have_applied
        match fault.remedy:
            case Remedy.SEND_SOURCE if not self.sends_source:
                self.sends_source = True
                return Step.AGAIN
            case Remedy.FOLLOW | Remedy.FOLLOW_ONCE if self._hops < _HOPS_MAX:
                self._hops += 1
                self.follows_once = fault.remedy is Remedy.FOLLOW_ONCE
                return Step.FOLLOW
            case Remedy.RECONNECT | Remedy.WAIT if self._tries_left:
                self._tries_left -= 1
                return Step.WAIT if fault.remedy is Remedy.WAIT else Step.RECONNECT
            case _:
                return Step.GIVE_UP

    def error(self, fault: Fault) -> StoreError:
        """What the caller is told when this fault is the last."""
        told = replace(fault, why=self.script.locate(fault.why))
        return told.error(may_have_applied=self.may_have_applied)
