"""Whose books this process knows, and which of them follow its configuration.

The tenants of a store may be configured by several groups of sidecars, so a configuration is
declared to the tenants that it names and, where it has lines for any tenant, to each that
this process meets. A tenant that it does not name is left alone.
"""

import asyncio
import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from proxy.domain.errors import ReservationNotFound
from proxy.ledger.records import BudgetLine, Declared
from proxy.ledger.redis.asking import Asker
from proxy.ledger.redis.layout import (
    is_for,
    line_record,
    templates_by_level,
    tenants_named,
)

_IDS_MAX: Final = 200_000
"""How many holds this process remembers the tenant of; those of others are looked for."""

_encode: Final = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was declared here last."""

    lines: tuple[BudgetLine, ...]
    templates_max: int
    version: int

    def request(self, tenant: str) -> dict[str, Any]:
        """What is declared to one tenant."""
        own = [line for line in self.lines if is_for(line.pattern, tenant)]
        exact = [line_record(line) for line in own if not _is_template(line)]
        templates = templates_by_level(filter(_is_template, own))
        content = _encode([exact, templates, self.templates_max])
        return {
            "version": self.version,
            "templates_max": self.templates_max,
            "lines": exact,
            "templates": templates,
            "digest": hashlib.sha256(content).hexdigest(),
        }

    def tells(self, tenant: str) -> bool:
        """Whether it has a line for this tenant."""
        return any(is_for(line.pattern, tenant) for line in self.lines)


def _is_template(line: BudgetLine) -> bool:
    return line.pattern.is_template


class Tenants:
    """The tenants of one store, as one process sees them."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self._configuration: Configuration | None = None
        self._met: set[str] = set()
        self._told: set[str] = set()
        self._meeting = asyncio.Lock()
        self._tenants_by_id: OrderedDict[str, str] = OrderedDict()

    async def declare(self, configuration: Configuration) -> Declared:
        """Declare it to whom it names, and to whom the one before was declared."""
        async with self._meeting:
            patterns = [line.pattern for line in configuration.lines]
            met = {tenant for tenant in self._met if configuration.tells(tenant)}
            tenants = tenants_named(patterns) | self._told | met
            self._configuration = configuration
            answers = [await self._tell(configuration, tenant) for tenant in sorted(tenants)]
        return Declared(
            version=max([answer.version for answer in answers], default=configuration.version),
            is_ignored=any(answer.is_ignored for answer in answers),
        )

    async def declare_again(self) -> None:
        """After a failover: whoever heard of the configuration hears of it again."""
        async with self._meeting:
            configuration = self._configuration
            for tenant in sorted(self._met):
                await self._asker.remember(tenant)
                if configuration is not None and tenant in self._told:
                    await self._tell(configuration, tenant)

    def has_met(self, tenant: str) -> bool:
        """Whether its books know this process."""
        return tenant in self._met

    async def meet(self, tenant: str) -> None:
        """Before anything is asked of a tenant's books for the first time."""
        async with self._meeting:
            if tenant not in self._met:
                configuration = self._configuration
                if configuration is not None and configuration.tells(tenant):
                    await self._tell(configuration, tenant)
                else:
                    await self._remember(tenant)

    async def _remember(self, tenant: str) -> None:
        if tenant not in self._met:
            await self._asker.remember(tenant)
            self._met.add(tenant)

    async def _tell(self, configuration: Configuration, tenant: str) -> Declared:
        await self._remember(tenant)
        answer = await self._asker.ask("declare", tenant, configuration.request(tenant))
        self._told.add(tenant)
        return Declared(answer["version"], answer["is_ignored"])

    async def every(self) -> list[str]:
        """Whose books there are, sorted."""
        return await self._asker.tenants()

    # Whose a hold is

    def keep(self, reservation_id: str, tenant: str) -> None:
        """This hold was made here, or found."""
        self._tenants_by_id[reservation_id] = tenant
        if len(self._tenants_by_id) > _IDS_MAX:
            self._tenants_by_id.popitem(last=False)

    def known(self, reservation_id: str) -> str | None:
        """In whose books the hold is, if this process knows."""
        return self._tenants_by_id.get(reservation_id)

    async def of_hold(self, reservation_id: str) -> str:
        """In whose books the hold is.

        Raises:
            ReservationNotFound
        """
        known = self.known(reservation_id)
        if known is not None:
            return known
        tenants = await self.every()
        asked = [self._asker.has_row(tenant, reservation_id) for tenant in tenants]
        for tenant, has_row in zip(tenants, await asyncio.gather(*asked), strict=True):
            if has_row:
                self.keep(reservation_id, tenant)
                return tenant
        raise ReservationNotFound(f"there is no reservation {reservation_id}")
