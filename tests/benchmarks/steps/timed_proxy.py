"""The proxy with a stopwatch in it: `python -m tests.benchmarks.steps.timed_proxy FILE ARGUMENT...`

Runs `spendgate ARGUMENT...` in this process. SIGUSR1 turns a page of the stopwatch; at the
end all pages go to FILE, as JSON.
"""

import signal
import sys
import time
from pathlib import Path

import msgspec

from proxy.cli import main as spendgate
from tests.benchmarks.steps.stopwatch import Stopwatch
from tests.benchmarks.steps.targets import STEPS


def main(file: Path, arguments: list[str]) -> None:
    """Run the command to its end, and write down how long its steps took."""
    watch = Stopwatch(time.thread_time_ns)
    watch.attach(STEPS)
    signal.signal(signal.SIGUSR1, lambda number, frame: watch.turn_page())
    try:
        spendgate(arguments)
    finally:
        watch.turn_page()
        file.write_bytes(msgspec.json.encode(watch.pages))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
