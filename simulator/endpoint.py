"""A call from its request to its line on the bill, in any of the APIs.

    read ─▶ wait ─▶ serve ─▶ refuse | generate ─▶ send

What is billed is decided when the model begins and counted as it goes, so the bill of a call
that is cut, hung or left is right too.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import msgspec
from aiohttp import web

from simulator.answer.render import Answer
from simulator.answer.stream import Event
from simulator.apis.api import Api
from simulator.behaviour import HEADER, Behaviour, Refusal, read_behaviour
from simulator.bill import NO_FACTOR, Input, Output
from simulator.errors import ApiError, invalid
from simulator.models import Model, find_model
from simulator.prompt.count import PromptCount
from simulator.prompt.vocabulary import Vocabulary
from simulator.rates import IN_THE_US
from simulator.records import Records, Tab
from simulator.request import ChatRequest
from simulator.wire.deliver import CutShort, Delivery, Head, Sleep
from simulator.wire.events import Frame

# Shorter prompts are not cached, and what is cached is a multiple of this
# (https://developers.openai.com/api/docs/guides/prompt-caching).
SHORTEST_CACHED_TOKENS = 1024
CACHED_STEP_TOKENS = 128

JSON_TYPE = "application/json"
STREAM_TYPE = "text/event-stream; charset=utf-8"
HTML_PAGE = b"<html><body><h1>Something between us and the model failed</h1></body></html>"


class Carrier(Protocol):
    """What takes an answer to its client."""

    def frames(self, events: Iterable[Event], *, says_done: bool) -> Iterable[Frame]:
        """The events of a stream, as they travel."""
        ...

    async def send(self, head: Head, frames: Iterable[Frame]) -> web.StreamResponse:
        """Send all, or as much as the behaviour allows. Raises CutShort: it ended too early."""
        ...


ChooseBehaviour = Callable[[ChatRequest], Behaviour]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an upstream is started with. `now_s` is seconds since the epoch."""

    models: Mapping[str, Model]
    vocabulary: Vocabulary
    seed: int
    now_s: Callable[[], int]
    sleep: Sleep


class Endpoint:
    """Where calls of all APIs arrive. `choose` is asked where no header and no script says how."""

    def __init__(self, settings: Settings, records: Records) -> None:
        self._settings = settings
        self._records = records
        self.choose = always(Behaviour())

    async def answer(
        self, api: Api, web_request: web.Request, body: bytes, number: int
    ) -> web.StreamResponse:
        """Answer request `number`. Raises ApiError: it cannot be served."""

        def deliver(behaviour: Behaviour, tab: Tab) -> Delivery:
            return Delivery(
                web_request,
                behaviour,
                sleep=self._settings.sleep,
                gate=self._records.gate,
                generated=tab.generated,
            )

        request = api.read(body, self._settings.models)
        return await self.serve(api, request, web_request.headers, number, deliver)

    async def serve(
        self,
        api: Api,
        request: ChatRequest,
        headers: Mapping[str, str],
        number: int,
        deliver: Callable[[Behaviour, Tab], Carrier],
    ) -> web.StreamResponse:
        """Answer what was asked as number `number`, with what `deliver` makes.

        Raises ApiError: it cannot be served.
        """
        if request.model.kind != api.serves:
            raise ApiError(404, "This model is not served here.", "model_not_found", "model")
        behaviour = self._behaviour(headers, request)
        completion_id = f"{api.id_prefix}{self._settings.seed:08x}{number:016x}"
        tab = Tab(self.request_id(number), completion_id, self._records.changed)
        delivery = deliver(behaviour, tab)
        with self._records.call(tab):
            await self._wait(behaviour)
            try:
                head, body_frames = self._serve(api, request, behaviour, tab, number, delivery)
                response = await delivery.send(head, body_frames)
            except ApiError:
                tab.close("refused")
                raise
            except CutShort:
                tab.close("cut")
                # The connection is gone: this goes nowhere.
                return web.Response()
            tab.close("refused" if behaviour.refusal else "completed")
            return response

    @property
    def sleep(self) -> Sleep:
        """How it rests."""
        return self._settings.sleep

    def request_id(self, number: int) -> str:
        """The x-request-id of request `number`."""
        return f"req_{self._settings.seed:08x}{number:024x}"

    def _behaviour(self, headers: Mapping[str, str], request: ChatRequest) -> Behaviour:
        asked = headers.get(HEADER)
        if asked is not None:
            try:
                behaviour = read_behaviour(asked)
            except ValueError as error:
                raise invalid(HEADER, f"{HEADER}: {error}") from None
        elif self._records.script:
            behaviour = self._records.script.popleft()
        else:
            behaviour = self.choose(request)
        return behaviour

    async def _wait(self, behaviour: Behaviour) -> None:
        if behaviour.barrier:
            await self._records.until(lambda: self._records.arrived >= behaviour.barrier)
        if behaviour.gate:
            await self._records.gate(behaviour.gate).wait()

    def _serve(
        self,
        api: Api,
        request: ChatRequest,
        behaviour: Behaviour,
        tab: Tab,
        number: int,
        carrier: Carrier,
    ) -> tuple[Head, Iterable[Frame]]:
        refusal = behaviour.refusal
        if refusal and behaviour.billed != "in_full":
            return _refusal(api, refusal, api.headers(self.request_id(number), number, 0))
        answer = self._begin(api, request, behaviour, tab)
        tokens = answer.input.prompt_tokens
        headers = api.headers(self.request_id(number), number, tokens)
        if refusal:
            return _refusal(api, refusal, headers)
        if request.stream:
            tab.generated(answer.hidden())
            head = Head(status=200, content_type=STREAM_TYPE, headers=headers, streams=True)
            return head, carrier.frames(api.events(answer), says_done=api.says_done)
        media = api.media(answer)
        if media is not None:
            tab.generated(answer.output())
            head = Head(status=200, content_type=media.content_type, headers=headers, streams=True)
            return head, [Frame(piece, Output()) for piece in media.pieces]
        tab.generated(answer.output())
        data = msgspec.json.encode(api.json(answer))
        return Head(status=200, content_type=JSON_TYPE, headers=headers), [Frame(data, Output())]

    def _begin(self, api: Api, request: ChatRequest, behaviour: Behaviour, tab: Tab) -> Answer:
        """The model reads the prompt: from here on the call costs money, unless it is free."""
        prompt = api.count(request, self._settings.vocabulary)
        served = self._served(request, behaviour)
        choices = api.generate(
            request,
            behaviour,
            seed=self._settings.seed,
            prompt_tokens=prompt.total,
            vocabulary=self._settings.vocabulary,
        )
        searches = sum(choice.hidden.web_searches for choice in choices)
        consumed = _input(request, prompt, behaviour, served, searches * served.search_tokens)
        tier = _service_tier(request, behaviour, served, consumed)
        answer = Answer(
            id=tab.completion_id,
            created_s=self._settings.now_s(),
            model=behaviour.model or served.snapshot,
            service_tier=tier,
            request=request,
            choices=choices,
            input=consumed,
            report=behaviour.report,
            tokens_per_event=behaviour.tokens_per_event,
            geography=behaviour.geography or request.geography,
        )
        tab.begin(
            model=answer.model,
            service_tier=tier,
            prices=served.prices,
            consumed=consumed,
            whole=answer.output(),
            factor=IN_THE_US if answer.geography == "us" else NO_FACTOR,
            billed="free" if api.is_free or behaviour.report.shape == "zero" else behaviour.billed,
        )
        return answer

    def _served(self, request: ChatRequest, behaviour: Behaviour) -> Model:
        if behaviour.model is None:
            return request.model
        served = find_model(self._settings.models, behaviour.model)
        if served is None:
            raise invalid(HEADER, f"{HEADER}: there is no model {behaviour.model!r} to serve it.")
        return served


def always(behaviour: Behaviour) -> ChooseBehaviour:
    """Answer every call in the same way."""

    def choose(request: ChatRequest) -> Behaviour:
        return behaviour

    return choose


def _refusal(api: Api, refusal: Refusal, headers: dict[str, str]) -> tuple[Head, Iterable[Frame]]:
    if refusal.retry_after is not None:
        headers |= {"retry-after": refusal.retry_after}
    if refusal.location is not None:
        headers |= {"location": refusal.location}
    error = ApiError(refusal.status, "The simulated upstream refuses this call.", refusal.code)
    data = {
        "json": msgspec.json.encode(api.error(error)),
        "html": HTML_PAGE,
        "empty": b"",
    }[refusal.body]
    content_type = JSON_TYPE if refusal.body == "json" else "text/html"
    head = Head(status=refusal.status, content_type=content_type, headers=headers)
    return head, [Frame(data, Output())]


def _input(
    request: ChatRequest, prompt: PromptCount, behaviour: Behaviour, served: Model, found: int
) -> Input:
    """`found`: tokens that searches added to the prompt."""
    total = prompt.total + found + behaviour.extra_prompt_tokens
    images = prompt.images if request.model.kind == "image" else 0
    cacheable = total - prompt.audio - images
    cached = min(behaviour.cached_tokens, cacheable)
    written, written_1h = behaviour.cache_write_tokens, behaviour.cache_write_1h_tokens
    if written is None:
        written = _written(request, served, cacheable)
        if request.cache_lifetime == "1h" and not written_1h:
            written, written_1h = 0, written
    written_1h = min(written_1h, cacheable - cached)
    return Input(
        prompt_tokens=total,
        cached_tokens=cached,
        cache_write_tokens=min(written, cacheable - cached - written_1h),
        cache_write_1h_tokens=written_1h,
        audio_tokens=prompt.audio,
        audio_seconds=prompt.seconds,
        characters=prompt.characters,
        image_tokens=images,
    )


def _written(request: ChatRequest, served: Model, cacheable: int) -> int:
    """What the provider writes to its cache when nobody tells it how much."""
    charges = served.prices.standard.cache_write is not None
    wanted = request.model.kind != "claude" or request.cache_lifetime
    if not charges or not wanted or cacheable < SHORTEST_CACHED_TOKENS:
        return 0
    return cacheable - cacheable % CACHED_STEP_TOKENS


def _service_tier(
    request: ChatRequest, behaviour: Behaviour, served: Model, consumed: Input
) -> str:
    sold = served.prices.tiers(consumed.prompt_tokens)
    tier = behaviour.service_tier or request.service_tier
    if tier in sold:
        return tier
    if behaviour.service_tier:
        raise invalid(HEADER, f"{HEADER}: {served.name} has no tier {tier!r} for this prompt.")
    return "default"
