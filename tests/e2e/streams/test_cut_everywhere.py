"""One stream, cut at every token, as the official SDKs read it and as it is charged."""

from functools import partial
from pathlib import Path

import pytest

from simulator.behaviour import Behaviour
from tests.e2e.streams import cutting
from tests.e2e.streams.cutting import EVERY_TOKEN, LOOKAHEAD, Ask, cut_after, learning

TOKENS_SAID = 36
SAYS = Behaviour(output_tokens=TOKENS_SAID, tool_calls=0, wire=EVERY_TOKEN)
CALLS = Behaviour(tool_calls=4, wire=EVERY_TOKEN)

APIS = pytest.mark.parametrize(
    ("ask", "says", "cut"),
    [
        pytest.param(cutting.chat, SAYS, "length", id="chat"),
        pytest.param(partial(cutting.chat, tools=True), CALLS, "length", id="chat with tools"),
        pytest.param(cutting.completions, SAYS, "length", id="completions"),
        pytest.param(cutting.responses, SAYS, "incomplete: max_output_tokens", id="responses"),
        pytest.param(
            partial(cutting.responses, tools=True),
            CALLS,
            "incomplete: max_output_tokens",
            id="responses with tools",
        ),
        pytest.param(cutting.messages, SAYS, "max_tokens", id="messages"),
    ],
)


@APIS
async def test_a_stream_that_is_cut_at_any_token_ends_as_one_that_reached_its_limit(
    ask: Ask, says: Behaviour, cut: str, tmp_path: Path
) -> None:
    async with learning(tmp_path) as stack:
        stack.simulator.behave(says)
        whole = await ask(stack, "whole")
        assert whole.reason != cut
        said = stack.simulator.bills[-1].output.completion_tokens
        assert said > 3 * LOOKAHEAD

        for tokens in range(1, said - 2 * LOOKAHEAD):
            found = await cut_after(stack, ask, tokens, agent=f"a{tokens}", says=says)

            assert found.seen.reason == cut, (tokens, found)
            assert whole.text.startswith(found.seen.text)
            found.assert_charged()
            delivered = found.bill.output.completion_tokens
            assert tokens + LOOKAHEAD < delivered + 1 <= tokens + 2 * LOOKAHEAD
        assert len(stack.log.events("stream_cut")) == said - 2 * LOOKAHEAD - 1


async def test_the_input_of_a_tool_is_cut_anywhere_where_bytes_are_what_is_counted(
    tmp_path: Path,
) -> None:
    ask, lookahead = partial(cutting.messages, tools=True), 40
    async with learning(tmp_path, lookahead=lookahead) as stack:
        stack.simulator.behave(CALLS)
        whole = await ask(stack, "whole")
        lengths = set()

        for size in range(1, len(whole.text) - lookahead, 2):
            found = await cut_after(
                stack, ask, size, agent=f"a{size}", says=CALLS, lookahead=lookahead
            )

            assert found.seen.reason == "max_tokens", (size, found)
            assert whole.text.startswith(found.seen.text)
            found.assert_charged()
            lengths.add(len(found.seen.text))
        assert len(lengths) > 10
