"""The command line of lives that seeds draw: `SEED`, or `FIRST-LAST`, on all processors."""

import argparse
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from os import cpu_count


def run(program: str, reports: Callable[[range], Iterator[str]]) -> int:
    """Live them, and say which broke a rule.

    Exit codes: 0 no rule was broken, 1 some was, 2 misuse.
    """
    about = f"{program} SEED, or FIRST-LAST: live these lives and say which broke a rule."
    parser = argparse.ArgumentParser(prog=program, description=about)
    parser.add_argument("seeds", type=_seeds, help="17, or 0-999")
    seeds: range = parser.parse_args().seeds
    broken = 0
    for found in reports(seeds):
        broken += 1
        sys.stdout.write(f"{found}\n\n")
        sys.stdout.flush()
    sys.stdout.write(f"{len(seeds)} lives, {broken} broke a rule\n")
    return 1 if broken else 0


def on_all_processors(report: Callable[[int], str], seeds: range, *, at_once: int) -> Iterator[str]:
    """What the broken lives report. `report`: empty for a life that broke no rule."""
    with ProcessPoolExecutor(min(cpu_count() or 1, len(seeds))) as pool:
        yield from filter(None, pool.map(report, seeds, chunksize=at_once))


def _seeds(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)
