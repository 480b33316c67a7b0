"""What a provider says it billed counts where that is its bill, and nowhere else."""

import json
from decimal import Decimal

import pytest

from pricing.catalogue import Catalogue, Override
from pricing.tokens import Tokenizers
from proxy.dialects.chat import CHAT
from proxy.domain.money import Unit
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.charge import Pricer
from proxy.gateway.ending import Charged, Ending, Outcome
from proxy.gateway.estimate import Estimator
from proxy.gateway.routes import Route, Routes
from proxy.policies import Wish
from tests.ledger.harness import ManualClock

CATALOGUE = Catalogue([Override(model="m", input_per_mtok=Decimal(1), output_per_mtok=Decimal(2))])
BODY = b'{"model": "m", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}'
USAGE = {"prompt_tokens": 10, "completion_tokens": 20}
BY_THE_TABLE = 10 * 100 + 20 * 200


@pytest.mark.parametrize(
    ("provider", "reported", "charged"),
    [
        ("openrouter", {"cost": 0.25}, 25_000_000),
        ("openrouter", {"cost": 0}, 0),
        ("openrouter", {}, BY_THE_TABLE),
        ("openrouter", {"cost": -1}, BY_THE_TABLE),
        ("openai", {"cost": 0}, BY_THE_TABLE),
    ],
)
async def test_a_stated_cost_is_the_bill_only_where_it_is_one(
    provider: str, reported: dict[str, object], charged: int
) -> None:
    clock = ManualClock()
    counter = Counter(Tokenizers())
    estimator = Estimator(
        CATALOGUE,
        counter,
        Degrade(shorten=False, min_output_tokens=1, fallback_models={}),
        Routes([Route("a", "openai", ("*",), provider)]),
        Ceilings(None, None, 60_000),
    )
    request = CHAT.read_request(BODY)
    (way,) = (await estimator.plan(CHAT, request, Wish(), at_ms=clock.now_ms())).ways
    body = {"model": "m", "choices": [{"message": {}}], "usage": USAGE | reported}
    answer = CHAT.read_answer(json.dumps(body).encode())
    pricer = Pricer(CATALOGUE, counter, clock, missing_usage="counted")

    sentence = await pricer.sentence(
        CHAT,
        Ending(Outcome.COMPLETE, status=200, has_usage=True, answer_bytes=1),
        answer,
        way=way,
        held={unit: span.want for unit, span in way.rung.items()},
    )

    assert isinstance(sentence, Charged)
    assert sentence.actual[Unit.USD_MICROCENTS] == charged
    assert not sentence.estimated
