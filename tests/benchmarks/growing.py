"""python -m tests.benchmarks.growing: what a chunk costs where a hold grows, and where not.

The relay alone, in virtual time: an upstream that is a list, 100 tokens a second, one a chunk.
The least of several rounds of each, by turns.
"""

import sys
from time import process_time_ns
from typing import Final

from proxy.gateway.ending import Outcome
from tests.gateway.stream.rig import Course, flowing

CHUNKS: Final = 6_000
ROUNDS: Final = 9


def chunk_ns(*, grows: bool) -> tuple[int, Course]:
    """CPU time of a chunk, and the stream that it was in."""
    course = Course(flowing(CHUNKS, every_ms=10))
    started_ns = process_time_ns()
    metered = course.run(grows=grows)
    elapsed_ns = process_time_ns() - started_ns
    assert metered.ending.outcome is Outcome.COMPLETE
    return elapsed_ns // CHUNKS, course


def main() -> None:
    """Measure, and say it."""
    rounds = [(chunk_ns(grows=False), chunk_ns(grows=True)) for _ in range(ROUNDS)]
    without_ns = min(still[0] for still, _ in rounds)
    with_ns = min(growing[0] for _, growing in rounds)
    course = rounds[-1][1][1]
    sys.stdout.write(
        f"a chunk: {without_ns / 1000:.1f} µs, with a hold that grows {with_ns / 1000:.1f} µs;"
        f" of {CHUNKS} chunks, counted {len(course.counts.counted_at_ms)} times,"
        f" asked for more {len(course.room.asked)} times\n"
    )


if __name__ == "__main__":
    main()
