"""What policy changes in a body beside its model, its limit and its tools, in every dialect."""

import json
from typing import Any

import pytest

from proxy.dialects.chat import CHAT
from proxy.dialects.completions import COMPLETIONS
from proxy.dialects.dialect import Changes, Dialect
from proxy.dialects.embeddings import EMBEDDINGS
from proxy.dialects.messages import MESSAGES
from proxy.dialects.responses import RESPONSES
from proxy.domain.errors import Reason, Refused

HELLO = [{"role": "user", "content": "hi"}]
BODIES: dict[str, dict[str, Any]] = {
    "chat": {"model": "o3", "messages": HELLO},
    "responses": {"model": "o3", "input": "hi"},
    "messages": {"model": "claude-sonnet-4-5", "max_tokens": 8000, "messages": HELLO},
    "completions": {"model": "davinci-002", "prompt": "hi"},
    "embeddings": {"model": "text-embedding-3-small", "input": "hi"},
}
DIALECTS = {
    "chat": CHAT,
    "responses": RESPONSES,
    "messages": MESSAGES,
    "completions": COMPLETIONS,
    "embeddings": EMBEDDINGS,
}
EVERYTHING = Changes(reasoning_effort="low", service_tier="default", n=1, note="Be brief.")


def changed(api: str, changes: Changes, **fields: Any) -> Any:
    dialect: Dialect = DIALECTS[api]
    request = dialect.read_request(json.dumps(BODIES[api] | fields).encode())
    return json.loads(dialect.apply(request, changes))


@pytest.mark.parametrize("api", BODIES)
def test_a_body_that_asks_for_no_more_than_is_allowed_keeps_its_bytes(api: str) -> None:
    dialect = DIALECTS[api]
    request = dialect.read_request(json.dumps(BODIES[api], indent=1).encode())

    assert dialect.apply(request, Changes(n=3)) is request.body


@pytest.mark.parametrize(
    ("api", "asked", "sent"),
    [
        ("chat", {}, {"reasoning_effort": "low"}),
        ("chat", {"reasoning_effort": "high"}, {"reasoning_effort": "low"}),
        ("responses", {}, {"reasoning": {"effort": "low"}}),
        (
            "responses",
            {"reasoning": {"effort": "high", "summary": "auto"}},
            {"reasoning": {"effort": "low", "summary": "auto"}},
        ),
        (
            "messages",
            {"output_config": {"effort": "high", "format": None}},
            {"output_config": {"effort": "low", "format": None}},
        ),
        (
            "messages",
            {"thinking": {"type": "adaptive"}},
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        (
            "messages",
            {"thinking": {"type": "enabled", "budget_tokens": 6000}},
            {"thinking": {"type": "enabled", "budget_tokens": 1600}},
        ),
        (
            "messages",
            {"thinking": {"type": "enabled", "budget_tokens": 1100}},
            {"thinking": {"type": "enabled", "budget_tokens": 1100}},
        ),
        ("messages", {}, {}),
        ("completions", {}, {}),
        ("embeddings", {}, {}),
    ],
)
def test_less_thought_is_asked_for_where_the_api_knows_thought(
    api: str, asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert changed(api, Changes(reasoning_effort="low"), **asked) == BODIES[api] | asked | sent


def test_a_lowered_thought_is_never_below_the_shortest_that_the_api_takes() -> None:
    thinking = {"type": "enabled", "budget_tokens": 4000}

    sent = changed("messages", Changes(reasoning_effort="minimal"), thinking=thinking)

    assert sent["thinking"]["budget_tokens"] == 1024


def test_an_effort_of_none_turns_a_budget_for_thought_off() -> None:
    thinking = {"type": "enabled", "budget_tokens": 4000}

    sent = changed("messages", Changes(reasoning_effort="none"), thinking=thinking)

    assert sent["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize("api", ["chat", "responses", "completions"])
@pytest.mark.parametrize("asked", [{}, {"service_tier": "priority"}])
def test_another_service_tier_is_asked_for(api: str, asked: dict[str, str]) -> None:
    sent = changed(api, Changes(service_tier="default"), **asked)

    assert sent == BODIES[api] | {"service_tier": "default"}


@pytest.mark.parametrize(("tier", "sent"), [("default", {}), ("fast", {"speed": "fast"})])
def test_the_fast_mode_is_a_tier_that_can_be_left(tier: str, sent: dict[str, str]) -> None:
    assert changed("messages", Changes(service_tier=tier), speed="fast") == (
        BODIES["messages"] | sent
    )


@pytest.mark.parametrize(
    ("api", "asked", "sent"),
    [
        ("chat", {"n": 5}, {"n": 2}),
        ("chat", {"n": 2}, {"n": 2}),
        ("completions", {"n": 3, "best_of": 8}, {"n": 2, "best_of": 2}),
        ("completions", {"n": 1, "best_of": 8}, {"n": 1, "best_of": 2}),
    ],
)
def test_fewer_answers_are_asked_for(api: str, asked: dict[str, int], sent: dict[str, int]) -> None:
    assert changed(api, Changes(n=2), **asked) == BODIES[api] | sent


BLOCK = {"type": "tool_result", "tool_use_id": "a", "content": "x"}
SAID = {"type": "text", "text": "Be brief."}


@pytest.mark.parametrize(
    ("api", "asked", "sent"),
    [
        ("chat", {}, {"messages": [*HELLO, {"role": "system", "content": "Be brief."}]}),
        (
            "responses",
            {},
            {"input": [*HELLO, {"role": "developer", "content": "Be brief."}]},
        ),
        (
            "responses",
            {"input": HELLO},
            {"input": [*HELLO, {"role": "developer", "content": "Be brief."}]},
        ),
        (
            "messages",
            {},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}, SAID]}]},
        ),
        (
            "messages",
            {"messages": [{"role": "user", "content": [BLOCK]}]},
            {"messages": [{"role": "user", "content": [BLOCK, SAID]}]},
        ),
        (
            "messages",
            {"messages": [*HELLO, {"role": "assistant", "content": "He"}]},
            {"messages": [*HELLO, {"role": "assistant", "content": "He"}]},
        ),
        ("completions", {}, {}),
        ("embeddings", {}, {}),
    ],
)
def test_a_note_is_said_last_in_a_conversation(
    api: str, asked: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert changed(api, Changes(note="Be brief."), **asked) == BODIES[api] | asked | sent


@pytest.mark.parametrize("api", BODIES)
def test_what_was_changed_is_still_a_call(api: str) -> None:
    dialect = DIALECTS[api]
    sent = json.dumps(changed(api, EVERYTHING)).encode()

    assert dialect.read_request(sent).model == BODIES[api]["model"]


@pytest.mark.parametrize(
    ("api", "tool"),
    [
        ("chat", {"type": "function", "function": {"name": "f"}}),
        ("responses", {"type": "function", "name": "f", "parameters": {}}),
        ("messages", {"name": "f", "input_schema": {}}),
    ],
)
def test_a_call_that_requires_a_tool_is_not_made_without_any(
    api: str, tool: dict[str, Any]
) -> None:
    required: Any = {"type": "any"} if api == "messages" else "required"

    with pytest.raises(Refused) as refused:
        changed(api, Changes(drop_tools=frozenset({"f"})), tools=[tool], tool_choice=required)

    assert refused.value.reason is Reason.TOOL_DENIED
