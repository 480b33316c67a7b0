"""The Responses API. Source: https://developers.openai.com/api/reference/resources/responses

request   a request, put into the words of chat completions
items     what an answer is made of
render    an answer as one object
stream    an answer as events
compact   a conversation made shorter
store     what was answered before: to be looked up, and to be gone on from
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from simulator.answer.generate import generate
from simulator.answer.render import Answer
from simulator.answer.stream import Event
from simulator.apis.api import Api, check_window, generate_nothing, no_events
from simulator.apis.responses.compact import compaction_object
from simulator.apis.responses.render import response_object
from simulator.apis.responses.request import read_compaction_request, read_response_request
from simulator.apis.responses.store import Store
from simulator.apis.responses.stream import response_events
from simulator.models import Model
from simulator.prompt.count import PromptCount, count_prompt
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest


def responses_api(store: Store) -> Api:
    """POST /v1/responses, whose answers are kept in `store` unless they are not to be."""

    def read(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
        return read_response_request(body, models, store.messages)

    def json(answer: Answer) -> dict[str, Any]:
        body = response_object(answer)
        store.keep(answer, body)
        return body

    def events(answer: Answer) -> Iterator[Event]:
        for event in response_events(answer):
            yield event
            if event.name in ("response.completed", "response.incomplete"):
                store.keep(answer, event.payload["response"])

    return Api(
        path="/v1/responses",
        serves="chat",
        id_prefix="resp_",
        read=read,
        count=_count,
        generate=generate,
        json=json,
        events=events,
    )


def _count(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    prompt = count_prompt(request, vocabulary)
    check_window(request, prompt.total, "input")
    return prompt


def compaction_api(store: Store) -> Api:
    """POST /v1/responses/compact, which goes on from what `store` has."""
    return Api(
        path="/v1/responses/compact",
        serves="chat",
        id_prefix="resp_",
        read=lambda body, models: read_compaction_request(body, models, store.messages),
        count=_count,
        generate=generate,
        json=compaction_object,
        events=no_events,
    )


def _counted(answer: Answer) -> dict[str, Any]:
    return {"object": "response.input_tokens", "input_tokens": answer.input.prompt_tokens}


INPUT_TOKENS: Final = Api(
    path="/v1/responses/input_tokens",
    serves="chat",
    id_prefix="resp_",
    read=lambda body, models: read_response_request(body, models, lambda before: ()),
    count=_count,
    generate=generate_nothing,
    json=_counted,
    events=no_events,
    is_free=True,
)
