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
    capabilities, window = model.profile.capabilities, model.profile.context_window
    if capabilities is not None:
        if request.images and not _draws(model):
            return "image output"
        for capability, is_needed in _needs(request):
            if is_needed and capability not in capabilities:
                return capability.value.replace("_", " ")
    return "context window" if window is not None and bound.total_tokens >= window else None


def _draws(model: Model) -> bool:
    return model.profile.drawing_rule is not None or bool(model.card.image_fees)


def _needs(request: Request) -> tuple[tuple[Capability, bool], ...]:
    return (
        (Capability.TOOLS, bool(request.tools)),
        (Capability.IMAGES, request.has_images),
        (Capability.JSON_SCHEMA, request.wants_json_schema),
        (Capability.AUDIO, request.asks_audio),
        (Capability.REASONING, _asks_for_thought(request)),
    )


def _asks_for_thought(request: Request) -> bool:
    """An effort or a budget for thought is refused by models that do not think."""
    return request.reasoning_effort not in _NO_THOUGHT or request.thinking_tokens > 0
