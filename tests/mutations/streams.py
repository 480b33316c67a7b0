"""Edits of what keeps the hold of a stream ahead of it, and of how a stream is ended."""

from typing import Final

from tests.mutations.mutation import Mutation

_GROWTH: Final = "tests/gateway/stream/test_growth.py"
_RELAY: Final = "tests/gateway/stream/test_relay.py"
_CLOSING: Final = "tests/dialects/closing/test_closing.py"
_FITTING: Final = "tests/gateway/stream/test_fitting.py"

OF_STREAMS: Final = (
    Mutation(
        "write down what a stream without a hold is expected to cost, not what it can",
        "proxy/gateway/reserve.py",
        "        most = plan.ways[rung].most_of(amounts)\n",
        "        most = amounts\n",
        (
            "tests/e2e/streams/test_learned_holds.py::"
            "test_a_stream_that_left_without_a_hold_is_charged_the_worst_where_nobody_knows[reserve]",
        ),
    ),
    Mutation(
        "let more of a stream pass than is held for",
        "proxy/gateway/stream/growth.py",
        "return not self._is_full and self._needed_tokens > self.held_tokens",
        "return False",
        (f"{_GROWTH}::test_nothing_passes_that_the_hold_does_not_cover",),
    ),
    Mutation(
        "hold nothing for what comes until an upstream hears that a stream was cut",
        "proxy/gateway/stream/growth.py",
        "self._counted_tokens + self._uncounted_bytes + self._lookahead_tokens",
        "self._counted_tokens + self._uncounted_bytes",
        (
            f"{_GROWTH}::test_nothing_passes_that_the_hold_does_not_cover",
            f"{_RELAY}::test_a_stream_that_no_budget_has_room_for_ends_within_its_hold[0-10]",
        ),
    ),
    Mutation(
        "ask the ledger for more as often as something comes",
        "proxy/gateway/stream/growth.py",
        "GROW_PAUSE_MS: Final = 250",
        "GROW_PAUSE_MS: Final = 1",
        (
            f"{_RELAY}::test_the_ledger_is_asked_four_times_a_second_however_fast_the_stream_is",
            f"{_RELAY}::test_per_chunk_nothing_is_counted_decoded_or_asked",
        ),
    ),
    Mutation(
        "go on reading from an upstream whose stream was cut",
        "proxy/gateway/stream/relay.py",
        "        self._answer.abort()\n        if self._stream.is_told_complete:",
        "        if self._stream.is_told_complete:",
        (f"{_RELAY}::test_the_upstream_is_closed_before_the_caller_hears_of_it",),
    ),
    Mutation(
        "forget what had come when a stream was cut",
        "proxy/gateway/stream/relay.py",
        "        rest = await self._what_has_come()\n",
        '        rest = b""\n',
        (f"{_RELAY}::test_what_has_come_when_a_stream_is_cut_goes_on_and_counts",),
    ),
    Mutation(
        "hold little for a model that thinks unseen",
        "proxy/gateway/stream/fitting.py",
        "not searches and not way.model.profile.hidden_output",
        "not searches",
        (
            f"{_FITTING}::"
            "test_what_cannot_be_seen_or_is_short_holds_the_worst_case[hidden thoughts]",
        ),
    ),
    Mutation(
        "charge the end of a stream that was cut beyond its hold",
        "proxy/gateway/charge.py",
        "choices * way.paid_tokens(held)",
        "choices * way.output_tokens_for(held)",
        (f"{_FITTING}::test_what_ends_an_answer_is_charged_as_far_as_the_hold_goes",),
    ),
    Mutation(
        "leave open what was open when a response was cut",
        "proxy/dialects/responses/closing.py",
        "for index in sorted(self._open) for event",
        "for index in () for event",
        (f"{_CLOSING}::test_what_is_open_of_a_response_is_closed_from_the_inside_out",),
    ),
)
