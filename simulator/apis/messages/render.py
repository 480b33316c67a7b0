"""A message as one object, and what it says of usage.

Source: https://platform.claude.com/docs/en/api/messages, "Returns". Input tokens are those
that were neither read from a cache nor written to one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from simulator.answer.generate import Choice
from simulator.answer.render import Answer
from simulator.answer.usage import UsageObject, shaped
from simulator.bill import Output

SUMMARY: Final = "thinking about it"

_TIERS: Final = {"default": "standard"}
_STOPS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
}
_COUNTS: Final = ("input_tokens", "output_tokens")
_DETAILS: Final = ("cache_creation",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block. `pieces` is the text that comes bit by bit, one string a token."""

    whole: dict[str, Any]
    pieces: tuple[str, ...] = ()
    begun: Output = Output()  # noqa: RUF009 - it is frozen


def message_object(answer: Answer) -> dict[str, Any]:
    """The message when it has ended."""
    body = message_begun(answer) | {
        "content": [block.whole for block in blocks_of(answer)],
        "stop_reason": stop_reason(answer),
    }
    if answer.report.place != "nowhere":
        body["usage"] = usage_of(answer, answer.output())
    return body


def message_begun(answer: Answer) -> dict[str, Any]:
    """The message when nothing has been said yet, without its usage."""
    return {
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "model": answer.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def stop_reason(answer: Answer) -> str:
    """Why the message ends."""
    return _STOPS[answer.choices[-1].finish_reason]


def usage_of(answer: Answer, produced: Output, *, unseen_tokens: int = 0) -> UsageObject:
    """What is reported after `produced`; `unseen_tokens` of the input are still to come."""
    consumed = answer.input
    written, written_1h = consumed.cache_write_tokens, consumed.cache_write_1h_tokens
    plain = consumed.prompt_tokens - consumed.cached_tokens - written - written_1h
    usage: UsageObject = {
        "input_tokens": max(plain - unseen_tokens, 0),
        "cache_creation_input_tokens": written + written_1h,
        "cache_read_input_tokens": consumed.cached_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": written,
            "ephemeral_1h_input_tokens": written_1h,
        },
        "output_tokens": produced.completion_tokens,
        "service_tier": _TIERS.get(answer.service_tier, answer.service_tier),
        "inference_geo": answer.geography,
    }
    if produced.web_searches:
        usage["server_tool_use"] = {
            "web_search_requests": produced.web_searches,
            "web_fetch_requests": 0,
        }
    return shaped(usage, answer.report.shape, _COUNTS, _DETAILS)


def blocks_of(answer: Answer) -> list[Block]:
    """The blocks of an answer, in order."""
    found: list[Block] = []
    for index, choice in enumerate(answer.choices):
        marks = f"{answer.id.removeprefix('msg_')}{index}"
        found += [*_thoughts(answer, choice, marks), *_said(choice, marks)]
    return found


def _thoughts(answer: Answer, choice: Choice, marks: str) -> Iterator[Block]:
    thinking = answer.request.sent.get("thinking") or {}
    if choice.hidden.reasoning_tokens and thinking.get("type", "disabled") != "disabled":
        shown = "" if thinking.get("display") == "omitted" else SUMMARY
        yield Block(whole={"type": "thinking", "thinking": shown, "signature": f"sig{marks}"})
    for place in range(choice.hidden.web_searches):
        use = f"srvtoolu_{marks}{place}"
        asked = {"id": use, "name": "web_search", "input": {"query": "something"}}
        yield Block(whole={"type": "server_tool_use"} | asked)
        result = {
            "type": "web_search_result",
            "title": "Something",
            "url": "https://example.com/",
            "encrypted_content": "xxxx",
            "page_age": None,
        }
        found = {"type": "web_search_tool_result", "tool_use_id": use, "content": [result]}
        yield Block(whole=found)


def _said(choice: Choice, marks: str) -> Iterator[Block]:
    if choice.pieces or not choice.tool_calls:
        whole = {"type": "text", "text": choice.text()}
        yield Block(whole=whole, pieces=choice.pieces)
    for place, call in enumerate(choice.tool_calls):
        named = {"type": "tool_use", "id": f"toolu_{marks}{place}", "name": call.name}
        begun = Output(text_tokens=call.name_tokens)
        given = _object("".join(call.pieces))
        yield Block(whole=named | {"input": given}, pieces=call.pieces, begun=begun)


def _object(text: str) -> object:
    """The input of a call; of one that was cut off, as much as can be said."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
