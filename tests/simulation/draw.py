"""Plans from seeds: what may happen in a run, and how likely it is."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Final

from proxy.ledger.records import FundOperation
from tests.simulation.draw_again import draw_attempts, draw_upstreams
from tests.simulation.draw_call import draw_call
from tests.simulation.draw_learned import draw_learned
from tests.simulation.draw_pace import draw_pace
from tests.simulation.plan import (
    Act,
    Call,
    ClockStep,
    Document,
    EndByHand,
    Fund,
    Happening,
    Kill,
    Lock,
    Outage,
    Plan,
    Reload,
    SetStatus,
    StatementTrouble,
    Terminate,
)
from tests.simulation.rig.disk import Trouble
from tests.simulation.rig.provider import (
    FREE_MODEL,
    FREE_MODEL_OUTPUT_TOKENS,
    TOKENS,
    UNITS,
    USD,
    most_of_body,
)

HORIZON_MS: Final = 8_000
"""Calls and happenings begin within it."""

LONG_MS: Final = 150_000
"""Or within this, in which windows roll and budgets are forgotten."""

CALLS_MAX: Final = 7
HAPPENINGS_MAX: Final = 5
REPEATED_SHARE: Final = 0.25
HOSTILE_SHARE: Final = 0.35
CALM_SHARE: Final = 0.25
"""Of runs in which nothing happens but calls: there the strictest rules hold."""

FREE: Final = {
    "model": FREE_MODEL,
    "free": True,
    "max_output_tokens": FREE_MODEL_OUTPUT_TOKENS,
    "hidden_output": False,
    "tokenizer": "o200k_base",
}

CLOCK_STEPS_MS: Final = (
    -3_600_000,
    -60_000,
    -1_500,
    900,
    4_000,
    120_000,
    4_000_000,
    86_400_000,
    10**9,
)

ALLOCATIONS_USD: Final = (
    (Decimal(1),),
    (Decimal(1), Decimal("0.02")),
    (Decimal("0.02"), Decimal("0.005"), Decimal("0.0012")),
    (Decimal("0.005"), Decimal("0.0012"), Decimal("0.0003"), Decimal("0.00005"), Decimal(0)),
)
"""What budgets may have, from ample to tight. A short call costs about $0.0001."""

TOKENS_ALLOCATED: Final = (
    (10**7,),
    (10**7, 20_000),
    (20_000, 3_000, 700),
    (3_000, 700, 150, 30, 0),
)
"""The same in tokens. A short call has about a hundred."""

SCOPES: Final = (
    "tenant:dev",
    "tenant:dev/app:web",
    "tenant:dev/app:web/agent:a",
    "tenant:dev/app:web/agent:*",
    "tenant:dev/agent:*",
    "tenant:*/agent:b",
    "tenant:dev/**/agent:*",
    "tenant:dev/app:web/agent:a/toolset:*",
)

WINDOWS: Final[tuple[Document, ...]] = (
    {"period": "none"},
    {"period": "day"},
    {"period": "month"},
    {"period": "hour"},
    {"period": "week", "timezone": "America/New_York"},
    {"period": "day", "timezone": "Europe/Berlin"},
    {"period": "year"},
    {"rolling": "24h"},
    *({"rolling": "1m"},) * 3,
)


def draw_plan(seed: int) -> Plan:
    """The plan of a seed: always the same one."""
    random = Random(seed)
    hostile = random.random() < HOSTILE_SHARE
    burst_ms = random.choice((0, 50, HORIZON_MS, HORIZON_MS, LONG_MS))
    calls = draw_calls(random, burst_ms=burst_ms, hostile=hostile)
    config = draw_config(random, calls)
    happenings: tuple[Happening, ...] = ()
    if random.random() >= CALM_SHARE:
        happenings = tuple(
            draw_happening(random, calls) for _ in range(random.randint(1, HAPPENINGS_MAX))
        )
    expiry_pause_ms = random.choice((1_000, 2_500))
    again = Random(f"again {seed}")
    config = {**config, "queue": _queue(random), "upstreams": draw_upstreams(again)}
    calls = draw_attempts(again, calls, hostile=hostile)
    config, calls = draw_learned(Random(f"learned {seed}"), config, calls)
    config = draw_pace(Random(f"pace {seed}"), config)
    return Plan(
        seed=seed,
        expiry_pause_ms=expiry_pause_ms,
        config=config,
        hostile=hostile,
        calls=calls,
        happenings=happenings,
    )


def draw_calls(random: Random, *, burst_ms: int, hostile: bool) -> tuple[Call, ...]:
    """Some calls; agents in a loop make the same one again."""
    calls: list[Call] = []
    for number in range(1, random.randint(1, CALLS_MAX) + 1):
        at_ms = random.randint(0, burst_ms)
        call = draw_call(random, number, at_ms=at_ms, hostile=hostile)
        if calls and random.random() < REPEATED_SHARE:
            before = calls[-1]
            call = replace(call, body=before.body, caller=before.caller)
        calls.append(call)
    return tuple(calls)


def draw_config(random: Random, calls: Sequence[Call]) -> Document:
    """A configuration, as its file would say it."""
    return {
        "identity": {
            "default": {"tenant": "dev"},
            "accept": ["app", "agent", "toolset", "run"],
        },
        "budgets": _budgets(random, calls),
        "templates_max": random.choice((1, 1_000, 1_000, 1_000)),
        "ledger": {"reservation_ttl_ms": random.choice((1_000, 1_500, 4_000, 60_000))},
        "settle": _settle(random),
        "degrade": _degrade(random),
        "policies": _policies(random),
        "pricing": {"overrides": [FREE]},
        "limits": {"max_usd_per_call": random.choice((*[None] * 9, "$0.0005"))},
        "responses": {"expose_cost": random.choice(("headers", "usage"))},
        "shutdown_ms": random.choice((0, 700, 5_000)),
    }


def _budgets(random: Random, calls: Sequence[Call]) -> list[Document]:
    """One to six: in some runs for all that is asked, in others for a few calls or for none.

    Or for exactly what the calls can cost, to the microcent or the token, or one less.
    """
    less = random.choice((0, 1))
    exact = {
        unit: max(sum(most_of_body(call.body)[unit] for call in calls) - less, 0) for unit in UNITS
    }
    usd = random.choice((*ALLOCATIONS_USD, (Decimal(exact[USD]).scaleb(-8),)))
    tokens = random.choice((*TOKENS_ALLOCATED, (exact[TOKENS],)))
    lines: dict[str, Document] = {}
    for number in range(random.randint(1, 6)):
        is_first = number == 0 and random.random() < 0.93
        line = _budget(random, "tenant:dev" if is_first else random.choice(SCOPES))
        amounts = _tokens(random, tokens) if "unit" in line else _money(random, usd)
        if "rolling" in line or line["period"] == "none":
            del amounts["rollover"]
        if ("per" in line or "*" in line["scope"]) and random.random() < 0.3:
            amounts["idle_ttl"] = "1m"
        lines[str(line)] = {**line, **amounts}
    return list(lines.values())


def _budget(random: Random, scope: str) -> Document:
    """What there may be one of."""
    line = {"scope": scope, **random.choice(WINDOWS)}
    if random.random() < 0.3:
        line["unit"] = TOKENS
    if random.random() < 0.2:
        line["per"] = "run"
    return line


def _money(random: Random, allocations: Sequence[Decimal]) -> dict[str, object]:
    return {
        "allocated": f"${random.choice(allocations):.8f}",
        "overdraft_limit": random.choice(("$0.00", "$0.00", "$0.0004")),
        "rollover": random.choice(("$0.00", "$0.00", "$0.0002")),
    }


def _tokens(random: Random, allocations: Sequence[int]) -> dict[str, object]:
    return {
        "allocated": random.choice(allocations),
        "overdraft_limit": random.choice((0, 0, 400)),
        "rollover": random.choice((0, 0, 200)),
    }


def _queue(random: Random) -> Document:
    """In most runs a busy budget sends away at once."""
    return {
        "max_wait_ms": random.choice((0, 0, 0, 40, 900, 20_000)),
        "max_length": random.choice((1, 2, 100)),
    }


def _settle(random: Random) -> Document:
    return {
        "missing_usage": random.choice(("counted", "hold")),
        "on_disconnect": random.choice(("abort", "drain")),
        "drain_ms": random.choice((0, 30, 2_500, 2_500)),
        "drain_usd": random.choice((None, None, "$0.0001")),
        "uncertain": random.choice(("commit", "hold")),
        "uncertain_after_ms": random.choice((1_000, 6_000)),
        "overage": random.choice(("ALLOW_IF_AVAILABLE", "ALLOW_WITH_OVERDRAFT")),
    }


def _degrade(random: Random) -> Document:
    return {
        "shorten": random.random() < 0.7,
        "min_output_tokens": random.choice((1, 8, 40)),
        "max_share_pct": random.choice((1, 50, 100)),
        "fallback_models": random.choice(
            (
                {},
                {"gpt-4o": ["gpt-4o-mini", "gpt-4.1-nano"], "o4-mini": ["gpt-4o-mini"]},
                {"gpt-4o-mini": ["gpt-5-nano"], "gpt-5.6-terra": ["gpt-3.5-turbo"]},
            )
        ),
    }


def _policies(random: Random) -> list[Document]:
    if random.random() < 0.6:
        return []
    caps = random.choice(({"max_tokens": 20}, {"tool_denylist": ["look_up"]}))
    return [
        {
            "name": "thrift",
            "scope": random.choice(("*", "tenant:dev/app:web/*", "tenant:dev/agent:a")),
            "bands": [
                {"used_pct": 0, "models": {"gpt-4o": "gpt-4.1-nano"}},
                {"used_pct": random.choice((1, 30)), "caps": caps},
            ],
        }
    ]


def draw_happening(random: Random, calls: tuple[Call, ...]) -> Happening:
    """Something, at a moment when there is likely a call under way."""
    draws: tuple[Callable[[Random], Act], ...] = (
        _kill,
        _kill,
        _kill_at_statement,
        _statement_trouble,
        _statement_trouble,
        lambda random: Terminate(),
        lambda random: Outage(random.choice((100, 400, 1_200, 7_000))),
        lambda random: Lock(random.choice((3, 80, 900, 6_500))),
        lambda random: ClockStep(random.choice(CLOCK_STEPS_MS)),
        lambda random: Reload(random.choice((0, 20, 100, 150))),
        _fund,
        _fund,
        lambda random: SetStatus(random.randrange(6), random.random() < 0.5),
        _end_by_hand,
        _end_by_hand,
    )
    near_ms = random.choice(calls).at_ms
    at_ms = near_ms + random.choice((0, 1, 2, 5, 20, 60, 300, 300, 1_600, 6_000))
    return Happening(at_ms, random.choice(draws)(random))


def _kill(random: Random) -> Act:
    return Kill(random.randrange(12), random.choice((0, 400, 3_000, 10_000)))


def _kill_at_statement(random: Random) -> Act:
    kills = (Trouble.KILLS_BEFORE, Trouble.KILLS_AFTER)
    return StatementTrouble(random.randrange(60), random.choice(kills))


def _statement_trouble(random: Random) -> Act:
    troubles = (Trouble.FAILS, Trouble.LOSES_ITS_REPLY)
    return StatementTrouble(random.randrange(60), random.choice(troubles))


def _fund(random: Random) -> Act:
    budget = random.choice((None, None, random.randrange(6)))
    operation = random.choice((FundOperation.CREDIT, *FundOperation))
    return Fund(budget, operation, random.choice((40_000, 50_000, 200_000_000)))


def _end_by_hand(random: Random) -> Act:
    return EndByHand(
        random.choice(("ACTIVE", "ACTIVE", "UNCERTAIN")),
        random.choice(("release", "commit")),
        random.choice((None, None, 0, 5_000)),
    )
