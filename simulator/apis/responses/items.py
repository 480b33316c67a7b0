"""What a response is made of: reasoning, searches, calls of tools, messages."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from simulator.answer.generate import Choice, ToolCall
from simulator.answer.render import Answer, input_field
from simulator.bill import Output

SUMMARY = "thinking about it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One item. `pieces` is the text that comes bit by bit, one string a token.

    `begun` is what was generated before the first of them.
    """

    whole: dict[str, Any]
    pieces: tuple[str, ...] = ()
    begun: Output = Output()  # noqa: RUF009 - it is frozen

    @property
    def kind(self) -> str:
        """Its type."""
        return str(self.whole["type"])


def items_of(answer: Answer) -> list[Item]:
    """The items of an answer, in order."""
    found = []
    for index, choice in enumerate(answer.choices):
        marks = f"{answer.id.removeprefix('resp_')}{index}"
        found += [*_thoughts(answer, choice, marks), *_said(choice, marks)]
    return found


def _thoughts(answer: Answer, choice: Choice, marks: str) -> Iterator[Item]:
    for place in range(choice.hidden.web_searches):
        action = {"type": "search", "query": "something", "queries": ["something"]}
        fixed = {"id": f"ws_{marks}{place}", "type": "web_search_call", "status": "completed"}
        yield Item(whole=fixed | {"action": action})
    if choice.hidden.reasoning_tokens:
        wanted = answer.request.sent.get("reasoning") or {}
        shown = [{"type": "summary_text", "text": SUMMARY}] if wanted.get("summary") else []
        whole = {"id": f"rs_{marks}", "type": "reasoning", "summary": shown}
        if "reasoning.encrypted_content" in (answer.request.sent.get("include") or ()):
            whole["encrypted_content"] = "gAAAA" + "x" * choice.hidden.reasoning_tokens
        yield Item(whole=whole)


def _said(choice: Choice, marks: str) -> Iterator[Item]:
    status = "incomplete" if choice.finish_reason == "length" else "completed"
    for place, call in enumerate(choice.tool_calls):
        yield _call(call, f"{marks}{place}", status)
    if choice.pieces or not choice.tool_calls:
        part = {"type": "output_text", "text": choice.text(), "annotations": [], "logprobs": []}
        whole = {
            "id": f"msg_{marks}",
            "type": "message",
            "status": status,
            "role": "assistant",
            "content": [part],
        }
        yield Item(whole=whole, pieces=choice.pieces)


def _call(call: ToolCall, marks: str, status: str) -> Item:
    custom = call.kind == "custom"
    whole = {
        "id": f"{'ctc' if custom else 'fc'}_{marks}",
        "type": "custom_tool_call" if custom else "function_call",
        "status": status,
        "call_id": f"call_{marks}",
        "name": call.name,
        input_field(call): "".join(call.pieces),
    }
    return Item(whole=whole, pieces=call.pieces, begun=Output(text_tokens=call.name_tokens))
