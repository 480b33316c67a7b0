"""What a plan holds for tools, beside what its model may be billed for."""

import json
from decimal import Decimal

import pytest

from pricing.catalogue import Catalogue, Override
from pricing.tokens import Tokenizers
from proxy.dialects.chat import CHAT
from proxy.domain.money import Unit
from proxy.domain.policy import ToolRule
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.estimate import Estimator, Plan
from proxy.gateway.routes import Route, Routes
from proxy.gateway.tools.listed import ListedTools
from proxy.policies import Wish

USD, TOKENS, POINTS = Unit.USD_MICROCENTS, Unit.TOKENS, Unit.RISK_POINTS
FEE = 1_000_000
RULES = (ToolRule("mail", fee_microcents=FEE), ToolRule("drop", fee_microcents=1, risk_points=4))
MODEL = Override(model="m", input_per_mtok=Decimal(1), output_per_mtok=Decimal(2))
FREE = Override(model="free", free=True)


async def plan(
    *names: str, rules: tuple[ToolRule, ...] = RULES, wish: Wish | None = None, **more: object
) -> Plan:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    said = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
    body = {**said, **({"tools": tools} if tools else {}), **more}
    estimator = Estimator(
        Catalogue([MODEL, FREE]),
        Counter(Tokenizers()),
        Degrade(shorten=True, min_output_tokens=10, fallback_models={"m": ("free",)}),
        Routes([Route("a", "openai", ("*",), "openai")]),
        Ceilings(None, None, 60_000, counts_calls=True),
        ListedTools(rules),
    )
    request = CHAT.read_request(json.dumps(body).encode())
    return await estimator.plan(CHAT, request, wish or Wish(), at_ms=1_795_000_000_000)


@pytest.mark.parametrize("n", [1, 3])
async def test_every_rung_holds_for_the_tools_in_full(n: int) -> None:
    plain = await plan("mail", "drop", n=n, rules=())
    listed = await plan("mail", "drop", n=n)
    for without, way in zip(plain.ways, listed.ways, strict=True):
        for unit, fee in ((USD, n * (FEE + 1)), (TOKENS, 0), (Unit.CALLS, 0)):
            assert way.rung[unit].minimum == without.rung[unit].minimum + fee
            assert way.rung[unit].want == without.rung[unit].want + fee
        assert (way.rung[POINTS].minimum, way.rung[POINTS].want) == (4 * n, 4 * n)
        assert next(iter(way.rung)) is USD


async def test_points_are_no_unit_of_a_call_without_risk() -> None:
    assert all(POINTS not in way.rung for way in (await plan("mail")).ways)


async def test_what_pays_for_an_answer_is_what_the_fees_leave() -> None:
    for way in (await plan("mail", "drop", n=2)).ways[:2]:
        for tokens in (0, 1, 57, 99):
            amounts = way.amounts_for(tokens)
            assert way.payable_tokens(USD, amounts[USD]) == tokens
            assert way.payable_tokens(USD, amounts[USD] - 1) == max(0, tokens - 1)
            assert way.output_tokens_for(amounts) == tokens
            assert amounts.keys() == way.rung.keys()
        assert way.payable_tokens(USD, FEE) == 0


async def test_a_free_model_is_free_without_tools_that_cost() -> None:
    assert (await plan("read", model="free")).free == {USD}
    assert (await plan("drop", model="free", rules=(ToolRule("*", risk_points=1),))).free == {USD}
    assert (await plan("mail", model="free")).free == frozenset()


async def test_what_policy_takes_away_is_not_held_for() -> None:
    fewer = await plan("mail", "drop", wish=Wish().without(frozenset({"drop"})))
    assert {tool.name for way in fewer.ways for tool in way.tools} == {"mail"}
    assert all(way.changed == ("tools",) for way in fewer.ways)
