"""A stream that is cut between any two events ends as its API would end it, for who reads it."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from openai.types.chat import ChatCompletionMessageFunctionToolCall

from proxy.dialects.chat.events import ChatEvents
from proxy.dialects.closing import Counted
from proxy.dialects.completions.answer import CompletionEvents
from proxy.dialects.messages.events import MessageEvents
from proxy.dialects.responses.events import ResponseEvents
from proxy.dialects.stream import MAX_HELD_BYTES, AnswerStream, EventReader
from proxy.dialects.wire.sse import EventSplitter, data_of
from tests.dialects import examples as of_chat
from tests.dialects.closing import sdks
from tests.dialects.messages import examples as of_messages
from tests.dialects.responses import examples as of_responses

COUNTED = Counted(19, 7)


def split(sent: bytes) -> list[bytes]:
    """The events of a stream."""
    return [event for event, _ in EventSplitter().feed(sent) if event is not None]


def cut(
    reader: EventReader, came: Iterable[bytes], *, rest: bytes = b"", strip_usage: bool = False
) -> bytes:
    """What a client gets of a stream that is cut after these events, in the midst of another."""
    stream = AnswerStream(reader, strip_usage=strip_usage, may_be_cut=True)
    relayed = b"".join(map(stream.feed, (*came, rest)))
    stream.stop()
    return relayed + stream.closing_events(COUNTED)


def data(sent: bytes) -> list[dict[str, Any]]:
    """What the events say, but for `[DONE]`."""
    return [json.loads(data_of(each)) for each in split(sent) if b"[DONE]" not in each]


TOOL_CALL: tuple[dict[str, Any], ...] = (
    {"role": "assistant", "content": None},
    {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {
        "name": "get_weather", "arguments": ""}}]},
    *[
        {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        for piece in ('{"ci', 'ty":"Ma', "rie", 'hamn"}')
    ],
)  # fmt: skip
CHAT_TEXT = split(of_chat.events(of_chat.CONTENT_CHUNKS))
CHAT_CALL = split(of_chat.events(of_chat.chunk(delta) for delta in TOOL_CALL))


@pytest.mark.parametrize("events", [CHAT_TEXT, CHAT_CALL], ids=["text", "tool call"])
async def test_a_completion_that_is_cut_anywhere_was_too_long(events: list[bytes]) -> None:
    for number in range(1, len(events)):
        if b'"finish_reason": "' in events[number - 1]:
            break
        found = await sdks.chat(cut(ChatEvents(1), events[:number], rest=events[number][:30]))

        assert found.choices[0].finish_reason == "length"
        assert found.usage is not None
        assert found.usage.model_dump(include={"prompt_tokens", "completion_tokens"}) == {
            "prompt_tokens": 19,
            "completion_tokens": 7,
        }


async def test_arguments_of_a_tool_are_cut_where_they_are() -> None:
    found = await sdks.chat(cut(ChatEvents(1), CHAT_CALL[:4]))

    assert found.choices[0].message.tool_calls is not None
    (call,) = found.choices[0].message.tool_calls
    assert isinstance(call, ChatCompletionMessageFunctionToolCall)
    assert call.function.arguments == '{"city":"Ma'


def test_every_choice_ends_once_and_one_that_has_not_begun_too() -> None:
    ended = of_chat.chunk({}, choices=of_chat.finished(index=1))
    events = split(of_chat.events([of_chat.chunk({"content": "Hi"}), ended]))

    *_, first, second, usage = data(cut(ChatEvents(3), events))

    assert [each["choices"][0]["index"] for each in (first, second)] == [0, 2]
    assert first == json.loads(of_chat.chunk({}, choices=of_chat.finished("length")))
    assert usage["choices"] == []


def test_usage_is_told_to_who_asked_for_it() -> None:
    sent = cut(ChatEvents(1), CHAT_TEXT[:2], strip_usage=True)
    assert data(sent)[-1]["choices"] == of_chat.finished("length")
    assert sent.endswith(b"data: [DONE]\n\n")

    with_usage = data(cut(ChatEvents(1), CHAT_TEXT[:2]))
    assert with_usage[-1]["usage"]["total_tokens"] == 26
    assert with_usage[-2]["usage"] is None


async def test_a_legacy_completion_that_is_cut_was_too_long() -> None:
    chunk = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "davinci-002"}
    choice = {"text": "Once", "index": 0, "logprobs": None, "finish_reason": None}
    events = split(of_chat.events([of_chat.encoded(chunk | {"choices": [choice]})]))

    *_, last, usage = await sdks.completions(cut(CompletionEvents(1), events))

    assert last.choices[0].model_dump() == choice | {"text": "", "finish_reason": "length"}
    assert usage.usage is not None
    assert usage.usage.completion_tokens == 7


MESSAGE = split(of_messages.events(of_messages.THOUGHT_AND_CALL))


async def test_a_message_that_is_cut_anywhere_reached_its_limit() -> None:
    for number in range(1, len(MESSAGE) - 2):
        found = await sdks.messages(cut(MessageEvents(1), MESSAGE[:number], rest=MESSAGE[number]))

        assert found.stop_reason == "max_tokens"
        assert found.usage.output_tokens == 7


async def test_the_input_of_a_tool_is_cut_where_it_is() -> None:
    sent = cut(MessageEvents(1), MESSAGE[:-4])
    found = await sdks.messages(sent)

    assert found.content[-1].model_dump(include={"type", "input"}) == {
        "type": "tool_use",
        "input": {},
    }
    stop, end, _ = data(sent)[-3:]
    assert (stop["type"], stop["index"]) == ("content_block_stop", 2)
    assert end == of_messages.message_delta("max_tokens", output_tokens=7)


async def test_a_message_that_said_why_it_ends_is_only_stopped() -> None:
    found = await sdks.messages(cut(MessageEvents(1), MESSAGE[:-1]))

    assert (found.stop_reason, found.usage.output_tokens) == ("tool_use", 89)


CALL_ITEM = {"id": "fc_1", "type": "function_call", "call_id": "call_1", "name": "get_weather"}
AT_CALL = {"item_id": "fc_1", "output_index": 1}
RESPONSE_EVENTS: Sequence[dict[str, Any]] = (
    *of_responses.begun(),
    *of_responses.text_events(*of_responses.GREETING),
    {
        "type": "response.output_item.added",
        "output_index": 1,
        "item": CALL_ITEM | {"arguments": "", "status": "in_progress"},
    },
    *[
        {"type": "response.function_call_arguments.delta", "delta": piece, **AT_CALL}
        for piece in ('{"loc', 'ation":"Par', 'is"}')
    ],
    {
        "type": "response.function_call_arguments.done",
        "arguments": '{"location":"Paris"}',
        **AT_CALL,
    },
)
RESPONSE = split(of_responses.stream(RESPONSE_EVENTS))


async def test_a_response_that_is_cut_anywhere_is_incomplete() -> None:
    for number in range(1, len(RESPONSE)):
        sent = cut(ResponseEvents(1), RESPONSE[:number], rest=RESPONSE[number][:50])
        for read in (sdks.responses, sdks.raw_responses):
            events = await read(sent)
            response = sdks.incomplete(events).response

            assert response.status == "incomplete"
            assert response.incomplete_details is not None
            assert response.incomplete_details.reason == "max_output_tokens"
            assert response.usage is not None
            assert response.usage.total_tokens == 26
            assert [event.sequence_number for event in events] == [*range(len(events))]


def ends(sent: bytes) -> list[str]:
    return [each["type"] for each in data(sent) if each["type"].endswith(".done")]


def test_what_is_open_of_a_response_is_closed_from_the_inside_out() -> None:
    in_text = cut(ResponseEvents(1), RESPONSE[:6])
    *_, text, part, item, last = data(in_text)

    assert ends(in_text) == [
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    assert (text["text"], text["content_index"]) == ("Hi there! How can I", 0)
    assert part["part"]["text"] == item["item"]["content"][0]["text"] == "Hi there! How can I"
    assert item["item"]["status"] == "incomplete"
    assert last["response"]["output"] == [item["item"]]


def test_a_call_that_is_cut_is_an_item_like_those_before_it() -> None:
    in_call = cut(ResponseEvents(1), RESPONSE[:13])
    *_, arguments, item, last = data(in_call)

    assert ends(in_call)[-2:] == [
        "response.function_call_arguments.done",
        "response.output_item.done",
    ]
    assert arguments["arguments"] == item["item"]["arguments"] == '{"location":"Par'
    whole = next(each for each in RESPONSE_EVENTS if each["type"] == "response.output_item.done")
    assert last["response"]["output"] == [whole["item"], item["item"]]


def test_a_summary_of_thoughts_is_closed_as_what_it_is() -> None:
    at = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    part = {"type": "summary_text", "text": ""}
    thoughts = {"id": "rs_1", "type": "reasoning", "summary": []}
    events = (
        *of_responses.begun(),
        {"type": "response.output_item.added", "output_index": 0, "item": thoughts},
        {"type": "response.reasoning_summary_part.added", "part": part, **at},
        {"type": "response.reasoning_summary_text.delta", "delta": "Hm", **at},
    )

    sent = cut(ResponseEvents(1), split(of_responses.stream(events)))

    assert ends(sent) == [
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.output_item.done",
    ]
    assert data(sent)[-1]["response"]["output"][0]["summary"] == [part | {"text": "Hm"}]


@pytest.mark.parametrize("reader", [ChatEvents(1), MessageEvents(1), ResponseEvents(1)])
def test_what_has_not_begun_cannot_be_ended(reader: EventReader) -> None:
    assert cut(reader, [b": a comment\n\n"]) == b": a comment\n\n"


def test_what_was_relayed_in_the_midst_of_an_event_cannot_be_ended() -> None:
    begun = b"data: " + of_chat.chunk({"content": "x" * MAX_HELD_BYTES})

    assert cut(ChatEvents(1), CHAT_TEXT[:2], rest=begun) == b"".join(CHAT_TEXT[:2]) + begun


def test_what_came_of_an_unfinished_event_is_counted_and_not_relayed() -> None:
    stream = AnswerStream(ChatEvents(1), strip_usage=False, may_be_cut=True)
    relayed = b"".join(map(stream.feed, (*CHAT_TEXT[:2], CHAT_TEXT[2].partition(b"there")[0])))
    stream.stop()

    assert relayed == b"".join(CHAT_TEXT[:2])
    assert stream.answer.delivered_texts() == ("Hello", " ")
