"""python -m tests.simulation SEED, or FIRST-LAST: live these plans and say which broke a rule."""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

from tests.simulation.draw import draw_plan
from tests.simulation.trial import report, try_plan


def main() -> int:
    """Exit codes: 0 no rule was broken, 1 some was, 2 misuse."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seeds", type=_seeds, help="17, or 0-1999")
    seeds: range = parser.parse_args().seeds
    broken = 0
    for found in reports(seeds):
        broken += 1
        sys.stdout.write(f"{found}\n\n")
    sys.stdout.write(f"{len(seeds)} runs, {broken} broke a rule\n")
    return 1 if broken else 0


def reports(seeds: range) -> Iterator[str]:
    """What the broken runs report, on all processors."""
    with ProcessPoolExecutor(min(cpu_count() or 1, len(seeds))) as pool:
        yield from filter(None, pool.map(_report, seeds, chunksize=50))


def _report(seed: int) -> str:
    trial = try_plan(draw_plan(seed))
    return report(trial) if trial.broken else ""


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
