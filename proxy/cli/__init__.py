"""The commands. Exit codes: 0 done, 1 the answer is no, 2 wrong usage.

Each command imports what it needs when it runs, so that `spendgate health` stays quick.
"""

from proxy.cli.main import main

__all__ = ["main"]
