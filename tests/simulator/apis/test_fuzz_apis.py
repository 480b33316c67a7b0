"""Whatever is sent to the newer APIs, the answer is an answer or a refusal, and adds up."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator import Behaviour
from simulator.answer.render import Answer
from simulator.apis.api import Api
from simulator.apis.completions import COMPLETIONS
from simulator.apis.embeddings import EMBEDDINGS
from simulator.apis.messages import COUNT_TOKENS, MESSAGES
from simulator.apis.responses import INPUT_TOKENS, compaction_api, responses_api
from simulator.apis.responses.store import Store
from simulator.bill import Input
from simulator.errors import ApiError
from simulator.models import MODELS
from simulator.prompt.vocabulary import Vocabulary
from tests.simulator.test_fuzz import JSON_VALUES, SCHEMA, places, replaced

VOCABULARY = Vocabulary()
RESPONSES = responses_api(Store())
COMPACTION = compaction_api(Store())

RESPONSE_BODY: dict[str, Any] = {
    "model": "gpt-5",
    "instructions": "be brief",
    "input": [
        {"role": "system", "content": "hello"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "hello"},
                {"type": "input_image", "image_url": "https://a/b", "detail": "low"},
                {"type": "input_image", "file_id": "file-1"},
                {"type": "input_file", "file_data": "data:a;base64,AAAA"},
                {"type": "input_file", "file_url": "https://a/b"},
            ],
        },
        {"type": "function_call", "call_id": "c", "name": "roll", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "4"},
        {"type": "custom_tool_call", "call_id": "d", "name": "shell", "input": "ls"},
        {"type": "custom_tool_call_output", "call_id": "d", "output": "a b"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]},
        {"type": "item_reference", "id": "msg_1"},
        {"type": "web_search_call", "id": "ws_1"},
    ],
    "tools": [
        {"type": "function", "name": "roll", "parameters": SCHEMA},
        {"type": "custom", "name": "shell"},
        {"type": "web_search"},
    ],
    "tool_choice": {"type": "function", "name": "roll"},
    "max_tool_calls": 3,
    "text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content"],
    "max_output_tokens": 64,
    "prompt": {"id": "p"},
    "stream": True,
    "stream_options": {"include_obfuscation": True},
    "service_tier": "auto",
    "store": True,
}
MESSAGE_BODY: dict[str, Any] = {
    "model": "claude-sonnet-4-5",
    "max_tokens": 2_000,
    "system": [{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "hello"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "so", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "tool_use", "id": "t", "name": "roll", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "4"},
                {"type": "image", "source": {"type": "url", "url": "https://a/b"}},
                {"type": "document", "source": {"type": "text", "data": "hello"}},
                {"type": "document", "source": {"type": "file", "file_id": "f"}},
            ],
        },
    ],
    "tools": [
        {"name": "roll", "description": "x", "input_schema": SCHEMA},
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
    ],
    "tool_choice": {"type": "tool", "name": "roll"},
    "thinking": {"type": "enabled", "budget_tokens": 1_024},
    "service_tier": "auto",
    "stream": True,
}
COMPLETION_BODY: dict[str, Any] = {
    "model": "gpt-3.5-turbo-instruct",
    "prompt": ["hello", [1, 2]],
    "max_tokens": 9,
    "n": 2,
    "best_of": 2,
    "echo": True,
    "suffix": "x",
    "logprobs": 2,
    "stream": True,
    "stream_options": {"include_usage": True},
}
EMBEDDING_BODY: dict[str, Any] = {
    "model": "text-embedding-3-small",
    "input": ["hello", "there"],
    "dimensions": 4,
    "encoding_format": "base64",
}
CALLS = [
    (RESPONSES, RESPONSE_BODY),
    (INPUT_TOKENS, RESPONSE_BODY),
    (COMPACTION, RESPONSE_BODY),
    (MESSAGES, MESSAGE_BODY),
    (COUNT_TOKENS, MESSAGE_BODY),
    (COMPLETIONS, COMPLETION_BODY),
    (EMBEDDINGS, EMBEDDING_BODY),
]


def serve(api: Api, body: dict[str, Any]) -> Answer | ApiError:
    """All that happens to a call between its socket and its socket."""
    behaviour = Behaviour()
    try:
        request = api.read(msgspec.json.encode(body), MODELS)
        if request.model.kind != api.serves:
            return ApiError(404, "not here")
        prompt = api.count(request, VOCABULARY)
        choices = api.generate(
            request, behaviour, seed=0, prompt_tokens=prompt.total, vocabulary=VOCABULARY
        )
    except ApiError as error:
        return error
    return Answer(
        id=f"{api.id_prefix}1",
        created_s=0,
        model=request.model.snapshot,
        service_tier="default",
        request=request,
        choices=choices,
        input=Input(prompt_tokens=prompt.total),
        report=behaviour.report,
        tokens_per_event=1,
    )


@pytest.mark.parametrize(("api", "body"), CALLS, ids=[api.path for api, _ in CALLS])
def test_the_whole_body_is_answered(api: Api, body: dict[str, Any]) -> None:
    answer = serve(api, body)

    assert isinstance(answer, Answer)
    assert msgspec.json.encode(api.json(answer))


@pytest.mark.parametrize(("api", "body"), CALLS, ids=[api.path for api, _ in CALLS])
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_one_odd_value_anywhere_is_answered_or_refused(
    api: Api, body: dict[str, Any], data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(places(body))))

    answer = serve(api, replaced(body, path, data.draw(JSON_VALUES)))

    if isinstance(answer, ApiError):
        assert answer.status in (400, 404)
        assert msgspec.json.encode(api.error(answer))
        return
    shown = [event.output for event in api.events(answer)]
    if shown:
        assert sum(shown, answer.hidden()) == answer.output()
    assert msgspec.json.encode(api.json(answer))
