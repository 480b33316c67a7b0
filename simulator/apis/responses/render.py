"""A response as one object.

Source: https://developers.openai.com/api/reference/resources/responses, "the response object".
"""

from typing import Any, Final

from simulator.answer.render import Answer
from simulator.answer.usage import UsageObject, shaped
from simulator.apis.responses.items import items_of
from simulator.bill import Output

_ECHOED: Final[dict[str, Any]] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""What a response repeats of its request, and what it says where that says nothing."""

_COUNTS: Final = ("input_tokens", "output_tokens", "total_tokens")
_DETAILS: Final = ("input_tokens_details", "output_tokens_details")


def response_object(answer: Answer) -> dict[str, Any]:
    """The response when it has ended."""
    cut = any(choice.finish_reason == "length" for choice in answer.choices)
    body = response_begun(answer) | {
        "status": "incomplete" if cut else "completed",
        "completed_at": None if cut else answer.created_s,
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": [item.whole for item in items_of(answer)],
    }
    if answer.report.place != "nowhere":
        body["usage"] = usage_of(answer, answer.output())
    return body


def response_begun(answer: Answer) -> dict[str, Any]:
    """The response when nothing has been said yet."""
    sent = answer.request.sent
    repeated = {
        name: default if sent.get(name) is None else sent[name] for name, default in _ECHOED.items()
    }
    return repeated | {
        "id": answer.id,
        "object": "response",
        "created_at": answer.created_s,
        "model": answer.model,
        "service_tier": answer.service_tier,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
    }


def usage_of(answer: Answer, produced: Output) -> UsageObject:
    """What is reported after `produced` was generated."""
    consumed = answer.input
    details = {
        "cached_tokens": consumed.cached_tokens,
        "cache_write_tokens": consumed.cache_write_tokens,
    }
    usage = {
        "input_tokens": consumed.prompt_tokens,
        "input_tokens_details": details,
        "output_tokens": produced.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": produced.reasoning_tokens},
        "total_tokens": consumed.prompt_tokens + produced.completion_tokens,
    }
    return shaped(usage, answer.report.shape, _COUNTS, _DETAILS)
