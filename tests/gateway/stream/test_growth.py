"""When the hold of a stream grows, and when the stream ends: by rules alone, in drawn time."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.gateway.stream.growth import GROW_PAUSE_MS, LEAST_TOKENS, Growth, Step

LOOKAHEAD = 100


def growth(held: int = 1_000, limit: int = 64_000) -> Growth:
    """A stream that began so long ago that it is slow."""
    return Growth(
        held_tokens=held,
        limit_tokens=limit,
        lookahead_tokens=LOOKAHEAD,
        started_ms=-(10**9),
    )


def test_text_far_below_the_hold_passes_uncounted() -> None:
    rules = growth()
    rules.arrived(800)

    assert rules.next_step(0) is Step.PASS


def test_bytes_near_the_hold_are_counted_before_more_is_asked_for() -> None:
    rules = growth()
    rules.arrived(801)
    assert (rules.next_step(0), rules.is_over) == (Step.COUNT, False)

    rules.counted(200, text_bytes=0, now_ms=0)
    assert rules.next_step(0) is Step.PASS

    rules.counted(801, text_bytes=0, now_ms=0)
    assert (rules.next_step(0), rules.wanted_tokens) == (Step.GROW, 1_000)


def test_within_the_hold_a_stream_is_counted_four_times_a_second_at_most() -> None:
    rules = growth()
    rules.counted(700, text_bytes=150, now_ms=1_000)

    assert not rules.is_over
    assert rules.next_step(1_000 + GROW_PAUSE_MS - 1) is Step.PASS
    assert rules.next_step(1_000 + GROW_PAUSE_MS) is Step.COUNT


def test_what_no_count_can_help_is_grown_while_more_comes() -> None:
    rules = growth()
    rules.counted(850, text_bytes=10, now_ms=0)

    assert (rules.next_step(0), rules.is_over) == (Step.GROW, False)


def test_what_is_over_the_hold_waits_for_its_turn_and_is_then_asked_for() -> None:
    rules = growth()
    rules.counted(850, text_bytes=0, now_ms=0)
    rules.grown(1_000, now_ms=0)
    rules.counted(1_950, text_bytes=0, now_ms=10)

    assert rules.is_over
    assert (rules.next_step(10), rules.pause_ms(10)) == (Step.WAIT, GROW_PAUSE_MS - 10)
    assert (rules.next_step(GROW_PAUSE_MS), rules.wanted_tokens) == (Step.GROW, 2_000)


def test_a_fast_stream_asks_so_early_that_it_can_ask_again_before_it_is_over() -> None:
    rules = Growth(held_tokens=1_000, limit_tokens=64_000, lookahead_tokens=LOOKAHEAD, started_ms=0)
    rules.counted(500, text_bytes=0, now_ms=1_000)  # 125 tokens in the least pause
    assert rules.next_step(1_000) is Step.PASS

    rules.counted(660, text_bytes=0, now_ms=1_320)

    assert rules.next_step(1_320) is Step.GROW
    assert not rules.is_over


def test_a_stream_that_comes_all_at_once_asks_when_half_of_its_hold_is_used() -> None:
    rules = Growth(held_tokens=1_000, limit_tokens=64_000, lookahead_tokens=LOOKAHEAD, started_ms=0)
    rules.counted(400, text_bytes=0, now_ms=0)
    assert rules.next_step(0) is Step.PASS

    rules.counted(401, text_bytes=0, now_ms=1)

    assert (rules.next_step(1), rules.wanted_tokens) == (Step.GROW, 1_000)


def test_a_refusal_names_what_is_left_and_that_is_asked_for_next() -> None:
    rules = growth()
    rules.counted(850, text_bytes=0, now_ms=0)
    rules.refused(left_tokens=300, now_ms=0)

    assert rules.next_step(0) is Step.PASS
    assert (rules.next_step(GROW_PAUSE_MS), rules.wanted_tokens) == (Step.GROW, 300)


def test_refusals_without_a_hint_halve_what_is_asked_for() -> None:
    rules = growth()
    rules.counted(850, text_bytes=0, now_ms=0)
    asked = []
    for now_ms in range(0, 7 * GROW_PAUSE_MS, GROW_PAUSE_MS):
        assert rules.next_step(now_ms) is Step.GROW
        asked.append(rules.wanted_tokens)
        rules.refused(left_tokens=10**6, now_ms=now_ms)

    assert asked == [1_000, 500, 250, 125, 62, LEAST_TOKENS, LEAST_TOKENS]


@pytest.mark.parametrize("left_tokens", [0, 10**6])
def test_a_stream_goes_on_within_a_hold_that_cannot_grow_and_ends_at_its_end(
    left_tokens: int,
) -> None:
    rules = growth()
    rules.counted(900, text_bytes=0, now_ms=0)
    rules.refused(left_tokens=left_tokens, now_ms=0)
    assert rules.next_step(1) is Step.PASS
    assert rules.next_step(GROW_PAUSE_MS) is Step.GROW

    rules.arrived(1)
    assert rules.next_step(1) is Step.COUNT
    rules.counted(901, text_bytes=0, now_ms=1)

    assert rules.next_step(1) is Step.CUT


def test_nobody_waits_for_a_ledger_that_does_not_answer() -> None:
    rules = growth()
    rules.counted(901, text_bytes=0, now_ms=0)
    rules.unanswered(now_ms=0)

    assert rules.next_step(0) is Step.CUT


def test_a_hold_for_all_that_can_come_is_never_looked_at() -> None:
    rules = growth(limit=1_500)
    rules.counted(950, text_bytes=0, now_ms=0)
    assert rules.wanted_tokens == 500

    rules.grown(500, now_ms=0)
    rules.arrived(10**6)

    assert (rules.next_step(0), rules.is_over) == (Step.PASS, False)


def test_a_lifted_hold_is_never_looked_at() -> None:
    rules = growth()
    rules.lifted()
    rules.arrived(10**6)

    assert rules.next_step(0) is Step.PASS


@dataclass
class Stream:
    """A stream through the rules: what truly came, and what was asked of whom."""

    rules: Growth
    room: int
    """What the budget has left, in tokens."""
    tokens: int = 0
    held: int = 1_000
    now_ms: int = 0
    asked_at_ms: list[int] = field(default_factory=list)
    counts: int = 0
    is_refused: bool = False
    """Whether the last answer was no."""

    def passes(self, tokens: int, text_bytes: int) -> bool:
        """Whether a chunk of so many tokens may go on."""
        self.tokens += tokens
        self.rules.arrived(text_bytes)
        while (step := self.rules.next_step(self.now_ms)) is not Step.PASS:
            match step:
                case Step.CUT:
                    return False
                case Step.WAIT:
                    self.now_ms += self.rules.pause_ms(self.now_ms)
                case Step.COUNT:
                    self.counts += 1
                    self.rules.counted(self.tokens, text_bytes=0, now_ms=self.now_ms)
                case Step.GROW:
                    self._ask(self.rules.wanted_tokens)
        return True

    def _ask(self, tokens: int) -> None:
        self.asked_at_ms.append(self.now_ms)
        self.is_refused = tokens > self.room
        if self.is_refused:
            self.rules.refused(left_tokens=self.room, now_ms=self.now_ms)
            return
        self.room -= tokens
        self.held += tokens
        self.rules.grown(tokens, now_ms=self.now_ms)


CHUNKS = st.lists(
    st.tuples(st.integers(0, 300), st.integers(1, 6), st.integers(0, 400)), max_size=60
)
"""Tokens, bytes for each of them, and milliseconds to the next."""


@given(CHUNKS, st.integers(0, 30_000), st.integers(1_000, 30_000))
def test_nothing_passes_that_the_hold_does_not_cover(
    chunks: list[tuple[int, int, int]], room: int, limit: int
) -> None:
    stream = Stream(growth(limit=limit), room)
    for tokens, bytes_each, pause_ms in chunks:
        if not stream.passes(tokens, tokens * bytes_each):
            assert stream.is_refused
            assert stream.tokens + LOOKAHEAD > stream.held
            break
        assert stream.tokens + LOOKAHEAD <= stream.held or stream.held >= limit
        stream.now_ms += pause_ms

    pauses_ms = [b - a for a, b in zip(stream.asked_at_ms, stream.asked_at_ms[1:], strict=False)]
    assert all(pause_ms >= GROW_PAUSE_MS for pause_ms in pauses_ms)


def test_a_stream_of_single_tokens_is_hardly_ever_counted() -> None:
    stream = Stream(growth(), room=10**6)
    for _ in range(20_000):
        assert stream.passes(1, 5)
        stream.now_ms += 10

    assert stream.counts < 100
    assert len(stream.asked_at_ms) <= 5
