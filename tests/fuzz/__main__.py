"""python -m tests.fuzz SEED, or FIRST-LAST: live these lives and say which broke a rule."""

import sys
from collections.abc import Iterator

from tests.fuzz.draw import draw_life
from tests.fuzz.trial import report, try_life
from tests.simulation.seeds import on_all_processors, run


def reports(seeds: range) -> Iterator[str]:
    """What the broken lives report, on all processors."""
    return on_all_processors(_report, seeds, at_once=5)


def _report(seed: int) -> str:
    trial = try_life(draw_life(seed))
    return report(trial) if trial.broken else ""


if __name__ == "__main__":
    sys.exit(run("python -m tests.fuzz", reports))
