"""python -m tests.mutations [PART OF A NAME]: make each edit, and see its tests turn red."""

import sys

from tests.mutations.runner import copied_tree, tried
from tests.mutations.table import MUTATIONS


def main() -> int:
    """Exit codes: 0 every edit was noticed, 1 some was not."""
    part = sys.argv[1] if len(sys.argv) > 1 else ""
    unnoticed = 0
    with copied_tree() as tree:
        for mutation in MUTATIONS:
            if part in mutation.name:
                wrong = tried(mutation, tree)
                unnoticed += bool(wrong)
                sys.stdout.write(f"{'MISSED' if wrong else 'red':7}{mutation.name}\n")
                sys.stdout.writelines(f"       {each}\n" for each in wrong)
    return 1 if unnoticed else 0


if __name__ == "__main__":
    sys.exit(main())
