"""What a body asks for that a model cannot do. Source: docs/semantics.md, "Policy, plan, caps"."""

from pricing.bound import InputBound
from pricing.catalogue import Model
from pricing.profile import Capability
from proxy.dialects.dialect import Request

_NO_THOUGHT = (None, "none")


def lacking(model: Model, request: Request, bound: InputBound) -> str | None:
    """The first thing that a stand-in lacks for this body; None where it can serve it.

    Of a model whose abilities nobody described nothing is concluded.
    """
    window = model.profile.context_window
    if window is not None and bound.total_tokens >= window:
        return "context window"
    capabilities = model.profile.capabilities
    if capabilities is None:
        return None
    needed = {
        Capability.TOOLS: bool(request.tools),
        Capability.IMAGES: request.has_images,
        Capability.JSON_SCHEMA: request.wants_json_schema,
        Capability.AUDIO: request.asks_audio,
        Capability.REASONING: _asks_for_thought(request),
    }
    missing = (each for each, is_needed in needed.items() if is_needed and each not in capabilities)
    first = next(missing, None)
    return None if first is None else first.value.replace("_", " ")


def _asks_for_thought(request: Request) -> bool:
    """An effort or a budget for thought is refused by models that do not think."""
    return request.reasoning_effort not in _NO_THOUGHT or request.thinking_tokens > 0
