"""What the model says: words, JSON or tool calls, chosen from a seed and the request alone.

The same request gets the same answer whatever else is going on, so an answer that came
through a proxy can be compared with one that did not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from random import Random
from typing import Any, Literal

import msgspec

from simulator.answer.schema import make_value
from simulator.answer.words import choose_words
from simulator.behaviour import Behaviour
from simulator.bill import Output
from simulator.errors import invalid
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest

# One spoken word is taken to last 200 ms, at 50 ms a token.
AUDIO_TOKENS_PER_WORD = 4

FinishReason = Literal["stop", "length", "tool_calls", "function_call"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call the model makes. `pieces` is its input, one string a token."""

    kind: Literal["function", "custom", "legacy"]
    name: str
    name_tokens: int
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer of the `n`. `pieces` is its text, one string a token."""

    pieces: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    spoken: bool = False
    finish_reason: FinishReason = "stop"
    hidden: Output = field(default_factory=Output)
    """What is generated and never shown: reasoning, searches, predictions that were wrong."""

    def text(self) -> str:
        """All that it says."""
        return "".join(self.pieces)

    def shown(self) -> Output:
        """All that can be seen of it."""
        text = len(self.pieces)
        calls = sum(call.name_tokens + len(call.pieces) for call in self.tool_calls)
        return Output(
            text_tokens=text + calls,
            audio_tokens=text * AUDIO_TOKENS_PER_WORD if self.spoken else 0,
        )

    def output(self) -> Output:
        """All that was generated for it."""
        return self.hidden + self.shown()


def generate(
    request: ChatRequest,
    behaviour: Behaviour,
    *,
    seed: int,
    prompt_tokens: int,
    vocabulary: Vocabulary,
) -> tuple[Choice, ...]:
    """The choices that answer a request, each within its limit unless that is ignored.

    Raises ApiError: a schema cannot be followed.
    """
    room = request.model.context_window - prompt_tokens
    limit = min(request.max_output_tokens or request.model.max_output_tokens, max(room, 1))
    if behaviour.ignore_limit:
        limit = request.model.context_window
    count = request.choices + behaviour.extra_choices
    return tuple(
        _Writer(request, behaviour, limit, vocabulary, _random(seed, request, index)).choice()
        for index in range(count)
    )


def _random(seed: int, request: ChatRequest, index: int) -> Random:
    said = {name: request.body.get(name) for name in ("model", "messages", "tools", "seed")}
    digest = sha256(msgspec.json.encode(said)).hexdigest()
    return Random(f"{seed}/{index}/{digest}")


class _Writer:
    def __init__(
        self,
        request: ChatRequest,
        behaviour: Behaviour,
        limit: int,
        vocabulary: Vocabulary,
        random: Random,
    ) -> None:
        self._request = request
        self._behaviour = behaviour
        self._limit = limit
        self._vocabulary = vocabulary
        self._random = random

    def choice(self) -> Choice:
        reasoning = self._reasoning()
        room = self._limit - reasoning
        calls = self._tool_calls()
        choice = self._calling(calls, room) if calls else self._saying(room)
        hidden = Output(reasoning_tokens=reasoning, web_searches=self._searches())
        return replace(choice, hidden=hidden + self._prediction(choice, room))

    def _reasoning(self) -> int:
        wanted = self._behaviour.reasoning_tokens
        if wanted is None:
            effort = self._request.body.get("reasoning_effort")
            wanted = 0
            if self._request.model.reasons and effort not in ("none", "minimal"):
                wanted = self._random.randint(0, 96)
        return min(wanted, self._limit)

    def _searches(self) -> int:
        most, wanted = self._request.searches, self._behaviour.web_searches
        if most == 0:
            return 0
        wanted = 1 if wanted is None else wanted
        return wanted if most is None or self._behaviour.ignore_limit else min(wanted, most)

    def _saying(self, room: int) -> Choice:
        spoken = self._request.wants_audio()
        if spoken:
            room //= 1 + AUDIO_TOKENS_PER_WORD
        pieces = self._text(room)
        finish: FinishReason = "length" if len(pieces) > room else "stop"
        return Choice(pieces=pieces[:room], spoken=spoken, finish_reason=finish)

    def _text(self, room: int) -> tuple[str, ...]:
        content, schema = self._behaviour.content, self._request.schema()
        if content is None and schema is not None:
            content = self._json(schema, "response_format")
        if content is not None:
            return self._split(content)
        count = self._behaviour.output_tokens
        if count is None:
            count = self._random.randint(4, 48)
        # One word beyond the room is enough to know that the answer was cut.
        return choose_words(self._random, min(count, room + 1))

    def _calling(self, calls: tuple[ToolCall, ...], room: int) -> Choice:
        kept = []
        for call in calls:
            room -= call.name_tokens
            if room >= 0:
                kept.append(replace(call, pieces=call.pieces[:room]))
            room -= len(call.pieces)
        finish: FinishReason = "function_call" if calls[0].kind == "legacy" else "tool_calls"
        return Choice(tool_calls=tuple(kept), finish_reason="length" if room < 0 else finish)

    def _tool_calls(self) -> tuple[ToolCall, ...]:
        offered = self._offered()
        count = self._behaviour.tool_calls
        if count is None:
            answered = self._request.messages[-1]["role"] in ("tool", "function")
            forced = self._forced()
            count = 1 if forced or (offered and not answered) else 0
        if not offered or self._choice_of_tool() == "none":
            return ()
        return tuple(self._call(offered[place % len(offered)]) for place in range(count))

    def _choice_of_tool(self) -> object:
        body = self._request.body
        return body.get("tool_choice") or body.get("function_call") or "auto"

    def _forced(self) -> bool:
        chosen = self._choice_of_tool()
        return chosen == "required" or isinstance(chosen, dict)

    def _offered(self) -> list[Mapping[str, Any]]:
        tools = [tool for tool in self._request.tools if tool["type"] in ("function", "custom")] + [
            {"type": "legacy", "legacy": function} for function in self._request.functions
        ]
        chosen = self._choice_of_tool()
        if isinstance(chosen, dict):
            named = chosen.get(str(chosen.get("type"))) or chosen
            tools = [tool for tool in tools if tool[tool["type"]]["name"] == named.get("name")]
        return tools

    def _call(self, tool: Mapping[str, Any]) -> ToolCall:
        definition = tool[tool["type"]]
        if tool["type"] == "custom":
            pieces = choose_words(self._random, self._random.randint(1, 8))
        else:
            pieces = self._split(self._json(definition.get("parameters") or {}, "tools"))
        name = definition["name"]
        return ToolCall(tool["type"], name, len(self._split(name)), pieces)

    def _prediction(self, choice: Choice, room: int) -> Output:
        predicted = (self._request.body.get("prediction") or {}).get("content")
        if predicted is None:
            return Output()
        parts = predicted if isinstance(predicted, list) else [{"text": predicted}]
        tokens = sum(len(self._split(str(part.get("text", "")))) for part in parts)
        shown = choice.shown().text_tokens
        accepted = min(tokens, shown // 2)
        return Output(
            accepted_prediction_tokens=accepted,
            rejected_prediction_tokens=min(tokens - accepted, max(room - shown, 0)),
        )

    def _json(self, schema: Mapping[str, Any], param: str) -> str:
        try:
            value = make_value(schema, self._random)
        except ValueError as error:
            raise invalid(param, f"{param}: {error}.", "invalid_json_schema") from error
        return json.dumps(value, separators=(",", ":"))

    def _split(self, text: str) -> tuple[str, ...]:
        return self._vocabulary.split(self._request.model.encoding, text)
