"""What this process asked lately, asked again when the store may have forgotten it.

A store that fails over loses what its replica had not heard of yet. So each proxy asks once
more, by the same keys, for all that it holds and for what it settled in the last moments:
what the store knows already changes nothing. No call is free then; a scope may be over by
at most the holds that were lost, and its balance shows it.

Source: docs/semantics.md, "Homes".
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, NamedTuple

from proxy.domain.errors import LedgerError, LedgerUnavailable, Refused
from proxy.ledger.redis.asking import Asker

_KEPT_MS: Final = 3_600_000
"""For how long after its lease an open hold is remembered that nobody settled here."""

_AT_ONCE: Final = 100

_STEPS: Final = frozenset({"dispatch", "grow", "extend", "mark_uncertain"})
_ENDS: Final = frozenset({"commit", "release", "charge_late"})
_ALONE: Final = frozenset({"apply", "fund", "remember", "set_status", "set_tenant_status"})


class _Asked(NamedTuple):
    name: str
    tenant: str
    request: Any


@dataclass(slots=True)
class _Held:
    """All that was asked about an open hold, until it is forgotten."""

    asked: list[_Asked]
    until_ms: int


class Failover:
    """Remembers what was asked. `now_ms` never steps back.

    `declare_again`: what has to stand before holds can.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        declare_again: Callable[[], Awaitable[None]],
        now_ms: Callable[[], int],
        replay_ms: int,
    ) -> None:
        self._asker = asker
        self._declare_again = declare_again
        self._now_ms = now_ms
        self._replay_ms = replay_ms
        self._seen = asker.possible_failovers
        self._asking_again = asyncio.Lock()
        self._held: OrderedDict[str, _Held] = OrderedDict()
        self._lately: deque[tuple[int, list[_Asked]]] = deque()

    def granted(self, tenant: str, request: dict[str, Any], body: Any) -> None:
        """A hold was made."""
        restore = {**request, "rung": body["rung"], "amounts": body["amounts"]}
        until_ms = self._now_ms() + body["left_ms"] + request["grace_ms"] + _KEPT_MS
        self._held[body["id"]] = _Held([_Asked("restore", tenant, restore)], until_ms)
        self._forget()

    def answered(self, name: str, tenant: str, hold: str, request: object, body: Any) -> None:
        """Something else was done; `hold` is empty where it is about none."""
        asked = _Asked(name, tenant, request)
        if name in _STEPS and hold in self._held:
            held = self._held[hold]
            held.asked.append(asked)
            if name == "extend":
                held.until_ms = self._now_ms() + body["left_ms"] + _KEPT_MS
                self._held.move_to_end(hold)
        elif name in _ENDS:
            held_before = self._held.pop(hold, None)
            before = held_before.asked if held_before is not None else []
            self._lately.append((self._now_ms(), [*before, asked]))
        elif name in _ALONE:
            self._lately.append((self._now_ms(), [asked]))
        self._forget()

    def ended(self, holds: Sequence[str]) -> None:
        """These were ended by expiry."""
        for hold in holds:
            self._held.pop(hold, None)

    def _forget(self) -> None:
        now_ms = self._now_ms()
        while self._lately and self._lately[0][0] < now_ms - self._replay_ms:
            self._lately.popleft()
        for hold, held in list(islice(self._held.items(), 2)):
            if held.until_ms < now_ms:
                del self._held[hold]

    @property
    def is_possible(self) -> bool:
        """Whether there may have been one since all was asked again."""
        return self._seen != self._asker.possible_failovers

    async def make_up(self) -> None:
        """Ask all of it again.

        Raises:
            LedgerUnavailable: not all of it could be asked; the next call tries again.
        """
        async with self._asking_again:
            if not self.is_possible:
                return
            seen = self._asker.possible_failovers
            await self._declare_again()
            asked = [*(held.asked for held in self._held.values()), *(e for _, e in self._lately)]
            for first in range(0, len(asked), _AT_ONCE):
                await asyncio.gather(*map(self._ask_again, asked[first : first + _AT_ONCE]))
            self._seen = seen

    async def _ask_again(self, asked: Sequence[_Asked]) -> None:
        """In their order: each needs what the one before did."""
        for name, tenant, request in list(asked):
            try:
                await self._asker.ask(name, tenant, request)
            except LedgerUnavailable:
                raise
            except (LedgerError, Refused):
                continue  # what it was about has changed since, and that was answered then
