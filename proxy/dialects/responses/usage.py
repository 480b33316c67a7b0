"""The billed quantities of a response, out of the shapes that upstreams give them.

Output tokens include reasoning; input tokens include cached ones, and all that was read
again after each call of a built-in tool. Source:
https://platform.openai.com/docs/api-reference/responses/object (usage, tool_usage); odd
shapes: field-report 38, 40, 41, 46, 47.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from pricing.usage import Usage
from proxy.dialects.openai.parts import list_of
from proxy.dialects.openai.token_usage import totals_of
from proxy.dialects.usage import (
    UsageFault,
    billed_of,
    check_parts,
    count_of,
    part_of,
    read_report,
)

_WEB_SEARCH: Final = "web_search"
_PREVIEW: Final = "web_search_preview"

_TOOLS: Final[Mapping[str, str]] = {
    "web_search_call": _WEB_SEARCH,
    "file_search_call": "file_search",
    "code_interpreter_call": "code_interpreter",
    "image_generation_call": "image_generation",
}
"""The tool with a fee whose call an output item is."""

_REFUSALS: Final = frozenset(
    {"rate_limit_exceeded", "insufficient_quota", "context_length_exceeded"}
)
"""Why a response fails before it begins: over HTTP alone these are answers of 4xx."""

_FREE_ACTIONS: Final = frozenset({"open_page", "find", "find_in_page"})
"""What searching the web does beside searching; only the search has a fee.

Source: https://developers.openai.com/api/docs/guides/tools-web-search (output and citations).
"""


def read_usage(response: Mapping[str, Any]) -> tuple[Usage | None, UsageFault | None]:
    """The quantities, or what is wrong with them; neither when nothing was reported."""
    return read_report(response.get("usage"), partial(_usage, response=response))


def usage_of_refusal(response: Mapping[str, Any]) -> Usage | None:
    """Nothing was used by a response that the upstream refused after its stream had begun.

    None for any other, and for one that reports a usage or wrote something.
    """
    code = str(part_of(response, "error").get("code"))
    is_refused = response.get("status") == "failed" and code in _REFUSALS
    if not is_refused or response.get("usage") is not None or list_of(response, "output"):
        return None
    return Usage(0, 0)


def _usage(reported: Mapping[str, Any], response: Mapping[str, Any]) -> Usage:
    all_input, all_output = totals_of(reported)
    into = part_of(reported, "input_tokens_details")
    out = part_of(reported, "output_tokens_details")
    written = part_of(into, "cache_write_tokens_details")
    long_lived = count_of(written, "ttl_12h_tokens") or 0
    usage = Usage(
        input_tokens=all_input,
        output_tokens=all_output,
        cache_read_tokens=count_of(into, "cached_tokens") or 0,
        cache_write_tokens=max(count_of(into, "cache_write_tokens") or 0, long_lived),
        cache_write_1h_tokens=long_lived,
        input_image_tokens=count_of(into, "image_tokens") or 0,
        input_audio_tokens=count_of(into, "audio_tokens") or 0,
        output_audio_tokens=count_of(out, "audio_tokens") or 0,
        output_image_tokens=count_of(out, "image_tokens") or 0,
        reasoning_tokens=count_of(out, "reasoning_tokens") or 0,
        tool_calls=_tool_calls(response),
        billed_microcents=billed_of(reported),
    )
    check_parts(usage, cached_in_input=True)
    return usage


def _tool_calls(response: Mapping[str, Any]) -> dict[str, int]:
    """Calls of tools with a fee: as the upstream counts them, else the items that there are.

    A tool that was not called is 0, so that nothing is charged for it.
    """
    calls = dict.fromkeys((*_TOOLS.values(), _PREVIEW), 0)
    for item in list_of(response, "output"):
        tool = _TOOLS.get(str(item.get("type"))) if isinstance(item, dict) else None
        if tool is not None and str(part_of(item, "action").get("type")) not in _FREE_ACTIONS:
            calls[tool] += 1
    searches = count_of(part_of(part_of(response, "tool_usage"), _WEB_SEARCH), "num_requests")
    if searches is not None:
        calls[_WEB_SEARCH] = searches
    if any(_is_preview(tool) for tool in list_of(response, "tools")):
        calls[_PREVIEW], calls[_WEB_SEARCH] = calls[_WEB_SEARCH], 0
    return calls


def _is_preview(tool: object) -> bool:
    """Whether searches are those of the older tool, whose calls look alike and cost more."""
    return isinstance(tool, dict) and str(tool.get("type")).startswith(_PREVIEW)
