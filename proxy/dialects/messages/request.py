"""What a Messages call asks for, as far as money depends on it.

Everything else passes to the upstream untouched, known or not. Field names and types:
https://platform.claude.com/docs/en/api/messages
"""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any, Final

from proxy.dialects.dialect import Request
from proxy.dialects.fields import read_messages, read_model
from proxy.dialects.messages.tools import (
    MAX_ROUNDS,
    WEB_SEARCH,
    is_run_by_provider,
    read_forced_tool,
    read_tools,
    searches_of,
)
from proxy.dialects.messages.usage import FAST
from proxy.dialects.wire.json_text import invalid, optional, read_object
from proxy.domain.money import INT64_MAX

LIMIT_FIELD: Final = "max_tokens"

LEAST_THINKING_TOKENS: Final = 1_024
"""The smallest budget for thought that the API takes.

Source: https://platform.claude.com/docs/en/build-with-claude/extended-thinking
"""

GEOGRAPHY_SURCHARGE: Final = Fraction(11, 10)
"""On every price, for a call that names the region it is to be served in.

Source: https://platform.claude.com/docs/en/about-claude/pricing (data residency).
"""

_ANYWHERE: Final = "global"
_SHORT_LIVED: Final = "5m"


def read_request(body: bytes) -> Request:
    """Read a call, or say what is wrong with it.

    `n` is the rounds of its loop: nothing says that the limit holds for all of them together.

    Raises:
        Refused: INVALID_REQUEST. The message names the field and what it accepts, and
            quotes nothing of the body.
    """
    fields = read_object(body)
    model = read_model(fields)
    messages = _messages(fields)
    max_tokens = _limit(fields)
    tools = read_tools(fields)
    searches, is_unlimited = searches_of(fields)
    lifetimes = {*_cache_lifetimes(fields)}
    output_format = _output_format(fields)
    speed = optional(fields, "speed", str, "a string")
    optional(fields, "service_tier", str, "a string")
    return Request(
        body=body,
        fields=fields,
        model=model,
        stream=optional(fields, "stream", bool, "true or false") or False,
        n=MAX_ROUNDS if any(map(is_run_by_provider, tools)) else 1,
        generates=max_tokens > 0,
        max_output_tokens=max_tokens,
        limit_field=LIMIT_FIELD,
        tools=tools,
        forced_tool=read_forced_tool(fields),
        paid_tool_calls={WEB_SEARCH: searches} if searches else {},
        needs_tool_limit=searches if is_unlimited else None,
        has_images=any(block.get("type") == "image" for block in _blocks(messages)),
        wants_json_schema=output_format.get("type") == "json_schema",
        caches=bool(lifetimes),
        caches_long=not lifetimes <= {_SHORT_LIVED},
        surcharge=_surcharge(fields),
        thinking_tokens=_thinking_tokens(fields),
        service_tier=FAST if speed == FAST else None,
        reasoning_effort=_effort(fields),
    )


def thinking_budget(fields: Mapping[str, Any]) -> int | None:
    """What a call wants to spend on thought; None where it does not say."""
    thinking = fields.get("thinking")
    budget = thinking.get("budget_tokens") if isinstance(thinking, dict) else None
    return budget if type(budget) is int else None


def _messages(fields: Mapping[str, Any]) -> list[dict[str, Any]]:
    messages = read_messages(fields)
    if not isinstance(fields.get("system"), str | list | None):
        raise invalid("system", "must be a string or an array of blocks")
    return messages


def _limit(fields: Mapping[str, Any]) -> int:
    """The limit of the answer. Zero fills a cache and answers nothing."""
    limit = fields.get(LIMIT_FIELD)
    if type(limit) is int and 0 <= limit <= INT64_MAX:
        return limit
    raise invalid(LIMIT_FIELD, "must be a whole number of at least 0")


def _thinking_tokens(fields: Mapping[str, Any]) -> int:
    """What has to be left for thought, so that no limit cuts the shortest one off."""
    thinking = optional(fields, "thinking", dict, "an object")
    if thinking is None or thinking.get("type") == "disabled":
        return 0
    budget = thinking.get("budget_tokens")
    if budget is not None and (type(budget) is not int or not 1 <= budget <= INT64_MAX):
        raise invalid("thinking.budget_tokens", "must be a whole number of at least 1")
    return LEAST_THINKING_TOKENS


def _surcharge(fields: Mapping[str, Any]) -> Fraction:
    place = optional(fields, "inference_geo", str, "a string")
    return Fraction(1) if place in (None, _ANYWHERE) else GEOGRAPHY_SURCHARGE


def _effort(fields: Mapping[str, Any]) -> str | None:
    config = optional(fields, "output_config", dict, "an object") or {}
    effort = config.get("effort")
    return effort if isinstance(effort, str) else None


def _output_format(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The form that the answer is to have, where it stands now or where it stood before."""
    config = optional(fields, "output_config", dict, "an object") or {}
    for output_format in (config.get("format"), fields.get("output_format")):
        if isinstance(output_format, dict):
            return output_format
    return {}


def _blocks(messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The blocks of messages, and those within results of tools."""
    waiting = [message.get("content") for message in messages]
    while waiting:
        content = waiting.pop()
        for block in content if isinstance(content, list) else ():
            if isinstance(block, dict):
                yield block
                waiting.append(block.get("content"))


def _cache_lifetimes(fields: Mapping[str, Any]) -> Iterator[str]:
    """How long each cache lives that this call may write, wherever it asks for one."""
    waiting: list[Any] = [fields]
    while waiting:
        node = waiting.pop()
        if type(node) is dict:
            for name in ("cache_control", "caching"):
                if node.get(name) is not None:
                    yield _lifetime(node[name])
            waiting += node.values()
        elif type(node) is list:
            waiting += node


def _lifetime(control: object) -> str:
    ttl = control.get("ttl") if isinstance(control, dict) else None
    return _SHORT_LIVED if ttl is None else str(ttl)
