"""What each SDK makes of each refusal: how often it tries, and what its user reads.

Refusals that look alike on the wire but for their reason and their text are asked about once.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch
from urllib.parse import urlsplit

from proxy.domain.errors import BudgetRefused, Reason, Refused, Shortage
from proxy.domain.guard import Guard
from proxy.domain.money import Unit
from proxy.gateway.respond import REFUSALS, RefusalRow
from simulator.server import Simulator
from tests.clients.sdks.sdk import Sdk, talking_to
from tests.e2e.stack import running

SHORT = Shortage("tenant:dev/agent:bot", Unit.USD_MICROCENTS, 4_210_000, 1_000_000, None)
OTHER_STATUSES = (402, 403)
"""For `responses.deny_status`, beside the default."""


@dataclass(frozen=True)
class Case:
    """A refusal: one of the reasons that look like it, and with which status of a denial."""

    reason: Reason
    deny_status: int = 429

    @property
    def status(self) -> int:
        return REFUSALS[self.reason].status or self.deny_status


@dataclass(frozen=True)
class Met:
    """How often a call came, and what its user was told."""

    attempts: int
    kind: str
    shown: str


def alike() -> Mapping[RefusalRow, tuple[Reason, ...]]:
    """The reasons by what they look like on the wire."""
    found: dict[RefusalRow, tuple[Reason, ...]] = {}
    for reason, row in REFUSALS.items():
        found[row] = (*found.get(row, ()), reason)
    return found


def cases() -> tuple[Case, ...]:
    """Every look, the dearest first, and a denial with each other status."""
    usual = [Case(reasons[0]) for reasons in alike().values()]
    return (usual[0], *(Case(usual[0].reason, status) for status in OTHER_STATUSES), *usual[1:])


def refused(reason: Reason) -> Refused:
    """A refusal as the proxy makes it."""
    if reason in (Reason.BUDGET_EXCEEDED, Reason.BUDGET_BUSY):
        return BudgetRefused(reason, SHORT)
    return Refused(reason, f"Refused: {reason}.")


@dataclass
class Doorkeeper:
    """Stands where proxies look at the Host of a request, and turns all away."""

    refusing: dict[str, Reason] = field(default_factory=dict)
    """By the Host of a proxy."""

    def check(self, host: str | None, _origin: str | None) -> None:
        assert host is not None
        raise refused(self.refusing[host])


async def meet_everywhere(sdks: tuple[Sdk, ...]) -> dict[str, dict[Case, Met]]:
    """By the name of the SDK; all of them at once, since most of it is waiting."""
    doorkeeper = Doorkeeper()
    with patch.object(Guard, "check", lambda _, host, origin: doorkeeper.check(host, origin)):
        met = await asyncio.gather(*(_meet_all(sdk, doorkeeper) for sdk in sdks))
    return dict(zip((sdk.name for sdk in sdks), met, strict=True))


async def _meet_all(sdk: Sdk, doorkeeper: Doorkeeper) -> dict[Case, Met]:
    """Each attempt is a request that came to a real proxy."""
    met: dict[Case, Met] = {}
    async with Simulator() as simulator, talking_to(sdk) as conversation:
        for status in (429, *OTHER_STATUSES):
            with TemporaryDirectory() as folder:
                responses = {"deny_status": status}
                async with running(Path(folder), simulator, responses=responses) as stack:
                    for case in (case for case in cases() if case.deny_status == status):
                        doorkeeper.refusing[urlsplit(stack.base_url).netloc] = case.reason
                        before = len(stack.log.events("call"))
                        told = await conversation.ask(sdk.refused, stack.base_url)
                        attempts = len(stack.log.events("call")) - before
                        met[case] = Met(attempts, told.kind, told.shown)
        assert simulator.requests_seen == []
    return met
