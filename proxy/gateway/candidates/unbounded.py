"""The refusal of a call that nothing bounds: what of it that is, and what would help."""

from pricing.bound import BoundClass, InputBound
from proxy.dialects.dialect import Request
from proxy.domain.errors import Reason, Refused


def unbounded_cost(request: Request, bound: InputBound) -> Refused:
    """UNBOUNDED_COST. Names what cannot be seen, or what the call could say of its answer."""
    return Refused(
        Reason.UNBOUNDED_COST,
        f"Nothing bounds what this call can cost{_remedy(request, bound)}, give the model a "
        "context_window under pricing.overrides, or set pricing.unbounded.",
    )


def _remedy(request: Request, bound: InputBound) -> str:
    lines = (line for line in bound.lines if line.bound_class is BoundClass.NONE)
    if causes := "; ".join(f"{line.what} ({line.why})" for line in lines):
        return f", with {causes}: leave it out"
    if not request.may_be_limited:
        return ": ask for a size, a quality or a format of which the most is published"
    return ": set max_completion_tokens"
