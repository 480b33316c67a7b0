"""How often a run has called a tool: counted from answers, shared by all proxies of a ledger.

The k-th call of a tool in a run takes slot k: an answer that the ledger remembers, the first one
for good. The last slot says that the tool was called as often as it may be.
Reasons: docs/decisions/tools-as-actions.md.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from proxy.dialects.dialect import Tool
from proxy.domain.errors import IdempotencyMismatch, LedgerError
from proxy.domain.scope import encode_value
from proxy.domain.subject import RUN, Subject
from proxy.gateway.tools.listed import ListedTool, ListedTools
from proxy.ledger.protocol import Ledger
from proxy.observe.logs import Log

REMEMBERED_MS: Final = 48 * 3_600_000
"""How long a call counts at least: longer than a run that works every day sleeps."""

_PAYLOAD: Final = "a call of a tool"


class _Run(NamedTuple):
    """A run, and whose."""

    tenant: str
    run: str

    @classmethod
    def of(cls, subject: Subject) -> "_Run | None":
        """The run of a subject, if it names one."""
        run = subject.dimensions.get(RUN)
        if run is None or subject.tenant is None:
            return None
        return cls(subject.tenant, encode_value(run))

    def key_of(self, tool: str, slot: int) -> str:
        """The key of a slot, which no client of the ledger uses by chance."""
        named = "\n".join((self.run, tool, str(slot)))
        return f"tool-call/{hashlib.sha256(named.encode()).hexdigest()}"


class RunCounts:
    """Counts the calls of tools that may be called so often in a run, and no oftener."""

    def __init__(self, tools: ListedTools, ledger: Ledger, log: Log) -> None:
        self._tools = tools
        self._ledger = ledger
        self._log = log

    async def used_up(self, tools: Iterable[Tool], subject: Subject) -> frozenset[str]:
        """Those of these tools that the run of this subject may not call any more.

        None without a run.

        Raises:
            LedgerError: nobody can say.
        """
        run = _Run.of(subject)
        if run is None:
            return frozenset()
        gone = [
            tool.name
            for tool in self._tools.among(tools)
            if (most := tool.rule.max_calls_per_run) is not None
            and await self._is_taken(run, tool.name, most)
        ]
        return frozenset(gone)

    async def count(
        self,
        listed: Iterable[ListedTool],
        calls: Mapping[str, int],
        subject: Subject,
        *,
        name: str,
    ) -> None:
        """An answer called these tools so often; `name` is like that of no other answer.

        What the ledger cannot take in now is told in the log, and not counted.
        """
        run = _Run.of(subject)
        if run is None:
            return
        for tool in listed:
            most, times = tool.rule.max_calls_per_run, calls.get(tool.name, 0)
            if most is None or not times:
                continue
            try:
                await self._take(run, tool.name, most, [f"{name}/{nth}" for nth in range(times)])
            except LedgerError:
                self._log.line("tool_calls_uncounted", tenant=run.tenant, run=run.run, calls=times)

    async def _take(self, run: "_Run", tool: str, most: int, names: Iterable[str]) -> None:
        """Take the next free slots, one for each name, as long as there are any."""
        slot = await self._first_free(run, tool, most)
        for name in names:
            while slot <= most and not await self._takes(run, tool, slot, name):
                slot += 1
            slot += 1

    async def _first_free(self, run: "_Run", tool: str, most: int) -> int:
        """The first slot that may be free: they are taken in order. Past the last, none is."""
        low, high = 1, most + 1
        while low < high:
            middle = (low + high) // 2
            if await self._is_taken(run, tool, middle):
                low = middle + 1
            else:
                high = middle
        return low

    async def _is_taken(self, run: "_Run", tool: str, slot: int) -> bool:
        try:
            found = await self._ledger.recall(run.tenant, run.key_of(tool, slot), _PAYLOAD)
        except IdempotencyMismatch:
            return True
        return found is not None

    async def _takes(self, run: "_Run", tool: str, slot: int, name: str) -> bool:
        """Whether the slot is this call's; asked again after a lost answer, it still is."""
        key = run.key_of(tool, slot)
        try:
            first = await self._ledger.remember(
                run.tenant, key, _PAYLOAD, name, keep_ms=REMEMBERED_MS
            )
        except IdempotencyMismatch:
            return False
        return first == name
