"""What a legacy completion says and delivers, whole or as a stream, on any split of its bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricing.cost import cost
from pricing.usage import Usage
from proxy.dialects.answer import Answer, add_cost
from proxy.dialects.completions import COMPLETIONS
from proxy.dialects.stream import AnswerStream
from proxy.dialects.usage import UsageFault
from tests.dialects.completions.golden import ANSWER, CONTENT, DONE, USAGE_CHUNK, chunk, encoded
from tests.dialects.examples import events
from tests.pricing.make import listed_card

_MODEL = "gpt-3.5-turbo-instruct"
_COMPLETE = (Usage(5, 2), None, _MODEL, True, 1, ('Hello "there"',))


def relay(pieces: list[bytes], *, strip: bool = True, n: int = 1) -> tuple[bytes, Answer]:
    stream = AnswerStream(COMPLETIONS.new_reader(n), strip_usage=strip)
    relayed = b"".join([*map(stream.feed, pieces), stream.finish()])
    return relayed, stream.answer


def seen(answer: Answer) -> tuple[object, ...]:
    """All that an answer says."""
    names = (answer.usage, answer.usage_fault, answer.model)
    return *names, answer.complete, answer.choices, answer.delivered_texts()


def test_the_documented_answer_and_its_price() -> None:
    answer = COMPLETIONS.read_answer(encoded(ANSWER))

    assert seen(answer) == (Usage(5, 7), None, _MODEL, True, 1, ("\n\nThis is indeed a test",))
    assert answer.usage is not None
    # $1.50 in and $2 out for a million: 5 x 150 + 7 x 200 microcents.
    card = listed_card(_MODEL)
    assert cost(card, answer.usage, cached_in_input=True, service_tier=None) == 2_150


def test_of_many_answers_every_text_is_delivered() -> None:
    choices = [{"text": text, "index": place} for place, text in enumerate(("one", "two", ""))]

    answer = COMPLETIONS.read_answer(encoded(ANSWER | {"choices": choices}))

    assert (answer.choices, answer.delivered_texts()) == (3, ("one", "two"))


def test_an_answer_that_breaks_off_at_any_byte_is_not_complete_and_its_text_not_lost() -> None:
    whole = encoded(ANSWER)
    first = whole.index(b"This")
    for length in range(len(whole)):
        answer = COMPLETIONS.read_answer(whole[:length])

        assert (answer.complete, answer.usage) == (False, None)
        if length > first:
            (text,) = answer.delivered_texts()
            assert text.startswith(r"\n\n" + "This is indeed a test"[: length - first][:21])


@pytest.mark.parametrize("text", [b"", b"{}", b"[]", b"7", b'{"choices": {}}', b"\xff\xfe"])
def test_what_is_no_answer_is_not_complete(text: bytes) -> None:
    answer = COMPLETIONS.read_answer(text)

    assert (answer.usage, answer.complete, answer.delivered_texts()) == (None, False, ())


@pytest.mark.parametrize(
    "choice", [None, 7, {}, {"text": None}, {"text": ["a"]}, {"index": "x"}, {"message": {}}]
)
def test_a_choice_in_an_odd_shape_is_survived(choice: Any) -> None:
    answer = COMPLETIONS.read_answer(encoded(ANSWER | {"choices": [choice, {"text": "kept"}]}))

    assert (answer.usage, answer.delivered_texts()) == (Usage(5, 7), ("kept",))


@pytest.mark.parametrize(
    ("usage", "fault"),
    [
        ({"prompt_tokens": 5}, UsageFault.INCOMPLETE),
        ({"prompt_tokens": 5, "completion_tokens": -7}, UsageFault.NOT_A_COUNT),
        (
            {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 6},
            UsageFault.CONTRADICTORY,
        ),
    ],
)
def test_usage_that_cannot_be_is_flagged(usage: Any, fault: UsageFault) -> None:
    answer = COMPLETIONS.read_answer(encoded(ANSWER | {"usage": usage}))

    assert (answer.usage, answer.usage_fault) == (None, fault)


@pytest.mark.parametrize("strip", [True, False])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=["LF", "CRLF", "CR"])
def test_split_at_every_byte_nothing_changes(end: bytes, strip: bool) -> None:
    sent = events([*CONTENT, USAGE_CHUNK, DONE], end)
    wanted = events([*CONTENT, DONE], end) if strip else sent
    for place in range(len(sent) + 1):
        relayed, answer = relay([sent[:place], sent[place:]], strip=strip)

        assert relayed == wanted
        assert seen(answer) == _COMPLETE


def test_cut_at_every_byte_nothing_that_was_delivered_is_lost() -> None:
    before = events(CONTENT)
    sent = before + events([USAGE_CHUNK, DONE])
    for length in range(len(sent) + 1):
        relayed, answer = relay([sent[:length]], strip=False)

        assert relayed == sent[:length]
        assert answer.complete is (length >= len(before) - 2)
        assert (answer.usage is not None) is (length >= len(before + events([USAGE_CHUNK])) - 2)
        texts = "".join(answer.delivered_texts()).replace("\\", "")
        shown = sent[:length].replace(b"\\", b"")
        assert texts in 'Hello "there"'
        assert (b"Hello" in shown) <= texts.startswith("Hello")
        assert (b"there" in shown) <= ("there" in texts)


def test_a_stream_goes_on_until_every_answer_has_ended() -> None:
    ended = [chunk("a"), chunk("", reason="length"), chunk("b", index=1)]

    assert not relay([events(ended)], n=2)[1].complete
    assert relay([events([*ended, chunk("", index=1, reason="stop")])], n=2)[1].complete
    assert relay([events([*ended, DONE])], n=2)[1].complete


def test_usage_on_every_chunk_is_counted_once_and_the_last_holds() -> None:
    counts = [{"prompt_tokens": 5, "completion_tokens": done} for done in range(4)]
    sent = [chunk("x", usage=count) for count in counts]

    _, answer = relay([events([*sent, DONE])])

    assert (answer.usage, answer.delivered_texts()) == (Usage(5, 3), ("xxxx",))


@given(st.lists(st.text(max_size=8), min_size=1, max_size=6), st.data())
def test_any_texts_come_out_as_they_went_in(texts: list[str], data: st.DataObject) -> None:
    sent = events([*(chunk(text) for text in texts), chunk("", reason="stop"), USAGE_CHUNK, DONE])
    place = data.draw(st.integers(0, len(sent)))

    relayed, answer = relay([sent[:place], sent[place:]], strip=False)

    assert relayed == sent
    assert "".join(answer.delivered_texts()) == "".join(texts)


def test_the_cost_stands_beside_the_usage() -> None:
    told = json.loads(add_cost(encoded(ANSWER), "0.0000215"))

    assert told["usage"] == ANSWER["usage"] | {"cost_usd": "0.0000215"}
