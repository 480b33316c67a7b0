"""One agent: it asks until it is told not to, as a well-behaved program does."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp

from proxy.cli.demo.stage import body_of
from proxy.cli.demo.tally import Tally, Told
from proxy.cli.output import counted
from proxy.domain.decision import Decision
from proxy.domain.money import usd


@dataclass(frozen=True, slots=True)
class Desk:
    """What all agents share."""

    session: aiohttp.ClientSession
    proxy_url: str
    tally: Tally
    elapsed_ms: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Agent:
    """Its name, whether it reads streams, and how long it thinks between two calls."""

    name: str
    streams: bool
    rest_ms: tuple[int, int]
    random: Random

    async def work(self, desk: Desk) -> None:
        """Ask, wait where told to, and stop at the first final no."""
        asked = 0
        while True:
            asked += 1
            try:
                pause_ms = await self._ask(desk, asked)
            except (aiohttp.ClientError, TimeoutError, ValueError, KeyError) as error:
                desk.tally.fail(f"{self.name}: {type(error).__name__}")
                return
            if pause_ms is None:
                return
            await asyncio.sleep(pause_ms / 1000)

    async def _ask(self, desk: Desk, question: int) -> int | None:
        """How long to wait before the next call; None when there is to be none."""
        url = f"{desk.proxy_url}/s/agent={self.name}/v1/chat/completions"
        body = body_of(question, streams=self.streams)
        async with desk.session.post(url, json=body) as answer:
            content = await answer.read()
            headers = answer.headers
            if answer.status == 200:
                desk.tally.add(self._allowed(headers, desk.elapsed_ms()))
                return self.random.randint(*self.rest_ms)
        told = self._denied(json.loads(content), headers, desk.elapsed_ms())
        desk.tally.add(told)
        return int(headers["retry-after-ms"]) if told.is_busy else None

    def _allowed(self, headers: Mapping[str, str], at_ms: int) -> Told:
        decision = Decision(headers["X-Budget-Decision"])
        held = f"held ${headers['X-Budget-Estimate-Usd']}"
        cost = headers.get("X-Budget-Cost-Usd")
        why = f"{held}, cost ${cost}" if cost is not None else f"{held}, streamed"
        if decision is Decision.ALLOW_WITH_CAPS:
            why = f"{_changes(headers)}: {why}"
        return Told(at_ms, self.name, decision, None, why)

    def _denied(self, body: Any, headers: Mapping[str, str], at_ms: int) -> Told:
        budget = body["error"]["budget"]
        whose = budget["scope"].rpartition("/")[2]
        remaining, required = usd(budget["remaining"]), usd(budget["required"])
        why = f"{whose} has ${remaining} left, ${required} is needed"
        decision = Decision(headers["X-Budget-Decision"])
        return Told(at_ms, self.name, decision, budget["reason"], why)


def _changes(headers: Mapping[str, str]) -> str:
    """What was changed in the call, as its answer says."""
    changes = []
    if "X-Budget-Model" in headers:
        changes.append(headers["X-Budget-Model"].partition(";")[0])
    if "X-Budget-Max-Tokens" in headers:
        changes.append(f"at most {counted(int(headers['X-Budget-Max-Tokens']), 'token')}")
    return ", ".join(changes)
