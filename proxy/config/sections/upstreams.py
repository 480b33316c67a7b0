"""Where calls go: the LLM APIs, with what credential, and how long each may take."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from proxy.config.sections.base import Accepts, Section, invalid, later, unique
from proxy.config.sections.outward import (
    ApiVersion,
    Command,
    Deployments,
    FileName,
    PemFile,
    ProxyUrl,
)
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
    """Its address, with the version in the path where the API has one, whatever stands before
    it: `https://openrouter.ai/api/v1`, `https://NAME.openai.azure.com/openai`."""

    api_key: (
        Annotated[
            Credential,
            Accepts(
                "the secret itself, best as ${NAME}; passthrough; or none", '"${OPENAI_API_KEY:-}"'
            ),
        ]
        | None
    ) = None
    """The credential sent upstream, in place of the caller's. `passthrough` sends on what the
    caller brought; `none` is for local servers that ask for no key. Left empty, the proxy
    starts with a warning and answers calls with 503. One of `api_key`, `api_key_file` and
    `api_key_command` has to be given, and no two of them."""

    api_key_file: FileName | None = None
    """A file with the credential and nothing else. It is read again when it has changed, so a
    secret can be replaced while the proxy runs; while it cannot be read, the last one stays."""

    api_key_command: Command | None = None
    """A program that writes the credential to its standard output, and nothing else. It may take
    as long as `connect_timeout_ms`; calls that need it meanwhile wait for the same run. When it
    fails they get 503 with its exit status. What it writes is kept in memory alone."""

    api_key_ttl_ms: int = Field(default=300_000, ge=1_000, le=86_400_000)
    """How long the word of `api_key_command` holds. An upstream that answers 401 ends it sooner."""

    api: Annotated[Literal["openai", "anthropic", "azure"], later("gemini")] = "openai"
    """The API it speaks. `anthropic` gets its key as `x-api-key`, and `anthropic-version` with
    calls that name none. `azure` gets it as `api-key`, or a token of Entra ID as bearer token, and
    calls go to its deployments; with a `base_url` that ends with `/openai/v1`, to its newer API
    without dated versions. The prices are those of its address, or else of this API's maker; those
    of `azure` are OpenAI's for global deployments, see `price_multiplier` for others."""

    deployments: Deployments = Field(default_factory=dict)
    """For `azure`: its deployments, each with the model that it is of. Calls may name either; a
    call for a model goes to its first deployment here. A deployment that is not listed is taken
    for the model it is called after. Where some are listed, no other model stands in for one."""

    api_version: ApiVersion | None = None
    """For `azure`: the `api-version` of calls that name none, as those of plain OpenAI clients."""

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

    http_proxy: ProxyUrl | None = None
    """An HTTP proxy on the way there: a tunnel (CONNECT) to an `https` address, requests with the
    whole address to an `http` one. Variables such as HTTPS_PROXY and NO_PROXY are not read."""

    ca_file: PemFile | None = None
    """The certificate authorities to trust at this address, in place of the system's. Nothing
    turns the check off. PEM files are read at start and on SIGHUP."""

    client_cert_file: PemFile | None = None
    """The certificate that the proxy shows there (mutual TLS), with what leads to its root."""

    client_key_file: PemFile | None = None
    """The key of `client_cert_file`, not encrypted; by default it stands in the same file."""

    max_connections: int | None = Field(default=None, ge=1, le=100_000, examples=[100])
    """How many connections there may be to it; by default `limits.max_connections`. A call that
    finds none free waits for up to `connect_timeout_ms`; then it gets 503, and its hold goes
    back."""

    connect_timeout_ms: int = Field(default=10_000, ge=1, le=600_000)
    """How long to wait for a connection. The call has not left then: its hold goes back."""

    response_timeout_ms: int = Field(default=600_000, ge=1, le=86_400_000)
    """How long to wait for a status. The call has left then: its hold becomes uncertain."""

    idle_timeout_ms: int = Field(default=300_000, ge=1, le=86_400_000)
    """How long an answer may fall silent before it counts as broken off."""

    websockets: bool = False
    """Whether callers may make responses over a WebSocket (`GET /v1/responses`), for which one
    is opened to this upstream: switch it on where the upstream takes them, as OpenAI does. Off,
    such callers are told to use HTTP (426), as Codex then does."""

    retries: RetriesConfig = RetriesConfig()

    fallback: Annotated[tuple[Name, ...], AfterValidator(unique())] = Field(
        default=(), examples=['["openrouter"]']
    )
    """Other upstreams of this list, by name, that are asked one after the other when this one
    failed and was asked as often as `retries` allow. They serve the same model, held and charged
    at their own prices, whatever their `models` are; a call that they have no price for goes to
    the next. What they name as their own `fallback` does not count."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        sources = ("api_key", "api_key_file", "api_key_command")
        given = [source for source in sources if getattr(self, source) is not None]
        if not given:
            raise invalid("missing, and there is no other key either", at=("api_key",))
        if len(given) > 1:
            raise invalid(f"beside {given[0]}: the key comes from one place", at=(given[1],))
        if "api_key_ttl_ms" in self.model_fields_set and self.api_key_command is None:
            raise invalid("without effect: there is no api_key_command", at=("api_key_ttl_ms",))
        for key in ("deployments", "api_version"):
            if getattr(self, key) and self.api != "azure":
                raise invalid("without effect: it is for api: azure", at=(key,))
        if self.client_key_file is not None and self.client_cert_file is None:
            raise invalid("without effect: client_cert_file is missing", at=("client_key_file",))
        if self.websockets and not (self.api == "openai" or (self.api == "azure" and self.is_v1)):
            raise invalid("not spoken there: Responses are an API of OpenAI's", at=("websockets",))
        for key in self.pem_files:
            if not self.base_url.startswith("https:"):
                raise invalid("without effect: base_url is not https://", at=(key,))
        return self

    @property
    def is_v1(self) -> bool:
        """Whether it is Azure's newer API, which has no deployments in its paths."""
        return self.base_url.endswith("/v1")

    @property
    def pem_files(self) -> tuple[str, ...]:
        """The keys that name files of TLS."""
        keys = ("ca_file", "client_cert_file", "client_key_file")
        return tuple(key for key in keys if getattr(self, key) is not None)

    @property
    def key_mode(self) -> KeyMode:
        """What kind of credential goes there."""
        if self.api_key is None:
            return KeyMode.SECRET
        secret = self.api_key.get_secret_value()
        if not secret:
            return KeyMode.MISSING
        if secret in (KeyMode.PASSTHROUGH, KeyMode.NONE):
            return KeyMode(secret)
        return KeyMode.SECRET
