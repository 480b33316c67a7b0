"""The parts of a prompt are a bound on what it is billed.

The bills are real: published in OpenAI's cookbook and API reference, or measured by users
where nothing is published (sources in `chat/prompt.py`).
"""

import copy
import functools
import os
from pathlib import Path
from typing import Any

import pytest
import tiktoken
from hypothesis import given
from hypothesis import strategies as st

import pricing
from pricing.prompt import Prompt, Text
from proxy.dialects.chat.prompt import prompt_of
from proxy.dialects.chat.request import read_request
from proxy.dialects.openai.framing import MESSAGE_TOKENS, REPLY_TOKENS
from tests.dialects.examples import JARGON, QUESTION, TOOL_QUESTION, WEATHER_TOOL, body, encoded

_VOCABULARY = Path(pricing.__file__).parent / "vocabulary"


@functools.cache
def _encoding(name: str) -> tiktoken.Encoding:
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(os.environ, "TIKTOKEN_CACHE_DIR", str(_VOCABULARY))
        return tiktoken.get_encoding(name)


def _prompt(**fields: Any) -> Prompt:
    return prompt_of(read_request(body(**fields)))


def _of_message(**message: Any) -> Prompt:
    return _prompt(messages=[message])


def _tokens(prompt: Prompt, encoding: str = "o200k_base") -> int:
    count = _encoding(encoding).encode_ordinary
    assert all(isinstance(part, Text) for part in prompt.parts)
    texts = (part.text for part in prompt.parts if isinstance(part, Text))
    return prompt.framing_tokens + sum(len(count(text)) for text in texts)


def test_the_documented_call_counts_the_documented_tokens() -> None:
    assert _tokens(prompt_of(read_request(encoded(QUESTION)))) == 19


@pytest.mark.parametrize(("encoding", "billed"), [("cl100k_base", 129), ("o200k_base", 124)])
def test_the_cookbook_s_messages_with_names_count_exactly(encoding: str, billed: int) -> None:
    assert _tokens(_prompt(messages=JARGON), encoding) == billed


_COOKBOOK_TOOL = copy.deepcopy(WEATHER_TOOL)


_COOKBOOK_TOOL["function"]["parameters"]["properties"]["unit"]["description"] = (
    "The unit of temperature to return"
)


_COOKBOOK_QUESTION = [
    {
        "role": "system",
        "content": "You are a helpful assistant that can answer to questions about the weather.",
    },
    {"role": "user", "content": "What's the weather like in San Francisco?"},
]


@pytest.mark.parametrize(("encoding", "billed"), [("cl100k_base", 105), ("o200k_base", 101)])
def test_the_cookbook_s_tool_is_bounded_and_not_by_much(encoding: str, billed: int) -> None:
    tokens = _tokens(_prompt(messages=_COOKBOOK_QUESTION, tools=[_COOKBOOK_TOOL]), encoding)
    assert billed <= tokens <= 1.6 * billed


_WORDS = st.text(st.sampled_from("ab z_é"), min_size=1, max_size=12)


@given(
    st.dictionaries(_WORDS, st.tuples(_WORDS, st.lists(_WORDS, max_size=9)), max_size=4),
    st.sampled_from(["cl100k_base", "o200k_base"]),
)
def test_any_flat_tool_is_bounded_by_the_cookbook_s_rule(
    properties: dict[str, tuple[str, list[str]]], encoding: str
) -> None:
    def count(text: str) -> int:
        return len(_encoding(encoding).encode_ordinary(text))

    by_rule = 12 + 10 + count("f:d") + (3 if properties else 0)
    schema: dict[str, Any] = {}
    for name, (description, values) in properties.items():
        by_rule += 3 + count(f"{name}:string:{description}")
        by_rule += sum(3 + count(value) for value in values) - (3 if values else 0)
        schema[name] = {"type": "string", "description": description}
        schema[name] |= {"enum": values} if values else {}
    parameters = {"type": "object", "properties": schema}
    function = {"name": "f", "description": "d", "parameters": parameters}
    tool = {"type": "function", "function": function}
    added = _tokens(_prompt(tools=[tool]), encoding) - _tokens(_prompt(), encoding)
    assert added >= by_rule


def test_the_documented_tool_is_bounded_and_not_by_much() -> None:
    tokens = _tokens(prompt_of(read_request(encoded(TOOL_QUESTION))))
    assert 82 <= tokens <= 1.6 * 82


@pytest.mark.parametrize(("pairs", "billed"), [(1, 40), (2, 89), (3, 114)])
def test_tool_calls_and_their_results_are_bounded(pairs: int, billed: int) -> None:
    called = {"name": "calculator", "arguments": '{"a":2, "b":2}'}
    calls = [{"id": "a", "type": "function", "function": called}] * pairs
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "How much is 2 plus 2?"}]},
        {"role": "assistant", "tool_calls": calls},
        *[{"role": "tool", "tool_call_id": "a", "content": "4"}] * pairs,
    ]
    tokens = _tokens(_prompt(messages=messages), "cl100k_base")
    assert billed <= tokens <= 2 * billed


@pytest.mark.parametrize(("results", "billed"), [(1, 1_121), (3, 39_235)])
def test_results_of_parallel_calls_bill_as_the_ascii_they_are_rendered_in(
    results: int, billed: int
) -> None:
    called = {"name": "get_text", "arguments": "{}"}
    calls = [{"id": str(n), "type": "function", "function": called} for n in range(results)]
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": None, "tool_calls": calls},
        *[
            {"role": "tool", "tool_call_id": str(n), "content": "테스트 " * 1_000}
            for n in range(results)
        ],
    ]
    tokens = _tokens(_prompt(messages=messages))
    assert billed - 100 <= tokens <= 1.1 * billed
    if results > 1:
        assert tokens >= 39_003


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool", "function"])
def test_a_role_is_one_token(role: str) -> None:
    for encoding in ("o200k_base", "cl100k_base"):
        assert len(_encoding(encoding).encode_ordinary(role)) == 1
    prompt = _of_message(role=role, content="x")
    assert prompt == Prompt((Text("x"),), REPLY_TOKENS + MESSAGE_TOKENS)
