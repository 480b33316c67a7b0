"""python -m tests.fuzz SEED, or FIRST-LAST: live these lives and say which broke a rule."""

import argparse
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count

from tests.fuzz.draw import draw_life
from tests.fuzz.trial import report, try_life


def main() -> int:
    """Exit codes: 0 no rule was broken, 1 some was, 2 misuse."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("seeds", type=_seeds, help="17, or 0-999")
    seeds: range = parser.parse_args().seeds
    broken = 0
    for found in reports(seeds):
        broken += 1
        sys.stdout.write(f"{found}\n\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(seeds)} lives, {broken} broke a rule\n")
    return 1 if broken else 0


def reports(seeds: range) -> Iterator[str]:
    """What the broken lives report, on all processors."""
    with ProcessPoolExecutor(min(cpu_count() or 1, len(seeds))) as pool:
        yield from filter(None, pool.map(_report, seeds, chunksize=5))


def _report(seed: int) -> str:
    trial = try_life(draw_life(seed))
    return report(trial) if trial.broken else ""


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


if __name__ == "__main__":
    sys.exit(main())
