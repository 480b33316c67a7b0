"""The tools that an answer calls, by what it names them: whole, in events, in pieces."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from proxy.dialects.chat import CHAT
from proxy.dialects.dialect import Dialect
from proxy.dialects.messages import MESSAGES
from proxy.dialects.responses import RESPONSES
from proxy.dialects.stream import AnswerStream


def called_in_stream(dialect: Dialect, *events: Mapping[str, Any]) -> Mapping[str, int]:
    stream = AnswerStream(dialect.new_reader(1), strip_usage=False)
    for event in events:
        stream.feed(b"data: " + json.dumps(event).encode() + b"\n\n")
    return stream.answer.called_tools()


def called_in(dialect: Dialect, answer: Mapping[str, Any]) -> Mapping[str, int]:
    return dialect.read_answer(json.dumps(answer).encode()).called_tools()


def function(name: str, **more: object) -> dict[str, object]:
    return {"function": {"name": name, "arguments": "{}"}, "type": "function", **more}


CHAT_CALLS = [
    function("delete"),
    function("read"),
    function("delete"),
    {"type": "custom", "custom": {"name": "shell", "input": "ls"}},
]


def test_parallel_calls_of_a_chat_are_each_counted_in_each_choice() -> None:
    choices = [{"index": i, "message": {"tool_calls": CHAT_CALLS, "content": "x"}} for i in (0, 1)]
    assert called_in(CHAT, {"choices": choices}) == {"delete": 4, "read": 2, "shell": 2}


def test_the_older_function_call_of_a_chat_is_a_call() -> None:
    message = {"function_call": {"name": "delete", "arguments": '{"name": "read"}'}}
    assert called_in(CHAT, {"choices": [{"message": message}]}) == {"delete": 1}


def test_names_of_a_streamed_chat_are_whole_when_all_of_their_pieces_came() -> None:
    pieces = [
        [function("del", index=0), function("read", index=1)],
        [{"index": 0, "function": {"name": "ete"}}],
        [{"index": 1, "function": {"arguments": '{"name": "x"}'}}],
    ]
    events = [{"choices": [{"index": 0, "delta": {"tool_calls": calls}}]} for calls in pieces]
    assert called_in_stream(CHAT, *events) == {"delete": 1, "read": 1}


ITEMS: list[dict[str, Any]] = [
    {"type": "message", "content": [{"type": "output_text", "text": "name", "name": "read"}]},
    {"type": "function_call", "name": "delete", "arguments": '{"name": "read"}', "call_id": "1"},
    {"type": "custom_tool_call", "name": "shell", "input": "ls", "call_id": "2"},
    {"type": "web_search_call", "status": "completed", "action": {"query": "name"}},
    {"type": "mcp_call", "name": "delete", "arguments": "{}", "server_label": "s"},
    {"type": "mcp_list_tools", "name": "read", "tools": [{"name": "read"}]},
    {"type": "function_call_output", "name": "read", "output": "x"},
]
IN_ITEMS = {"delete": 1, "shell": 1, "web_search": 1, "mcp": 1}


def test_a_response_calls_functions_by_name_and_what_the_provider_runs_by_type() -> None:
    assert called_in(RESPONSES, {"output": ITEMS}) == IN_ITEMS


def test_a_call_that_a_streamed_response_tells_of_thrice_is_one() -> None:
    added = [
        {"type": "response.output_item.added", "output_index": i, "item": item}
        for i, item in enumerate(ITEMS)
    ]
    done = [event | {"type": "response.output_item.done"} for event in added]
    whole = {"type": "response.completed", "response": {"output": ITEMS, "status": "completed"}}
    assert called_in_stream(RESPONSES, *added, *done, whole) == IN_ITEMS
    assert called_in_stream(RESPONSES, *added[:2]) == {"delete": 1}


BLOCKS: list[dict[str, Any]] = [
    {"type": "text", "text": "name"},
    {"type": "tool_use", "id": "1", "name": "delete", "input": {"name": "read"}},
    {"type": "server_tool_use", "id": "2", "name": "web_search", "input": {"query": "q"}},
    {"type": "web_search_tool_result", "name": "read", "content": []},
    {"type": "server_tool_use", "id": "3", "name": "bash_code_execution", "input": {}},
    {"type": "mcp_tool_use", "id": "4", "name": "delete", "input": {}},
    {"type": "mcp_tool_result", "name": "read", "content": []},
]
IN_BLOCKS = {"delete": 1, "web_search": 1, "code_execution": 1, "mcp_toolset": 1}


def test_a_message_calls_tools_of_the_caller_and_of_the_provider_and_results_call_none() -> None:
    assert called_in(MESSAGES, {"content": BLOCKS}) == IN_BLOCKS


def test_a_streamed_message_calls_a_tool_when_its_block_begins() -> None:
    events: list[dict[str, Any]] = []
    for index, block in enumerate(BLOCKS):
        begun = {**block, "input": {}} if "input" in block else block
        delta = {"type": "input_json_delta", "partial_json": '{"name": "read"}'}
        events += [
            {"type": "content_block_start", "index": index, "content_block": begun},
            {"type": "content_block_delta", "index": index, "delta": delta},
        ]
    assert called_in_stream(MESSAGES, *events) == IN_BLOCKS


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, MESSAGES])
def test_an_answer_that_cannot_be_read_calls_nothing(dialect: Dialect) -> None:
    assert dialect.read_answer(b'{"name": "delete", ').called_tools() == {}


@pytest.mark.parametrize(
    ("dialect", "definition", "called"),
    [
        (
            RESPONSES,
            {"type": "web_search_preview_2025_03_11"},
            ("web_search_preview", "web_search"),
        ),
        (RESPONSES, {"type": "computer_use_preview"}, ("computer_use_preview", "computer")),
        (RESPONSES, {"type": "file_search"}, ("file_search", "")),
        (
            MESSAGES,
            {"type": "text_editor_20250728", "name": "str_replace_based_edit_tool"},
            ("text_editor", "str_replace_based_edit_tool"),
        ),
        (MESSAGES, {"type": "bash_20250124", "name": "bash"}, ("bash", "")),
    ],
)
def test_answers_may_have_another_name_for_a_tool_than_caps(
    dialect: Dialect, definition: dict[str, Any], called: tuple[str, str]
) -> None:
    body = {"model": "m", "max_tokens": 9, "tools": [definition]}
    said: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}], "input": "hi"}
    names = ("input",) if dialect is RESPONSES else ("messages",)
    request = dialect.read_request(json.dumps(body | {n: said[n] for n in names}).encode())
    assert [(tool.name, tool.called) for tool in request.tools] == [called]


def test_no_answer_of_a_chat_tells_that_the_web_was_searched() -> None:
    body = {"model": "m", "web_search_options": {}, "messages": [{"role": "user", "content": "h"}]}
    (tool,) = CHAT.read_request(json.dumps(body).encode()).tools
    assert (tool.name, tool.is_told) == ("web_search", False)
