"""`python -m tests.ledger.machine HOME SEED`, or `FIRST-LAST`."""

import sys

from tests.ledger.machine.life import live


def main(backend: str, seeds: str) -> int:
    """Live these lives; 1 if one broke."""
    first, _, last = seeds.partition("-")
    for seed in range(int(first), int(last or first) + 1):
        broken = live(backend, seed)
        if broken is not None:
            print(broken)  # noqa: T201 - it is what the command answers
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
