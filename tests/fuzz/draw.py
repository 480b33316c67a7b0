"""Lives from seeds: a configuration, and exchanges with what is changed in each."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from tests.dialects.wire.forms import content_type
from tests.fuzz.corpus import FREE, METERED, SECRET, Pair
from tests.fuzz.message import Message
from tests.fuzz.mutations import OF_ANSWERS, OF_CALLS, OF_STREAMS, STAGES

EXCHANGES: Final = 12
FREE_SHARE: Final = 0.06
LEAVING_SHARE: Final = 0.1
SLOW_SHARE: Final = 0.05


@dataclass(frozen=True)
class Change:
    """One change, and the seed of the chance in it."""

    name: str
    seed: int


@dataclass(frozen=True)
class Exchange:
    """A call, its answer, and what is changed in them.

    leaves_ms: when the caller leaves, after its call. listens_after_bytes: the caller takes
    no more than so many bytes for a while.
    """

    pair: Pair
    call: tuple[Change, ...] = ()
    answer: tuple[Change, ...] = ()
    leaves_ms: int | None = None
    listens_after_bytes: int | None = None

    def changes(self) -> tuple[Change, ...]:
        return (*self.call, *self.answer)

    def without(self, change: Change) -> "Exchange":
        """The same, but for one change."""
        return replace(
            self,
            call=tuple(each for each in self.call if each is not change),
            answer=tuple(each for each in self.answer if each is not change),
        )

    def __str__(self) -> str:
        kind = "stream" if self.pair.events else "whole"
        told = [f"{self.pair.method} {self.pair.path} ({kind})"]
        told += [f"call: {each.name} {each.seed}" for each in self.call]
        told += [f"answer: {each.name} {each.seed}" for each in self.answer]
        told += [f"leaves after {self.leaves_ms} ms"] if self.leaves_ms is not None else []
        slow = self.listens_after_bytes
        told += [f"takes {slow} bytes, then pauses"] if slow is not None else []
        return ", ".join(told)


@dataclass(frozen=True)
class Life:
    """What one proxy meets."""

    seed: int
    config: Mapping[str, Any]
    exchanges: tuple[Exchange, ...]

    def __str__(self) -> str:
        return "\n".join([f"config {dict(self.config)}", *map(str, self.exchanges)])


def draw_life(seed: int) -> Life:
    """The life of a seed: always the same one."""
    random = Random(seed)
    config = draw_config(random)
    return Life(seed, config, tuple(draw_exchange(random) for _ in range(EXCHANGES)))


def draw_exchange(random: Random) -> Exchange:
    """A pair, and up to six changes, more often of one side only."""
    pair = random.choice(FREE if random.random() < FREE_SHARE else METERED)
    of_answers: Sequence[str] = OF_STREAMS if pair.events else OF_ANSWERS
    of_call = random.choice((0, 0, 0, 1, 1, 2, 3))
    of_answer = random.choice((0, 0, 1, 1, 1, 2, 3)) if of_call else random.choice((1, 1, 2, 3, 4))
    leaves = random.random() < LEAVING_SHARE
    slow = random.random() < SLOW_SHARE
    return Exchange(
        pair,
        tuple(Change(random.choice(OF_CALLS), random.getrandbits(32)) for _ in range(of_call)),
        tuple(Change(random.choice(of_answers), random.getrandbits(32)) for _ in range(of_answer)),
        random.choice((0, 1, 5, 40)) if leaves else None,
        random.choice((0, 1, 300)) if slow else None,
    )


def draw_config(random: Random) -> dict[str, Any]:
    """Much money, short times, and whatever changes what is sent on."""
    caps = {"max_tokens": 40, "tool_denylist": ["get_current_weather"]}
    bands = [{"used_pct": 0, "caps": caps}]
    timeouts = {"response_timeout_ms": 400, "idle_timeout_ms": 250}
    claude = {
        "name": "claude",
        "base_url": "http://upstream.example/v1",
        "api": "anthropic",
        "models": ["claude*"],
    }
    other = {"name": "openai", "base_url": "http://upstream.example/v1"}
    return {
        "upstreams": [each | timeouts | {"api_key": SECRET} for each in (claude, other)],
        "identity": {"default": {"tenant": "dev"}, "accept": ["agent", "run"]},
        "budgets": [{"scope": "tenant:dev", "allocated": "$1000000.00", "period": "none"}],
        "limits": {"max_body_bytes": 2**20, "body_timeout_ms": 200},
        "settle": {
            "missing_usage": random.choice(("counted", "hold")),
            "on_disconnect": random.choice(("abort", "drain")),
            "drain_ms": random.choice((0, 150)),
            "uncertain": "hold",
        },
        "responses": {"expose_cost": random.choice(("headers", "usage"))},
        "policies": random.choice(([], [{"name": "thrift", "scope": "*", "bands": bands}])),
    }


def written_call(exchange: Exchange) -> Message:
    """The call, as it goes over the wire."""
    pair = exchange.pair
    message = Message(
        f"{pair.method} {pair.path} HTTP/1.1",
        [
            ("Host", "localhost"),
            ("Content-Type", content_type() if pair.form else "application/json"),
            ("Authorization", "Bearer sk-of-the-caller"),
            ("Accept-Encoding", "gzip, br, zstd, deflate"),
        ],
        value=deepcopy(pair.call),
        body=pair.form,
    )
    return _written(message, exchange.call)


def written_answer(exchange: Exchange) -> Message:
    """The answer, as it goes over the wire."""
    pair = exchange.pair
    kind = "text/event-stream" if pair.events else "application/json"
    kind = "audio/mpeg" if pair.sound else kind
    message = Message(
        "HTTP/1.1 200 OK",
        [("Content-Type", kind), ("x-request-id", "req_1")],
        value=deepcopy(pair.answer),
        body=pair.sound,
        events=deepcopy(list(pair.events)) or None,
        framing="chunked" if pair.events else "length",
    )
    return _written(message, exchange.answer)


def _written(message: Message, changes: Sequence[Change]) -> Message:
    after = {0: message.write_body, 2: message.code_body, 4: message.write_wire}
    for number, stage in enumerate(STAGES):
        for change in changes:
            if change.name in stage:
                stage[change.name](Random(change.seed), message)
        if number in after:
            after[number]()
    return message
