"""A ledger beside which its process dies, or that is away, at one operation."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, cast

from proxy.domain.errors import LedgerUnavailable
from proxy.ledger.sqlite.ledger import SqliteLedger


class Killed(BaseException):
    """The process is no more: nothing that it has begun goes on."""


class Fault(Enum):
    """What happens at the operation, and whether it is done."""

    KILLED_BEFORE = "killed before"
    KILLED_AFTER = "killed after"
    AWAY = "away"
    REPLY_LOST = "reply lost"


@dataclass
class Faulty:
    """Hurts the operation of this number, from 0. `was_hurt` says whether it came to that."""

    ledger: SqliteLedger
    at: int
    fault: Fault
    asked: int = 0
    was_hurt: bool = False

    def as_ledger(self) -> SqliteLedger:
        return cast(SqliteLedger, self)

    def __getattr__(self, name: str) -> Any:
        operation: Callable[..., Any] = getattr(self.ledger, name)

        async def hurt(*arguments: Any, **named: Any) -> Any:
            number, self.asked = self.asked, self.asked + 1
            if number != self.at:
                return await operation(*arguments, **named)
            self.was_hurt = True
            if self.fault in (Fault.KILLED_AFTER, Fault.REPLY_LOST):
                await operation(*arguments, **named)
            if self.fault in (Fault.KILLED_BEFORE, Fault.KILLED_AFTER):
                raise Killed
            raise LedgerUnavailable

        return hurt
