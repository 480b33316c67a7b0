"""Where holds are kept, and how they end."""

from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from proxy.config.sections.base import Accepts, Refuses, Section, invalid
from proxy.config.sections.values import DAY_MS, Credential, Duration, Usd
from proxy.ledger.cycles import address as cycles
from proxy.ledger.redis.wire.address import SCHEMES, AddressError, parse

SQLITE: Final = "sqlite:///"
"""How the address of a SQLite ledger begins; the file follows."""


def is_store(url: str) -> bool:
    """Whether the ledger is in a store that several proxies share, not in a file of one."""
    return url.partition(":")[0] in SCHEMES


def is_elsewhere(url: str) -> bool:
    """Whether the ledger is an authority of the Cycles protocol, and we are its client."""
    return url.partition(":")[0] in cycles.SCHEMES


def sqlite_file(url: str) -> Path:
    """The file of a SQLite ledger; relative paths are the working directory's."""
    return Path(url.removeprefix(SQLITE))


def _check_ledger_url(value: str) -> str:
    if is_elsewhere(value):
        try:
            cycles.base_url(value)
        except cycles.AddressError as error:
            raise invalid(str(error)) from None
        return value
    if is_store(value):
        try:
            parse(value)
        except AddressError as error:
            raise invalid(str(error)) from None
        return value
    path = value.removeprefix(SQLITE)
    if path == value or not path.strip("/") or path.endswith("/"):
        raise invalid("not the address of a ledger")
    if path == ":memory:":
        raise invalid("a ledger in memory would forget what was spent")
    if "?" in path or "#" in path:
        raise invalid("options in the address are not accepted")
    return value


class LedgerConfig(Section):
    """Where holds and spend are kept."""

    url: Annotated[
        str,
        AfterValidator(_check_ledger_url),
        Accepts(
            "sqlite:///FILE, relative to the working directory, or sqlite:////ABSOLUTE/FILE; "
            "redis://USER:PASSWORD@HOST:6379/0, rediss:// for TLS, unix:///SOCKET, "
            "redis+sentinel://HOST:26379,HOST:26379/MASTER, redis+cluster://HOST:6379,HOST:6379; "
            "cycles+https://HOST:PORT or cycles+http://HOST:PORT, an authority that runs elsewhere",
            "sqlite:///spendgate.db",
        ),
        Field(repr=False),
    ] = "sqlite:///spendgate.db"
    """The ledger. One proxy at a time serves from one file; several share their budgets over a
    Redis or Valkey. Take a password from the environment: `redis://:${REDIS_PASSWORD}@redis`.
    With an authority of the Cycles protocol elsewhere, budgets are made there, not here."""

    api_key: Annotated[
        Credential | None,
        Accepts("a secret, best as ${NAME}", '"${CYCLES_API_KEY:-}"'),
    ] = None
    """The key for an authority elsewhere, with which it knows our tenant: `X-Cycles-API-Key`."""

    durability: Literal["process", "power"] = "process"
    """What a hold or a settled amount survives once it was answered. `process`: a crash or
    kill -9 of the proxy; a power cut may take the last moments. `power`: a power cut too; each
    answer waits until the disk has it. A Redis or Valkey decides this itself, by its
    `appendfsync`."""

    reservation_ttl_ms: int = Field(default=60_000, ge=1_000, le=3_600_000)
    """How long a hold outlives a proxy that died. A proxy that lives extends its holds."""

    replay_ms: int = Field(default=10_000, ge=1_000, le=600_000)
    """For how long a proxy remembers what it settled on a Redis or Valkey. After a failover it
    asks for that once more, since the new master may not have heard of it: so at least as long
    as a replica may be behind. Takes some 3 kB of memory a call."""

    config_version: int = Field(default=1, ge=1, le=1_000_000_000_000_000)
    """The version of `budgets` and `templates_max`. The ledger remembers the highest that it
    was given, and does not follow a lower one: so proxies that still have an old file do not
    undo what a new file changed. Raise it with each change that is rolled out to several."""

    retention: Duration | None = Field(default="90d", validate_default=True)
    """How long a settled call and its journal entries are kept, if a budget covered it. What
    they add up to stays. Null: for ever. At least a day."""

    journal_dir: Annotated[
        str,
        Field(min_length=1),
        Accepts("a directory, made when it is needed first", "spendgate.d"),
    ] = "spendgate.d"
    """Where settlements wait while the ledger cannot be reached. Several proxies may share it;
    each takes over what one that died has left, for the same ledger."""

    journal_max_bytes: int = Field(default=67_108_864, ge=65_536, le=68_719_476_736)
    """How much may wait there before new calls are refused. A settlement takes about 250 bytes;
    those of calls under way are still taken in."""

    when_unavailable: Literal["deny", "allow"] = "deny"
    """What to do with calls while the ledger cannot be reached. `deny`: they are refused with
    503. `allow`: they leave without a hold, whatever the budgets have left and whoever froze
    them, are written down in `journal_dir`, and are charged when the ledger is back."""

    @model_validator(mode="after")
    def _only_a_file_is_flushed_by_us(self) -> Self:
        if self.durability == "power" and is_store(self.url):
            raise invalid(
                "not ours to promise of a store: let it say appendfsync always", at=("durability",)
            )
        return self

    @model_validator(mode="after")
    def _only_a_store_fails_over(self) -> Self:
        if "replay_ms" in self.model_fields_set and not is_store(self.url):
            raise invalid(
                "without effect: a ledger in a file forgets nothing that was answered",
                at=("replay_ms",),
            )
        return self

    @model_validator(mode="after")
    def _only_an_authority_asks_for_a_key(self) -> Self:
        has_key = self.api_key is not None and bool(self.api_key.get_secret_value())
        if is_elsewhere(self.url) and not has_key:
            raise invalid("needed by the authority at ledger.url", at=("api_key",))
        if self.api_key is not None and not is_elsewhere(self.url):
            raise invalid("for an authority elsewhere: cycles+https://", at=("api_key",))
        return self

    @model_validator(mode="after")
    def _an_authority_keeps_its_own_house(self) -> Self:
        for key in ("durability", "config_version", "retention"):
            if is_elsewhere(self.url) and key in self.model_fields_set:
                raise invalid("without effect: the authority at ledger.url decides it", at=(key,))
        return self

    @field_validator("retention")
    @classmethod
    def _leaves_time_to_try_again(cls, value: int | None) -> int | None:
        if value is not None and value < DAY_MS:
            raise invalid("shorter than a day, in which callers may try again")
        return value


class SettleConfig(Section):
    """What is charged when an answer is not what it should be."""

    missing_usage: Literal["counted", "hold"] = "counted"
    """A whole answer without a usage report: charge what was counted, or the whole hold.
    Models with hidden output are always charged the hold."""

    on_disconnect: Literal["abort", "drain"] = "abort"
    """The caller of a stream has gone: close the upstream at once, or read on, so that the
    exact usage is known."""

    drain_ms: int = Field(default=10_000, ge=0, le=3_600_000)
    """How long to read on after the caller has gone. Answers that are no stream are always
    read on, as they cost the same."""

    drain_usd: Usd | None = None
    """The most a stream may cost while it is read on. Null: no limit but its hold."""

    uncertain: Literal["commit", "hold"] = "commit"
    """What happens to a hold whose outcome nobody knows, after `uncertain_after_ms`: it is
    charged in full, or it stays until an operator decides."""

    uncertain_after_ms: int = Field(default=900_000, ge=1_000, le=2_592_000_000)
    """How long a late answer or an operator may still decide."""

    overage: Annotated[
        Literal["ALLOW_IF_AVAILABLE", "ALLOW_WITH_OVERDRAFT"],
        Refuses({"REJECT": "not possible here: the money is spent when the bill is known"}),
    ] = "ALLOW_IF_AVAILABLE"
    """A call cost more than its hold: charge what the budgets still have, or take them into
    debt up to `overdraft_limit`. What cannot be charged is shown as uncovered."""
