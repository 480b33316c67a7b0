"""An answer as one JSON object, and what it shares with the events of a stream.

Source: https://developers.openai.com/api/reference/resources/chat, "chat completion object".
"""

import base64
from dataclasses import dataclass
from typing import Any

from simulator.answer.generate import Choice, ToolCall
from simulator.answer.usage import UsageObject, usage_object
from simulator.behaviour import Report
from simulator.bill import Input, Output
from simulator.request import ChatRequest

AUDIO_LIFE_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """All that an answer says. `created_s` is seconds since the epoch."""

    id: str
    created_s: int
    model: str
    service_tier: str
    request: ChatRequest
    choices: tuple[Choice, ...]
    input: Input
    report: Report
    tokens_per_event: int
    geography: str = "global"

    def hidden(self) -> Output:
        """What is generated before anything can be seen."""
        return sum((choice.hidden for choice in self.choices), Output())

    def output(self) -> Output:
        """All that is generated."""
        return sum((choice.output() for choice in self.choices), Output())

    def usage(self, produced: Output) -> UsageObject:
        """What is reported after `produced` was generated."""
        return usage_object(self.input, produced, self.report.shape)


def json_answer(answer: Answer) -> dict[str, Any]:
    """The answer as one object."""
    body = envelope(answer, "chat.completion") | {
        "choices": [
            {
                "index": index,
                "message": _message(answer, choice, index),
                "logprobs": logprobs(answer.request, choice.pieces),
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(answer.choices)
        ]
    }
    if answer.report.place != "nowhere":
        body["usage"] = answer.usage(answer.output())
    return body


def envelope(answer: Answer, kind: str) -> dict[str, Any]:
    """What every object of an answer begins with."""
    return {
        "id": answer.id,
        "object": kind,
        "created": answer.created_s,
        "model": answer.model,
        "service_tier": answer.service_tier,
        "system_fingerprint": "fp_simulated00",
    }


def _message(answer: Answer, choice: Choice, index: int) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": choice.text(),
        "refusal": None,
        "annotations": [],
    }
    if choice.spoken:
        message |= {"content": None, "audio": _audio(answer, choice, index)}
    if choice.tool_calls:
        message["content"] = None
        calls = [_call(answer, call, index, place) for place, call in enumerate(choice.tool_calls)]
        if choice.tool_calls[0].kind == "legacy":
            message["function_call"] = calls[0]
        else:
            message["tool_calls"] = calls
    return message


def _call(answer: Answer, call: ToolCall, index: int, place: int) -> dict[str, Any]:
    text = "".join(call.pieces)
    if call.kind == "legacy":
        return {"name": call.name, "arguments": text}
    return {
        "id": call_id(answer, index, place),
        "type": call.kind,
        call.kind: {"name": call.name, input_field(call): text},
    }


def call_id(answer: Answer, index: int, place: int) -> str:
    """The id of the tool call at `place` in choice `index`."""
    return f"call_{answer.id.removeprefix('chatcmpl-')}{index}{place}"


def input_field(call: ToolCall) -> str:
    """Where a call of this kind carries its input."""
    return "input" if call.kind == "custom" else "arguments"


def _audio(answer: Answer, choice: Choice, index: int) -> dict[str, Any]:
    return {
        "id": audio_id(answer, index),
        "data": silence(len(choice.pieces)),
        "expires_at": answer.created_s + AUDIO_LIFE_S,
        "transcript": choice.text(),
    }


def audio_id(answer: Answer, index: int) -> str:
    """The id of the sound of choice `index`."""
    return f"audio_{answer.id.removeprefix('chatcmpl-')}{index}"


def silence(words: int) -> str:
    """Base64 of some sound: what is in it has no bearing on the bill."""
    return base64.b64encode(bytes(8 * words)).decode()


def logprobs(request: ChatRequest, pieces: tuple[str, ...]) -> dict[str, Any] | None:
    """Log probabilities of `pieces`, one a token; None where nobody asked."""
    if not request.body.get("logprobs"):
        return None
    rivals = request.body.get("top_logprobs") or 0

    def of(token: str) -> dict[str, Any]:
        return {"token": token, "logprob": -0.25, "bytes": list(token.encode())}

    return {
        "content": [of(piece) | {"top_logprobs": [of(piece)] * rivals} for piece in pieces],
        "refusal": None,
    }
