"""Which calls hold what answers have been, in place of the longest that there may be."""

import json
from typing import Any

import pytest

from pricing.catalogue import Catalogue
from pricing.usage import Usage
from proxy.dialects.answer import Answer, DeliveredTexts
from proxy.dialects.chat import CHAT
from proxy.dialects.dialect import Dialect, Request
from proxy.dialects.embeddings import EMBEDDINGS
from proxy.dialects.responses import RESPONSES
from proxy.domain.money import Unit
from proxy.domain.subject import Subject
from proxy.gateway.candidates.counting import Counter
from proxy.gateway.candidates.terms import Ceilings, Degrade
from proxy.gateway.charge import Pricer
from proxy.gateway.ending import Charged, Ending, Outcome
from proxy.gateway.estimate import Estimator, Plan
from proxy.gateway.outbox.unheld import Unheld
from proxy.gateway.routes import Route, Routes
from proxy.gateway.stream.fitting import Fitting
from proxy.gateway.stream.lengths import LearningRules, OutputLengths
from proxy.ledger.records import Event, Grant
from proxy.policies import Wish
from tests.e2e.stack import loaded_tokenizers
from tests.gateway.stream.rig import Room
from tests.ledger.harness import ManualClock

RULES = LearningRules(quantile_pct=95, margin_pct=0, answers_min=2, lookahead_tokens=100)
AGENT = Subject(tenant="dev", agent="a")
TOKENS, USD = Unit.TOKENS, Unit.USD_MICROCENTS
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {}}}


def fitting(rules: LearningRules | None = RULES) -> Fitting:
    return Fitting(OutputLengths(), rules, Room())  # type: ignore[arg-type]


def request(dialect: Dialect = CHAT, **fields: Any) -> Request:
    """A stream of up to 4,000 tokens."""
    asked: dict[str, Any] = {"model": "gpt-4.1-mini", "stream": True, "max_tokens": 4_000}
    asked |= {"messages": [{"role": "user", "content": "Go on."}]}
    left = {name: value for name, value in (asked | fields).items() if value is not None}
    return dialect.read_request(json.dumps(left).encode())


async def plan(call: Request, dialect: Dialect = CHAT, *, shorten: bool = False) -> Plan:
    rules = Estimator(
        Catalogue(),
        Counter(loaded_tokenizers()),
        Degrade(shorten=shorten, min_output_tokens=256, fallback_models={}),
        Routes([Route("openai", "openai", ("*",), "openai")]),
        Ceilings(10**9, None, 60_000),
    )
    return await rules.plan(dialect, call, Wish(), at_ms=ManualClock().now_ms())


def answered(tokens: int, *, complete: bool = True) -> Answer:
    return Answer(Usage(10, tokens), None, None, None, complete, DeliveredTexts)


async def learned(
    call: Request, dialect: Dialect = CHAT, *, tokens: int = 300, holds: Fitting | None = None
) -> Plan:
    """The plan of a call after two that were answered so."""
    holds, found = holds or fitting(), await plan(call, dialect)
    for _ in range(2):
        holds.learn(found, found.ways[0], call, AGENT, answered(tokens))
    return holds.fit(found, dialect, call, AGENT)


async def test_a_call_holds_what_its_like_came_to_and_some_ahead() -> None:
    call = request()
    (way,) = (await learned(call)).ways
    (worst,) = (await plan(call)).ways

    assert way.held_tokens == 300 + 2 * 100
    assert way.rung[TOKENS].want == way.rung[TOKENS].minimum == way.bound.total_tokens + 500
    assert worst.rung[USD].want - way.rung[USD].want == 3_500 * 160
    assert (way.output_tokens, way.writes_limit) == (worst.output_tokens, worst.writes_limit)


async def test_the_limit_of_the_call_stays_what_it_was() -> None:
    (way,) = (await learned(request())).ways
    amounts = {unit: span.want for unit, span in way.rung.items()}

    assert way.output_tokens_for(amounts) == 4_000
    assert way.paid_tokens(amounts) == 500


async def test_of_several_answers_each_holds_what_one_came_to() -> None:
    (way,) = (await learned(request(n=3), tokens=900)).ways

    assert way.held_tokens == 300 + 67
    assert way.rung[TOKENS].want == way.bound.total_tokens + 3 * 367


@pytest.mark.parametrize(
    "fields",
    [
        {"stream": False},
        {"model": "gpt-5-nano", "max_tokens": None, "max_completion_tokens": 4_000},
        {"model": "gpt-audio", "modalities": ["text", "audio"]},
        {"prediction": {"type": "content", "content": "x"}, "max_tokens": None},
        {"max_tokens": 400},
    ],
    ids=["JSON", "hidden thoughts", "sound", "a prediction", "no longer than what is held for"],
)
async def test_what_cannot_be_seen_or_is_short_holds_the_worst_case(fields: Any) -> None:
    found = await learned(request(**fields))

    assert [way.held_tokens for way in found.ways] == [None]


async def test_what_the_provider_searches_holds_the_worst_case() -> None:
    call = request(RESPONSES, messages=None, max_tokens=None, input="Go on.", tools=[
        {"type": "web_search"}
    ])  # fmt: skip
    found = await learned(call, RESPONSES)

    assert found.ways[0].held_tokens is None


async def test_what_cannot_be_ended_holds_the_worst_case() -> None:
    holds, call = fitting(), request()
    found = await learned(call, holds=holds)
    assert found.ways[0].held_tokens is not None

    assert holds.fit(await plan(call), EMBEDDINGS, call, AGENT).ways[0].held_tokens is None


async def test_a_call_that_is_shortened_holds_all_that_it_may_be() -> None:
    holds, call = fitting(), request()
    await learned(call, holds=holds)

    full, short = holds.fit(await plan(call, shorten=True), CHAT, call, AGENT).ways

    assert (full.held_tokens, short.held_tokens) == (500, None)
    assert short.rung[TOKENS].want == short.bound.total_tokens + 4_000


@pytest.mark.parametrize(
    "other", [Subject(tenant="dev", agent="b"), Subject(tenant="dev"), Subject(tenant="prod")]
)
async def test_others_start_at_the_worst_case(other: Subject) -> None:
    holds, call = fitting(), request()
    await learned(call, holds=holds)

    (way,) = holds.fit(await plan(call), CHAT, call, other).ways

    assert way.held_tokens is None


async def test_runs_of_an_agent_learn_from_each_other() -> None:
    holds, call = fitting(), request()
    await learned(call, holds=holds)
    in_run = Subject(tenant="dev", agent="a", dimensions={"run": "7"})

    (way,) = holds.fit(await plan(call), CHAT, call, in_run).ways

    assert way.held_tokens == 500


@pytest.mark.parametrize("answer", [None, answered(300, complete=False)])
async def test_half_an_answer_says_nothing_of_its_length(answer: Answer | None) -> None:
    holds, call = fitting(), request()
    found = await plan(call)
    for _ in range(2):
        holds.learn(found, found.ways[0], call, AGENT, answer)

    assert holds.fit(found, CHAT, call, AGENT).ways[0].held_tokens is None


async def test_without_rules_nothing_is_learned() -> None:
    lengths = OutputLengths()
    (way,) = (await learned(request(), holds=Fitting(lengths, None, Room()))).ways  # type: ignore[arg-type]

    assert way.held_tokens is None
    assert len(lengths) == 0


async def test_only_what_is_held_can_grow() -> None:
    holds = fitting()
    (way,) = (await learned(request(), holds=holds)).ways
    (worst,) = (await plan(request())).ways
    held = Grant("rsv_1", 0, dict(way.amounts_for(500)), 0, 0, (), ())

    growing = holds.hold_of(held, way)
    assert growing is not None
    assert (growing.held_tokens, growing.limit_tokens) == (500, 4_000)
    assert holds.hold_of(held, worst) is None
    event = Event("key", "hash", AGENT, held.amounts)
    unheld = Unheld("", 0, held.amounts, 0, 0, (), (), event=event)
    assert holds.hold_of(unheld, way) is None


async def test_what_ends_an_answer_is_charged_as_far_as_the_hold_goes() -> None:
    (way,) = (await learned(request())).ways
    held = way.amounts_for(500)
    counter = Counter(loaded_tokenizers())
    pricer = Pricer(Catalogue(), counter, ManualClock(), missing_usage="counted")

    async def charged(tokens: int) -> int:
        texts = DeliveredTexts()
        texts.note(0, finished=False)
        texts.keep((0,), " word" * tokens)
        cut = Ending(Outcome.CUT, status=200, answer_bytes=1, streamed=True)
        answer = Answer(None, None, None, None, False, lambda: texts)
        sentence = await pricer.sentence(CHAT, cut, answer, way=way, held=held)
        assert isinstance(sentence, Charged)
        assert sentence.estimated
        return sentence.actual[TOKENS] - way.bound.total_tokens

    assert [await charged(tokens) for tokens in (400, 498, 500, 501)] == [404, 500, 500, 501]
