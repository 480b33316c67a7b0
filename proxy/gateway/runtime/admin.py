"""What operators and probes ask: alive, ready, and the figures."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec

from proxy.gateway.respond import Answer
from proxy.observe.metrics import Metrics

READY_PATHS: Final = frozenset({"/readyz", "/actuator/health", "/actuator/health/readiness"})
ALIVE_PATHS: Final = frozenset({"/healthz", "/actuator/health/liveness"})
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to be true before calls are taken."""

    name: str
    ok: bool
    why: str = ""


Checks = Callable[[], Awaitable[tuple[Check, ...]]]


async def health_answer(path: str, checks: Checks) -> Answer | None:
    """The answer of a health path, None for another path. Names no secret and no amount."""
    if path in ALIVE_PATHS:
        return Answer(200, _JSON, b'{"status":"UP"}')
    if path in READY_PATHS:
        found = await checks()
        ready = all(check.ok for check in found)
        report: Mapping[str, object] = {
            "status": "UP" if ready else "DOWN",
            "checks": {check.name: "ok" if check.ok else check.why or "not yet" for check in found},
        }
        return Answer(200 if ready else 503, _JSON, msgspec.json.encode(report))
    return None


def metrics_answer(metrics: Metrics) -> Answer:
    """All figures in Prometheus' text format."""
    return Answer(
        200, {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}, metrics.exposition()
    )
