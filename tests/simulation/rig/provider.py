"""The provider: what it generates for a request, and what it bills for that.

Made of the simulator's parts: it knows nothing of the proxy, and prices by a table of its own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace as replace_in_struct

from simulator import ChatRequest, Input, Output
from simulator.answer.generate import generate
from simulator.answer.render import Answer, json_answer
from simulator.answer.stream import Event, stream_events
from simulator.bill import amount_microcents
from simulator.errors import ApiError
from simulator.models import MODELS, Model
from simulator.prompt.count import count_prompt
from simulator.prompt.vocabulary import Vocabulary
from simulator.rates import PriceList, Rates
from simulator.records import Tab
from simulator.request import read_request
from simulator.wire.compression import compressor, content_encoding, negotiate
from simulator.wire.events import frames
from tests.simulation.plan import Call

USD: Final = "USD_MICROCENTS"
TOKENS: Final = "TOKENS"
UNITS: Final = (USD, TOKENS)
"""What calls are held and charged in, as the ledger names it."""

JSON_TYPE: Final = "application/json"
STREAM_TYPE: Final = "text/event-stream; charset=utf-8"
HTML_PAGE: Final = b"<html><body>Something between us and the model failed</body></html>"

SHORTEST_CACHED_TOKENS: Final = 1024
"""Source: https://developers.openai.com/api/docs/guides/prompt-caching."""

_TRUE_SHAPES: Final = frozenset(
    {"plain", "zero", "floats", "strings", "no_total", "no_details", "null_details"}
)
"""The shapes of a usage report from which what was used can be read."""

FREE_MODEL: Final = "local-model"
"""One that costs nothing."""

FREE_MODEL_OUTPUT_TOKENS: Final = 500
"""What it writes at most."""

OFFERED: Final = {
    **MODELS,
    FREE_MODEL: replace(
        MODELS["gpt-4o-mini"],
        name=FREE_MODEL,
        snapshot=FREE_MODEL,
        max_output_tokens=FREE_MODEL_OUTPUT_TOKENS,
        prices=PriceList(standard=Rates(input=Decimal(0), output=Decimal(0))),
    ),
}

_VOCABULARY: Final = Vocabulary()


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes that belong together, and what was generated for them.

    `tells_usage`: they report what was used. `completes`: with them nothing is missing.
    """

    data: bytes
    output: Output = Output()  # noqa: RUF009 - it is frozen
    tells_usage: bool = False
    completes: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """What the upstream will send. `serving` is None where no model did any work."""

    status: int
    headers: Mapping[str, str]
    parts: tuple[Part, ...]
    serving: "Serving | None"


@dataclass(frozen=True, slots=True)
class Serving:
    """A model at work for a call, and its running bill."""

    request: ChatRequest
    model: Model
    tier: str
    prompt_tokens: int
    consumed: Input
    is_free: bool
    whole: Output
    tab: Tab

    def worth_microcents(self, delivered: Output) -> int:
        """What the provider asks for the prompt as it was sent, and for what was delivered."""
        if self.is_free:
            return 0
        cached = min(self.consumed.cached_tokens, self.prompt_tokens)
        sent = Input(prompt_tokens=self.prompt_tokens, cached_tokens=cached)
        return amount_microcents(self.model.prices, self.tier, sent, delivered)

    def worth(self, delivered: Output) -> Mapping[str, int]:
        """What the prompt as it was sent and this much of an answer come to, by unit."""
        tokens = 0 if self.is_free else self.prompt_tokens + delivered.completion_tokens
        return {USD: self.worth_microcents(delivered), TOKENS: tokens}

    @property
    def bill(self) -> Mapping[str, int]:
        """What it asks for the call, and what it counted."""
        line = self.tab.line()
        tokens = line.input.prompt_tokens + line.output.completion_tokens
        return {USD: line.amount_microcents, TOKENS: tokens}


def dearest_microcents(request: ChatRequest) -> int:
    """The most that an honest provider can ask for a request, by its own rates."""
    prices = request.model.prices
    prompt_tokens = count_prompt(request, _VOCABULARY).total
    limit = request.max_output_tokens or request.model.max_output_tokens
    output = Output(text_tokens=request.choices * limit)
    tiers = {"default", request.service_tier} & prices.tiers(prompt_tokens).keys()
    inputs = [
        Input(prompt_tokens=prompt_tokens),
        Input(prompt_tokens=prompt_tokens, cache_write_tokens=prompt_tokens),
    ]
    return max(amount_microcents(prices, tier, sent, output) for tier in tiers for sent in inputs)


def most(request: ChatRequest) -> Mapping[str, int]:
    """The most that an honest provider can ask for a request, and count, by unit."""
    limit = request.max_output_tokens or request.model.max_output_tokens
    prompt_tokens = count_prompt(request, _VOCABULARY).total
    tokens = prompt_tokens + request.choices * limit
    return {USD: dearest_microcents(request), TOKENS: tokens}


def most_of_body(body: Mapping[str, Any]) -> Mapping[str, int]:
    """The same for a call as it is made; nothing for one that is not accepted."""
    try:
        return most(read(msgspec.json.encode(body)))
    except ApiError:
        return {USD: 0, TOKENS: 0}


def read(body: bytes) -> ChatRequest:
    """The request as it arrived. Raises ApiError."""
    return read_request(body, OFFERED)


def serve(call: Call, request: ChatRequest, accept_encoding: str) -> Reply:
    """Answer a request in the way that the plan of the call says. The bill begins here."""
    refusal = call.behaviour.refusal
    if refusal is not None:
        content_type = JSON_TYPE if refusal.body == "json" else "text/html"
        body = {"json": b'{"error": {"message": "no"}}', "html": HTML_PAGE, "empty": b""}
        error = Part(body[refusal.body])
        return Reply(refusal.status, {"Content-Type": content_type}, (error,), None)
    serving, answer = _begin(call, request)
    streams = request.stream and not call.route.as_json
    serving.tab.generated(answer.hidden() if streams else answer.output())
    plain = list(_stream_parts(call, answer) if streams else _json_parts(answer))
    wanted = call.behaviour.wire.compression
    encoding = negotiate(accept_encoding) if wanted == "negotiate" else "identity"
    headers = {"Content-Type": STREAM_TYPE if streams else JSON_TYPE}
    if name := content_encoding(encoding):
        headers["Content-Encoding"] = name
    parts = tuple(_encoded(plain, encoding))
    if not streams and call.route.cut_by != "end":
        headers["Content-Length"] = str(sum(len(part.data) for part in parts))
    return Reply(200, headers, parts, serving)


def refuse(error: ApiError) -> Reply:
    """The answer to a request that the API does not accept."""
    headers = {"Content-Type": JSON_TYPE}
    return Reply(error.status, headers, (Part(msgspec.json.encode(error.body())),), None)


def _begin(call: Call, request: ChatRequest) -> tuple[Serving, Answer]:
    behaviour = call.behaviour
    if not request.model.reasons:
        behaviour = replace_in_struct(behaviour, reasoning_tokens=None)
    prompt_tokens = count_prompt(request, _VOCABULARY).total
    served = OFFERED[behaviour.model] if behaviour.model else request.model
    consumed = _consumed(call, served, prompt_tokens)
    sold = served.prices.tiers(consumed.prompt_tokens)
    wanted = behaviour.service_tier or request.service_tier
    tier = wanted if wanted in sold else "default"
    answer = Answer(
        id=f"chatcmpl-{call.number}",
        created_s=0,
        model=served.snapshot,
        service_tier=tier,
        request=request,
        choices=generate(
            request,
            behaviour,
            seed=call.number,
            prompt_tokens=prompt_tokens,
            vocabulary=_VOCABULARY,
        ),
        input=consumed,
        report=behaviour.report,
        tokens_per_event=behaviour.tokens_per_event,
    )
    tab = Tab(call.trace_id, answer.id)
    is_free = behaviour.report.shape == "zero"
    tab.begin(
        model=answer.model,
        service_tier=tier,
        prices=served.prices,
        consumed=consumed,
        whole=answer.output(),
        billed="free" if is_free else behaviour.billed,
    )
    serving = Serving(request, served, tier, prompt_tokens, consumed, is_free, answer.output(), tab)
    return serving, answer


def _consumed(call: Call, served: Model, prompt_tokens: int) -> Input:
    behaviour = call.behaviour
    total = prompt_tokens + behaviour.extra_prompt_tokens
    cached = min(behaviour.cached_tokens, total)
    written = behaviour.cache_write_tokens
    if written is None:
        charges = served.prices.standard.cache_write is not None
        written = total if charges and total >= SHORTEST_CACHED_TOKENS else 0
    return Input(
        prompt_tokens=total,
        cached_tokens=cached,
        cache_write_tokens=min(written, total - cached),
    )


def _json_parts(answer: Answer) -> Iterator[Part]:
    report = answer.report
    tells = report.place != "nowhere" and report.shape in _TRUE_SHAPES
    shown = sum((choice.shown() for choice in answer.choices), Output())
    yield Part(msgspec.json.encode(json_answer(answer)), shown, tells, completes=True)


def _stream_parts(call: Call, answer: Answer) -> Iterator[Part]:
    events = list(stream_events(answer))
    if not call.route.in_turn:
        events.sort(key=_choice)
    ends = [place for place, event in enumerate(events) if _says_why_it_ended(event)]
    for place, frame in enumerate(frames(events, call.behaviour.wire)):
        tells = place < len(events) and _tells_usage(events[place], answer)
        yield Part(frame.data, frame.output, tells, place >= ends[-1])


def _choice(event: Event) -> int:
    """Which choice an event belongs to; what belongs to none comes last."""
    choices = event.payload["choices"]
    return choices[0]["index"] if choices else len(event.payload)


def _says_why_it_ended(event: Event) -> bool:
    return any(choice["finish_reason"] is not None for choice in event.payload["choices"])


def _tells_usage(event: Event, answer: Answer) -> bool:
    is_reported = event.payload.get("usage") is not None
    return is_reported and answer.report.shape in _TRUE_SHAPES


def _encoded(parts: list[Part], encoding: str) -> Iterator[Part]:
    body = compressor(encoding)
    for part in parts:
        yield replace(part, data=body.compress(part.data))
    if tail := body.finish():
        yield Part(tail)
