"""python -m tests.benchmarks.growing: what a chunk costs without a budget, and with one.

Handed on as it comes; read along under a hold for all that may come; and where the hold grows.

The relay alone, in virtual time: an upstream that is a list, 100 tokens a second, one a chunk.
The least of several rounds of each, by turns.
"""

import sys
from time import process_time_ns
from typing import Final

from proxy.gateway.ending import Outcome
from tests.gateway.stream.rig import Course, Listener, flowing, in_virtual_time

CHUNKS: Final = 6_000
ROUNDS: Final = 9


def bare_chunk_ns() -> int:
    """CPU time of a chunk that nobody meters."""
    upstream, caller = flowing(CHUNKS, every_ms=10), Listener()

    async def hand_on() -> None:
        while piece := await upstream.read():
            await caller.write(piece)

    started_ns = process_time_ns()
    in_virtual_time(hand_on)
    return (process_time_ns() - started_ns) // CHUNKS


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
    rounds = [(bare_chunk_ns(), chunk_ns(grows=False), chunk_ns(grows=True)) for _ in range(ROUNDS)]
    bare_ns = min(bare for bare, _, _ in rounds)
    still_ns = min(still[0] for _, still, _ in rounds)
    growing_ns = min(growing[0] for _, _, growing in rounds)
    course = rounds[-1][2][1]
    sys.stdout.write(
        f"a chunk: {bare_ns / 1000:.1f} µs without a budget, {still_ns / 1000:.1f} µs with a hold"
        f" for all of it, {growing_ns / 1000:.1f} µs with one that grows;"
        f" of {CHUNKS} chunks, counted {len(course.counts.counted_at_ms)} times,"
        f" asked for more {len(course.room.asked)} times\n"
    )


if __name__ == "__main__":
    main()
