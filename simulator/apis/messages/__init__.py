"""Anthropic's Messages. Source: https://platform.claude.com/docs/en/api/messages

request   a request, put into the words of chat completions
render    an answer as one object, and its usage
stream    an answer as events
"""

from typing import Any, Final

from simulator.answer.generate import generate
from simulator.answer.render import Answer
from simulator.apis.api import Api, check_window, generate_nothing, no_events
from simulator.apis.messages.render import message_object
from simulator.apis.messages.request import read_count_request, read_message_request
from simulator.apis.messages.stream import message_events
from simulator.errors import ApiError
from simulator.prompt.count import PromptCount, count_prompt
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest

TOOLS_TOKENS: Final = 346
"""The system prompt that tools bring with them
(https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview#pricing)."""

TOKENS_A_MINUTE: Final = 2_000_000

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


def _count(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    prompt = count_prompt(request, vocabulary)
    total = prompt.total + (TOOLS_TOKENS if request.sent.get("tools") else 0)
    check_window(request, total, "messages")
    return PromptCount(total, images=prompt.images)


def _error(error: ApiError) -> dict[str, Any]:
    kind = _TYPES.get(error.status, "api_error" if error.status >= 500 else _TYPES[400])
    return {"type": "error", "error": {"type": kind, "message": error.message}}


def _headers(request_id: str, number: int, tokens: int) -> dict[str, str]:
    return {
        "request-id": request_id,
        "anthropic-organization-id": "00000000-0000-4000-8000-000000000000",
        "anthropic-ratelimit-input-tokens-limit": str(TOKENS_A_MINUTE),
        "anthropic-ratelimit-input-tokens-remaining": str(max(TOKENS_A_MINUTE - tokens, 0)),
        "server": "cloudflare",
    }


def _counted(answer: Answer) -> dict[str, Any]:
    return {"input_tokens": answer.input.prompt_tokens}


MESSAGES: Final = Api(
    path="/v1/messages",
    serves="claude",
    id_prefix="msg_",
    read=read_message_request,
    count=_count,
    generate=generate,
    json=message_object,
    events=message_events,
    error=_error,
    headers=_headers,
)

COUNT_TOKENS: Final = Api(
    path="/v1/messages/count_tokens",
    serves="claude",
    id_prefix="count_",
    read=read_count_request,
    count=_count,
    generate=generate_nothing,
    json=_counted,
    events=no_events,
    is_free=True,
    error=_error,
    headers=_headers,
)
