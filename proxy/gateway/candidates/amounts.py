"""What a way to run a call holds, in each unit. Pure arithmetic."""

from collections.abc import Mapping

from pricing.bound import InputBound
from pricing.catalogue import Model
from pricing.cost import Terms, hold
from proxy.domain.money import Unit
from proxy.ledger.records import Rung, Span


def held(model: Model, bound: InputBound, terms: Terms, output_tokens: int) -> dict[Unit, int]:
    """The most that answers of this length are billed as, in each unit."""
    answers = terms["n"] * (output_tokens + terms.get("prediction_tokens", 0))
    return {
        Unit.USD_MICROCENTS: hold(model.card, bound, output_tokens=output_tokens, **terms),
        Unit.TOKENS: bound.total_tokens + answers,
    }


def plus(amounts: Mapping[Unit, int], more: Mapping[Unit, int]) -> dict[Unit, int]:
    """Both together; the units of the first come first."""
    return {unit: amounts.get(unit, 0) + more.get(unit, 0) for unit in {**amounts, **more}}


def rung_of(minimum: Mapping[Unit, int], want: Mapping[Unit, int]) -> Rung:
    """What `minimum` does not name is wanted as a whole."""
    return {unit: Span(minimum.get(unit, amount), amount) for unit, amount in want.items()}
