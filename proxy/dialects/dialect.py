"""What a dialect is: one LLM API, its requests, its answers and its errors.

Each of them is a package beside this file, and one value of `Dialect`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any, Protocol

import msgspec

from pricing.drawing import Drawing
from pricing.prompt import Prompt
from pricing.usage import Usage
from proxy.dialects.answer import Answer
from proxy.dialects.stream import EventReader, Relayed
from proxy.dialects.wire.form import Form


class ToolKind(StrEnum):
    """Who runs a tool: the caller (function, custom) or the provider (built-in, at a fee)."""

    FUNCTION = "function"
    CUSTOM = "custom"
    BUILT_IN = "built_in"


class Tool(msgspec.Struct, frozen=True):
    """A tool as caps see it.

    A cap knows a function or a custom tool by its name, and a built-in tool by its type
    without the date of its version (docs/semantics.md, "Policy, plan, caps"). `called` is what
    an answer that calls it names it; empty where that is `name`. `is_told`: whether answers do.
    """

    name: str
    kind: ToolKind
    called: str = ""
    is_told: bool = True


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is well formed, as far as money depends on it.

    `max_output_tokens` is the limit for each of the `n` answers, None when the caller set
    none; `limit_field` is the field it came in. `generates`: whether the answer has output
    tokens at all; `hides_answers` whether some of the `n` are paid for and never shown.
    `deployment`: the deployment of Azure's that the call names, which is one of `model`.
    `paid_tool_calls`: the most calls of each built-in tool with a fee.
    `caches`: whether it may write a cache at a price, `caches_long` one that costs more
    because it lives longer. `surcharge` is what its own options multiply every price by.
    `thinking_tokens` is what the shortest thought takes of the limit before the answer begins.
    `takes_limit`: whether the API has a field for an output limit. `needs_tool_limit` is the
    limit on calls of built-in tools that has to be written into the body, since the caller
    set none and the provider would run them without end. `draws` is how each answer is drawn
    that is an image, None where nothing bounds that. `images`, `audio_ms` and `characters` are
    the most that may be billed by these measures (see `pricing.usage.Usage`), `known_usage` what
    is billed by models without a price for tokens, where no report has to say it. `fields` is the
    body, decoded, and `form` what was read of one; `body` is then its bytes so far.
    """

    body: bytes
    fields: Mapping[str, Any]
    model: str
    form: Form | None = None
    stream: bool = False
    asks_usage: bool = True
    n: int = 1
    generates: bool = True
    hides_answers: bool = False
    max_output_tokens: int | None = None
    limit_field: str | None = None
    takes_limit: bool = True
    tools: tuple[Tool, ...] = ()
    forced_tool: str | None = None
    paid_tool_calls: Mapping[str, int] = msgspec.field(default_factory=dict)
    needs_tool_limit: int | None = None
    draws: Drawing | None = None
    images: Mapping[str, int] = msgspec.field(default_factory=dict)
    audio_ms: int = 0
    characters: int = 0
    known_usage: Usage | None = None
    has_prediction: bool = False
    has_images: bool = False
    asks_audio: bool = False
    wants_json_schema: bool = False
    caches: bool = True
    caches_long: bool = False
    surcharge: Fraction = Fraction(1)
    thinking_tokens: int = 0
    service_tier: str | None = None
    reasoning_effort: str | None = None
    deployment: str | None = None

    @property
    def may_be_limited(self) -> bool:
        """Whether an output limit may be written; beside a prediction the API takes none."""
        return self.takes_limit and not self.has_prediction

    def __repr__(self) -> str:
        """Without the body: prompts must not reach a log."""
        return f"<Request model={self.model!r} of {len(self.body)} bytes>"


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different in a body; a default changes nothing.

    `name` is what the upstream calls the model, where that is another word.
    `max_output_tokens` goes into `limit_field`, by default into the field the caller used,
    and stands in no other. `drop_tools` are names as `Request.tools` has them.
    `include_usage` asks for the usage of a stream. `max_tool_calls` limits the calls of
    built-in tools. `reasoning_effort` and `service_tier` are put in place of what is asked
    for, where the API has them; `n` is the most answers. `note` is said to the model at the
    end of the conversation, where there is one.
    """

    model: str | None = None
    name: str | None = None
    max_output_tokens: int | None = None
    limit_field: str | None = None
    drop_tools: frozenset[str] = frozenset()
    include_usage: bool = False
    max_tool_calls: int | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    n: int | None = None
    note: str | None = None


class ErrorWords(msgspec.Struct, frozen=True):
    """What a refusal is called: in OpenAI's APIs by type and code, in Anthropic's by type."""

    openai_type: str
    code: str
    anthropic_type: str


class ErrorBody(Protocol):
    """Writes a refusal."""

    def __call__(
        self,
        words: ErrorWords,
        message: str,
        *,
        param: str | None,
        budget: Mapping[str, str | int | None],
    ) -> bytes:
        """The JSON of a refusal. `budget` says to programs what `message` says to people."""
        ...


@dataclass(frozen=True, slots=True)
class FormRules:
    """How calls come as forms with files.

    read: a call from what was read of its form, or Refused, as `Dialect.read_request`.
    needs: fields without which nobody can tell its price: a form is read on until they are there.
    late: parts that may follow when the call has left already, since none changes its price.
    """

    read: Callable[[Form], Request]
    needs: frozenset[str]
    late: frozenset[str] = frozenset()


def as_it_is(request: Request, model: str) -> Request:
    """For the APIs where no name of a model asks for a tool."""
    return request


def no_sound(media_type: str) -> Relayed | None:
    """For the APIs whose answers are never sound."""
    return None


@dataclass(frozen=True, slots=True)
class Dialect:
    """One LLM API. Its functions do no input or output.

    name: what logs and metrics call it.
    cached_in_input: whether its usage counts cached tokens as input tokens.
    read_request: a call, or Refused: INVALID_REQUEST, whose message quotes nothing of it.
    prompt_of: all that is billed as input.
    apply: the body with changes made, the very same bytes if there are none.
        Refused: TOOL_DENIED when a tool is to go that the call forces.
    read_answer: a whole answer; never fails, an unreadable one is merely not complete.
    new_reader: reads the events of a stream of `n` answers.
    limit_field: where an output limit is written; None where that depends on the model.
    form: how its calls come as forms; None where they are JSON alone.
    asked_of: the call as a model of this name takes it, which may use tools by itself.
    new_sound: reads an answer along that is sound of a media type, None for another type.
    ends_streams: whether a stream of it can be ended where its budget ends.
    """

    name: str
    cached_in_input: bool
    limit_field: str | None
    read_request: Callable[[bytes], Request]
    prompt_of: Callable[[Request], Prompt]
    apply: Callable[[Request, Changes], bytes]
    read_answer: Callable[[bytes], Answer]
    new_reader: Callable[[int], EventReader]
    error_body: ErrorBody
    form: FormRules | None = None
    asked_of: Callable[[Request, str], Request] = as_it_is
    new_sound: Callable[[str], Relayed | None] = no_sound
    ends_streams: bool = False
