"""One question to the books of one tenant: a script, and the windows that it wants to know.

A script takes the time from the store and knows no time zones. When an operation needs a
window of the calendar it answers WRONG_WINDOW; it is told, and asked again.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

import msgspec

from proxy.domain.errors import LedgerUnavailable
from proxy.domain.period import parse_period, window_at
from proxy.ledger.redis.answers import refuse
from proxy.ledger.redis.layout import TENANTS, budgets_key
from proxy.ledger.redis.script import Script, assemble
from proxy.ledger.redis.store import Store

_NAMES: Final = (
    "calls/apply",
    "calls/balances",
    "calls/charge_late",
    "calls/commit",
    "calls/decide",
    "calls/dispatch",
    "calls/extend",
    "calls/grow",
    "calls/mark_uncertain",
    "calls/recall",
    "calls/release",
    "calls/remember",
    "calls/reserve",
    "calls/restore",
    "operators/all_balances",
    "operators/audit",
    "operators/count_uncertain",
    "operators/fund",
    "operators/ids",
    "operators/journal",
    "operators/reservations",
    "operators/set_status",
    "operators/set_tenant_status",
    "operators/tenant_status",
    "operators/tenants",
    "upkeep/declare",
    "upkeep/expire",
    "upkeep/prune_answers",
    "upkeep/prune_entries",
    "upkeep/prune_rows",
    "upkeep/prune_windows",
    "upkeep/seal",
    "upkeep/sealed",
)
_TRIES_MAX: Final = 5
"""Windows end while they are worked out: once is rare, and more often nothing helps."""

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode


class Read(Protocol):
    """A file of `lua/`, by its path there."""

    def __call__(self, path: str) -> str: ...


def assemble_all(read: Read | None = None) -> Mapping[str, Script]:
    """The scripts of the ledger by the last part of their names."""
    scripts = [assemble(name, read) if read else assemble(name) for name in _NAMES]
    return MappingProxyType({script.name.rpartition("/")[2]: script for script in scripts})


class Asker:
    """Puts questions to a store.

    `on_leap`: told by how many milliseconds the store's clock is ahead of a tenant's last
    change, where that is more than an hour, and open holds have kept one more lease.
    """

    def __init__(
        self,
        store: Store,
        scripts: Mapping[str, Script],
        *,
        on_leap: Callable[[int], None] = lambda leap_ms: None,
    ) -> None:
        self._store = store
        self._scripts = scripts
        self._on_leap = on_leap

    async def ask(self, name: str, tenant: str, request: object, *, what: str = "") -> Any:
        """What this script answers to this request. `what` it is about, for its refusals.

        Raises:
            LedgerUnavailable, and whatever a refusal means.
        """
        packed = request if isinstance(request, str) else _encode(request)
        keys = [budgets_key(tenant)]
        windows = b""
        needs: dict[tuple[str, int], None] = {}
        for _ in range(_TRIES_MAX):
            script = self._scripts[name]
            code, body, beside, leap_ms = await self._store.run(script, keys, [packed, windows])
            if leap_ms:
                self._on_leap(leap_ms)
            answer = _decode(body)
            if code == b"OK":
                return {**answer, **_decode(beside)} if beside else answer
            if code != b"WRONG_WINDOW":
                refuse(code.decode(), answer, what)
            needs.update(dict.fromkeys((n["period"], n["after_ms"]) for n in answer["needs"]))
            windows = _encode([_window(*need, now_ms=answer["now_ms"]) for need in needs])
        raise LedgerUnavailable("the clock of the store runs faster than its windows can be told")

    @property
    def possible_failovers(self) -> int:
        """Grows when the store may have forgotten its last moments."""
        return self._store.possible_failovers

    async def remember(self, tenant: str) -> None:
        """Say that this tenant has books."""
        await self._store.run(self._scripts["tenants"], [TENANTS], ["remember", tenant])

    async def tenants(self) -> list[str]:
        """Whose books there are, sorted."""
        found = await self._store.run(self._scripts["tenants"], [TENANTS], ["tell"])
        return sorted(tenant.decode() for tenant in found)

    async def has_row(self, tenant: str, reservation_id: str) -> bool:
        """Whether a row is in the books of this tenant."""
        keys = [budgets_key(tenant)]
        args = ["has", reservation_id]
        (count,) = await self._store.run(self._scripts["tenants"], keys, args)
        return bool(count)

    async def close(self) -> None:
        """Let go of the store."""
        await self._store.close()


def _window(text: str, after_ms: int, *, now_ms: int) -> dict[str, Any]:
    """The window that is on, and how many passed unused since the end of another."""
    period = parse_period(text)
    window = window_at(period, now_ms)
    skipped, end_ms = 0, after_ms
    while end_ms and end_ms < window.start_ms:
        end_ms = window_at(period, end_ms).end_ms or window.start_ms
        skipped += 1
    return {
        "period": text,
        "after_ms": after_ms,
        "start_ms": window.start_ms,
        "end_ms": window.end_ms,
        "skipped": skipped,
    }
