"""Where calls go: the LLM APIs, with what credential, and how long each may take."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from proxy.config.sections.base import Accepts, Section, later, unique
from proxy.config.sections.retries import RetriesConfig
from proxy.config.sections.values import BaseUrl, Credential, ModelGlob, Name


class KeyMode(StrEnum):
    """What goes upstream as credential."""

    SECRET = "secret"  # noqa: S105 - the name of a mode
    PASSTHROUGH = "passthrough"
    NONE = "none"
    MISSING = "missing"


class UpstreamConfig(Section):
    """One LLM API that calls are forwarded to."""

    name: Name
    """What logs and metrics call it."""

    base_url: BaseUrl
    """Its address, with the version in the path where the API has one."""

    api_key: Annotated[
        Credential,
        Accepts(
            "the secret itself, best as ${NAME}; passthrough; or none", '"${OPENAI_API_KEY:-}"'
        ),
    ]
    """The credential sent upstream, in place of the caller's. `passthrough` sends on what the
    caller brought; `none` is for local servers that ask for no key. Left empty, the proxy
    starts with a warning and answers calls with 503."""

    api: Annotated[Literal["openai", "anthropic"], later("azure", "gemini")] = "openai"
    """The API it speaks. `anthropic` gets its key as `x-api-key`, and `anthropic-version` with
    calls that name none; the prices of its address hold, or else those of this API's maker."""

    models: Annotated[tuple[ModelGlob, ...], Field(min_length=1), AfterValidator(unique())] = Field(
        default=("*",), examples=['["gpt-*", "o3*"]']
    )
    """The models it serves, by wildcard. Of several upstreams the first in the file that
    matches serves a model; a model that none matches is refused."""

    price_multiplier: Decimal = Field(default=Decimal(1), gt=0, le=100)
    """What this upstream charges, as an exact factor on the prices of the catalogue: 0.9 for
    a discount of ten percent, 1.1 for a surcharge."""

    service_tier: Literal["default", "flex", "priority"] = "default"
    """The tier that this upstream serves, and bills, when a call says `auto` or names none.
    With projects that are set to another tier than `default`, say so here, or holds may be
    too small."""

    connect_timeout_ms: int = Field(default=10_000, ge=1, le=600_000)
    """How long to wait for a connection. The call has not left then: its hold goes back."""

    response_timeout_ms: int = Field(default=600_000, ge=1, le=86_400_000)
    """How long to wait for a status. The call has left then: its hold becomes uncertain."""

    idle_timeout_ms: int = Field(default=300_000, ge=1, le=86_400_000)
    """How long an answer may fall silent before it counts as broken off."""

    retries: RetriesConfig = RetriesConfig()

    fallback: Annotated[tuple[Name, ...], AfterValidator(unique())] = Field(
        default=(), examples=['["openrouter"]']
    )
    """Other upstreams of this list, by name, that are asked one after the other when this one
    failed and was asked as often as `retries` allow. They serve the same model, held and charged
    at their own prices, whatever their `models` are; a call that they have no price for goes to
    the next. What they name as their own `fallback` does not count."""

    @property
    def key_mode(self) -> KeyMode:
        """What kind of credential `api_key` is."""
        secret = self.api_key.get_secret_value()
        if not secret:
            return KeyMode.MISSING
        if secret in (KeyMode.PASSTHROUGH, KeyMode.NONE):
            return KeyMode(secret)
        return KeyMode.SECRET
