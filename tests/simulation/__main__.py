"""python -m tests.simulation SEED, or FIRST-LAST: live these lives and say which broke a rule."""

import sys
from collections.abc import Iterator

from tests.simulation.draw import draw_plan
from tests.simulation.seeds import on_all_processors, run
from tests.simulation.trial import report, try_plan


def reports(seeds: range) -> Iterator[str]:
    """What the broken lives report, on all processors."""
    return on_all_processors(_report, seeds, at_once=50)


def _report(seed: int) -> str:
    trial = try_plan(draw_plan(seed))
    return report(trial) if trial.broken else ""


if __name__ == "__main__":
    sys.exit(run("python -m tests.simulation", reports))
