"""What an API is to the upstream: its words for a request, an answer and an error."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from simulator.answer.generate import Choice
from simulator.answer.render import Answer
from simulator.answer.stream import Event
from simulator.behaviour import Behaviour
from simulator.errors import ApiError, invalid
from simulator.models import Kind, Model
from simulator.prompt.count import PromptCount
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest
from simulator.wire.headers import answer_headers


class Generate(Protocol):
    """Decides what the model says to a request."""

    def __call__(
        self,
        request: ChatRequest,
        behaviour: Behaviour,
        *,
        seed: int,
        prompt_tokens: int,
        vocabulary: Vocabulary,
    ) -> tuple[Choice, ...]:
        """The choices of an answer. Raises ApiError: a schema cannot be followed."""
        ...


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is no JSON, in pieces as they are sent."""

    content_type: str
    pieces: Iterable[bytes]


def no_media(answer: Answer) -> Media | None:
    """For the APIs whose answers are JSON."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API. All its functions may raise ApiError, `json` and `events` excepted.

    path: where its calls are POSTed.
    serves: the kind of model that it is for.
    count: what goes in; it also refuses what does not fit the window.
    says_done: whether its streams end with `[DONE]`.
    is_free: whether its calls cost nothing.
    media: an answer that is no JSON; None where it is.
    """

    path: str
    serves: Kind
    id_prefix: str
    read: Callable[[bytes, Mapping[str, Model]], ChatRequest]
    count: Callable[[ChatRequest, Vocabulary], PromptCount]
    generate: Generate
    json: Callable[[Answer], dict[str, Any]]
    events: Callable[[Answer], Iterator[Event]]
    says_done: bool = False
    is_free: bool = False
    media: Callable[[Answer], Media | None] = no_media
    error: Callable[[ApiError], dict[str, Any]] = ApiError.body
    headers: Callable[[str, int, int], dict[str, str]] = answer_headers


def check_window(request: ChatRequest, tokens: int, param: str) -> None:
    """A prompt has to fit the window, with what may be said to it. Raises ApiError."""
    window = request.model.context_window
    if tokens + (request.max_output_tokens or 1) > window:
        raise invalid(
            param,
            f"The prompt of {tokens} tokens and its answer do not fit {window} tokens.",
            "context_length_exceeded",
        )


def generate_nothing(
    request: ChatRequest,
    behaviour: Behaviour,
    *,
    seed: int,
    prompt_tokens: int,
    vocabulary: Vocabulary,
) -> tuple[Choice, ...]:
    """For the APIs in which no model says anything."""
    return ()


def no_events(answer: Answer) -> Iterator[Event]:
    """For the APIs that do not stream."""
    return iter(())
