"""Legacy completions: a text goes on.

Source: https://developers.openai.com/api/reference/resources/completions
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from simulator.answer.generate import Choice, generate
from simulator.answer.render import Answer
from simulator.answer.stream import Event, in_turn, with_usage
from simulator.apis.api import Api, check_window
from simulator.behaviour import Behaviour
from simulator.bill import Output
from simulator.errors import invalid
from simulator.fields import boolean, integer, optional, read_model, read_object
from simulator.models import Model
from simulator.prompt.count import PromptCount
from simulator.prompt.vocabulary import Vocabulary
from simulator.request import ChatRequest

MOST_CHOICES: Final = 128
MOST_LOGPROBS: Final = 5
DEFAULT_LIMIT_TOKENS: Final = 16
START_OF_TEXT: Final = "<|endoftext|>"
"""What is gone on with where nobody says anything: one token."""

Text = str | list[int]


def _read(body: bytes, models: Mapping[str, Model]) -> ChatRequest:
    fields = read_object(body)
    model = read_model(fields, models)
    stream, best = boolean(fields, "stream"), integer(fields, "best_of", 1, MOST_CHOICES)
    options = optional(fields, "stream_options", dict) or {}
    n = integer(fields, "n", 1, MOST_CHOICES) or 1
    integer(fields, "logprobs", 0, MOST_LOGPROBS)
    limit = integer(fields, "max_tokens", 0, model.context_window)
    boolean(fields, "echo")
    optional(fields, "suffix", str)
    if options and not stream:
        raise invalid("stream_options", "stream_options is only allowed when stream is true.")
    if best is not None and (best < n or (stream and best > n)):
        raise invalid("best_of", "best_of is at least n, and not above it in a stream.")
    prompts = _prompts(fields.get("prompt"))
    count = len(prompts) * (best or n)
    if count > MOST_CHOICES:
        raise invalid("best_of", f"All prompts have at most {MOST_CHOICES} answers together.")
    return ChatRequest(
        body=fields | {"prompt": prompts, "messages": prompts},
        model=model,
        messages=({"role": "user", "content": ""},),
        stream=stream,
        include_usage=boolean(options, "include_usage"),
        choices=count,
        max_output_tokens=DEFAULT_LIMIT_TOKENS if limit is None else limit,
        sent=fields,
    )


def _prompts(given: object) -> list[Text]:
    if given is None:
        return [START_OF_TEXT]
    prompts: list[Any] = given if isinstance(given, list) else [given]
    if isinstance(given, list) and given and all(_is_token(each) for each in given):
        prompts = [given]
    for each in prompts:
        tokens = isinstance(each, list) and all(_is_token(token) for token in each)
        if not isinstance(each, str) and not tokens:
            raise invalid("prompt", "A prompt is a text or tokens.", "invalid_type")
    if not prompts:
        raise invalid("prompt", "There has to be a prompt.", "invalid_value")
    return prompts


def _is_token(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(request: ChatRequest, vocabulary: Vocabulary) -> PromptCount:
    suffix = vocabulary.count(request.model.encoding, request.body.get("suffix") or "")
    total = 0
    for prompt in request.body["prompt"]:
        tokens = suffix + _tokens(request, prompt, vocabulary)
        check_window(request, tokens, "prompt")
        total += tokens
    return PromptCount(total)


def _tokens(request: ChatRequest, prompt: Text, vocabulary: Vocabulary) -> int:
    if prompt == START_OF_TEXT:
        return 1
    if isinstance(prompt, list):
        return len(prompt)
    return vocabulary.count(request.model.encoding, prompt)


def _generate(
    request: ChatRequest,
    behaviour: Behaviour,
    *,
    seed: int,
    prompt_tokens: int,
    vocabulary: Vocabulary,
) -> tuple[Choice, ...]:
    every = generate(
        request,
        behaviour,
        seed=seed,
        prompt_tokens=prompt_tokens,
        vocabulary=vocabulary,
    )
    if request.max_output_tokens == 0 and not behaviour.ignore_limit:
        every = tuple(Choice(finish_reason="length") for _ in every)
    fields = request.body
    n = fields.get("n") or 1
    lost = len(fields["prompt"]) * ((fields.get("best_of") or n) - n)
    if not lost:
        return every
    # Those that were not the best are paid for and not seen.
    kept = every[lost:]
    hidden = sum((choice.output() for choice in every[:lost]), kept[0].hidden)
    return (replace(kept[0], hidden=hidden), *kept[1:])


def _json(answer: Answer) -> dict[str, Any]:
    choices = [
        _choice(answer, choice, index, _echo(answer, index) + choice.text(), choice.finish_reason)
        for index, choice in enumerate(answer.choices)
    ]
    body = _envelope(answer) | {"choices": choices}
    if answer.report.place != "nowhere":
        body["usage"] = answer.usage(answer.output())
    return body


def _envelope(answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "object": "text_completion",
        "created": answer.created_s,
        "model": answer.model,
    }


def _choice(
    answer: Answer, choice: Choice, index: int, text: str, finish_reason: str | None
) -> dict[str, Any]:
    return {
        "text": text,
        "index": index,
        "logprobs": _logprobs(answer, choice.pieces),
        "finish_reason": finish_reason,
    }


def _echo(answer: Answer, index: int) -> str:
    if not answer.request.body.get("echo"):
        return ""
    prompts = answer.request.body["prompt"]
    prompt = prompts[index // (answer.request.body.get("n") or 1) % len(prompts)]
    return prompt if isinstance(prompt, str) else " echo" * len(prompt)


def _logprobs(answer: Answer, pieces: tuple[str, ...]) -> dict[str, Any] | None:
    rivals = answer.request.body.get("logprobs")
    if rivals is None:
        return None
    return {
        "tokens": list(pieces),
        "token_logprobs": [-0.25] * len(pieces),
        "top_logprobs": [dict.fromkeys([piece] * rivals, -0.25) for piece in pieces],
        "text_offset": [sum(map(len, pieces[:place])) for place in range(len(pieces))],
    }


def _events(answer: Answer) -> Iterator[Event]:
    streams = [_pieces(answer, choice, index) for index, choice in enumerate(answer.choices)]
    return with_usage(answer, in_turn(streams), _envelope(answer))


def _pieces(answer: Answer, choice: Choice, index: int) -> Iterator[Event]:
    if echo := _echo(answer, index):
        said = _choice(answer, Choice(), index, echo, None)
        yield Event(_envelope(answer) | {"choices": [said]})
    size = answer.tokens_per_event
    for start in range(0, len(choice.pieces), size):
        some = replace(choice, pieces=choice.pieces[start : start + size])
        said = _choice(answer, some, index, some.text(), None)
        yield Event(_envelope(answer) | {"choices": [said]}, Output(text_tokens=len(some.pieces)))
    said = _choice(answer, Choice(), index, "", choice.finish_reason)
    yield Event(_envelope(answer) | {"choices": [said]})


COMPLETIONS: Final = Api(
    path="/v1/completions",
    serves="completion",
    id_prefix="cmpl-",
    read=_read,
    count=_count,
    generate=_generate,
    json=_json,
    events=_events,
    says_done=True,
)
