"""What a seed draws: budgets, calls and their answers, and whom the kill meets when."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random
from typing import Any, Final

from simulator import Behaviour, Hang, Wire
from simulator.models import MODELS
from tests.simulation.rig.provider import TOKENS, USD, most_of_body

PROXIES: Final = 3
CALLS: Final = 300

KILLED: Final = "killed"
"""The gate behind which the upstream keeps some calls until a proxy was killed."""

POOR: Final = "poor"
"""The agent whose budget is too small for its calls, whatever else is drawn."""

_AGENTS: Final = ("writer", "reader", "critic", POOR)
_MODELS: Final = (*("gpt-4o-mini",) * 3, *("gpt-4o",) * 2, "gpt-4.1-nano", "gpt-5-nano")
_WORDS: Final = ("able", "about", "above", "action", "active", "address", "after", "again")
_MICROCENTS_PER_USD: Final = 10**8

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call: of whom, through which proxy, and how the upstream answers it."""

    number: int
    proxy: int
    levels: Document
    body: Document
    behaviour: Behaviour

    @property
    def trace_id(self) -> str:
        """What ties the call to its hold; as the `user` of the body, to its bill."""
        return f"{self.number:032x}"

    @property
    def document(self) -> Document:
        """What is sent."""
        return {**self.body, "user": self.trace_id}

    @property
    def headers(self) -> dict[str, str]:
        """Who asks."""
        named = {f"X-Cycles-{level.title()}": name for level, name in self.levels.items()}
        return {"traceparent": f"00-{self.trace_id}-{self.number:016x}-01", **named}

    def again(self, proxy: int) -> "Call":
        """The same wish, asked of another proxy."""
        return replace(self, number=self.number + CALLS, proxy=proxy)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One life. Proxy `victim` is killed once `kill_after` calls have left or were refused.

    `restarts`: it comes back, on the same configuration. `charges_uncertain`: what stays
    uncertain is charged after a second; otherwise it stays for longer than the test lasts.
    """

    seed: int
    calls: tuple[Call, ...]
    victim: int
    kill_after: int
    restarts: bool
    charges_uncertain: bool
    ttl_ms: int
    sections: Document
    """Of the configuration that all proxies have."""


def draw_plan(seed: int) -> Plan:
    """The plan of a seed: always the same one."""
    random = Random(seed)
    calls = tuple(_draw_call(random, number) for number in range(1, CALLS + 1))
    charges_uncertain = random.random() < 0.5
    queue = random.choice(({}, {"queue": {"max_wait_ms": 500, "max_length": 40}}))
    return Plan(
        seed=seed,
        calls=calls,
        victim=random.randrange(PROXIES),
        kill_after=random.randint(1, random.choice((CALLS // 5, CALLS))),
        restarts=seed % 2 == 1,
        charges_uncertain=charges_uncertain,
        ttl_ms=random.choice((2_000, 3_000)),
        sections={
            "budgets": list(_draw_budgets(random, calls)),
            "degrade": {"min_output_tokens": 10, "max_share_pct": random.choice((10, 50))},
            "settle": {"uncertain_after_ms": 1_000 if charges_uncertain else 900_000},
            **queue,
        },
    )


def _draw_call(random: Random, number: int) -> Call:
    levels = {"agent": random.choice(_AGENTS)}
    if random.random() < 0.3:
        levels["run"] = random.choice("123")
    body = _draw_body(random)
    return Call(
        number=number,
        proxy=random.randrange(PROXIES),
        levels=levels,
        body=body,
        behaviour=_draw_behaviour(random, streams="stream" in body),
    )


def _draw_body(random: Random) -> dict[str, Any]:
    model = random.choice(_MODELS)
    words = random.choices(_WORDS, k=random.choice((1, 10, 60)))
    limit = "max_completion_tokens" if MODELS[model].reasons else "max_tokens"
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": " ".join(words)}],
        limit: random.choice((20, 60, 150, 400, 1_000)),
        "n": random.choice((1, 1, 1, 2)),
    }
    if random.random() < 0.5:
        body["stream"] = True
        if random.random() < 0.5:
            body["stream_options"] = {"include_usage": random.random() < 0.5}
    return body


def _draw_behaviour(random: Random, *, streams: bool) -> Behaviour:
    """Honest, of any length, at any pace; one in six is still under way when the kill comes."""
    waits = random.random() < 1 / 6
    gate, hang = "", None
    if waits and random.random() < 0.2:
        gate = KILLED
    elif waits and streams:
        hang = Hang(at="event", after=random.randint(0, 4), gate=KILLED)
    elif waits:
        hang = Hang(at="before_headers", gate=KILLED)
    return Behaviour(
        output_tokens=random.choice((None, 0, 1, 7, 60, 400)),
        tokens_per_event=random.choice((4, 30)),
        delay_ms=random.choice((0, 0, 0, 5, 50, 300)),
        wire=Wire(pace_ms=random.choice((0, 0, 1, 5))),
        gate=gate,
        hang=hang,
    )


def _draw_budgets(random: Random, calls: Sequence[Call]) -> Iterator[Document]:
    """One for all, one for each agent, one for each run, from ample to tight."""
    most = [most_of_body(call.body) for call in calls]
    microcents = sum(each[USD] for each in most)
    tokens = sum(each[TOKENS] for each in most)
    yield _dollars("tenant:dev", microcents * random.choice((40, 70, 200)) // 100)
    yield {
        "scope": "tenant:dev",
        "unit": TOKENS,
        "rolling": "24h",
        "allocated": tokens * random.choice((60, 200)) // 100,
    }
    per_agent = microcents * random.choice((15, 40)) // 100
    yield _dollars("tenant:dev/agent:*", per_agent, period="day", timezone="Europe/Berlin")
    dearest = max(each[USD] for each in most)
    yield _dollars(f"tenant:dev/agent:{POOR}", dearest // 10)
    per_run = microcents * random.choice((8, 40)) // 100
    yield _dollars("tenant:dev", per_run, per="run", idle_ttl="1h")


def _dollars(scope: str, microcents: int, **more: str) -> Document:
    return {"scope": scope, "allocated": f"${Decimal(microcents) / _MICROCENTS_PER_USD:f}", **more}
