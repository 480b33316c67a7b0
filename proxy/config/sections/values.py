"""How single values are written: amounts, times, scopes, names, addresses."""

import re
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from ipaddress import IPv6Address
from typing import Annotated, Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    PlainValidator,
    SecretStr,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)

from proxy.config.sections.base import Accepts, invalid
from proxy.dialects.path_pattern import METHODS, PathPattern, parse_path_pattern
from proxy.domain.money import INT64_MAX, MICROCENTS_PER_CENT, Microcents, Unit, parse_usd
from proxy.domain.scope import ScopePattern, encode_value, parse_pattern

_PORT_MAX: Final = 65_535
_HOST_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")


def _check_header_value(value: SecretStr) -> SecretStr:
    if not all(" " < c <= "~" for c in value.get_secret_value()):
        raise invalid("blanks, line ends or other characters that no HTTP header can carry")
    return value


Credential = Annotated[SecretStr, AfterValidator(_check_header_value)]
"""A secret that goes out in a header."""


def read_usd(value: object) -> Microcents:
    """Read an amount; an integer is microcents, so a small one is a mistake.

    Source: docs/semantics.md, "Budgets"; field-report 56.
    """
    if isinstance(value, Decimal) and value.is_finite():
        raise invalid(f'a number without a unit: write "${value:,.2f}"')
    if isinstance(value, int) and 0 <= value < MICROCENTS_PER_CENT:
        raise invalid(f'a bare number below one cent: write "${value:,}.00"')
    if not isinstance(value, int | str):
        raise invalid('not an amount of money: write "$10.00"')
    try:
        amount = parse_usd(value) if isinstance(value, str) else Microcents(value)
    except ValueError as error:
        raise invalid(str(error)) from None
    if amount < 0:
        raise invalid("negative")
    return amount


Usd = Annotated[
    Microcents,
    PlainValidator(read_usd),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": MICROCENTS_PER_CENT}]}
    ),
    Accepts(
        f'money: "$1.00", "1.00 USD", or microcents as a whole number from {MICROCENTS_PER_CENT:,}',
        "$10.00",
    ),
]
"""An amount in microcents, never negative."""


def _read_amount(value: object, info: ValidationInfo) -> int:
    """Read an amount of the unit that stands before it in the section."""
    unit = (info.data or {}).get("unit")
    if unit == Unit.USD_MICROCENTS or (unit is None and not isinstance(value, int)):
        return read_usd(value)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if not isinstance(value, int):
        raise invalid(f"not a whole number, which an amount of {unit or 'another unit'} is")
    if not 0 <= value <= INT64_MAX:
        raise invalid("negative" if value < 0 else f"beyond the largest amount, {INT64_MAX:,}")
    return value


Amount = Annotated[
    int,
    PlainValidator(_read_amount),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0}]}),
    Accepts(
        'money: "$1.00", "1.00 USD", or microcents as a whole number from '
        f"{MICROCENTS_PER_CENT:,}; with another unit a whole number",
        "$10.00",
    ),
]
"""An amount in the unit of its section, never negative."""

_MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * _MINUTE_MS
_DURATION_UNITS_MS: Final = {"m": _MINUTE_MS, "h": 60 * _MINUTE_MS, "d": DAY_MS}
_LONGEST_DAYS: Final = 366


def read_duration(value: object) -> int:
    """Read `30m`, `24h` or `7d`, from a minute up to 366 days, as milliseconds."""
    written = re.fullmatch(r"([0-9]{1,6})([mhd])", value) if isinstance(value, str) else None
    if written is None:
        raise invalid("not a duration")
    duration_ms = int(written[1]) * _DURATION_UNITS_MS[written[2]]
    if not _MINUTE_MS <= duration_ms <= _LONGEST_DAYS * DAY_MS:
        raise invalid("out of range")
    return duration_ms


Duration = Annotated[
    int,
    PlainValidator(read_duration),
    WithJsonSchema({"type": "string", "pattern": "^[0-9]{1,6}[mhd]$"}),
    Accepts(f"minutes, hours or days, as 30m, 24h or 7d, from 1m up to {_LONGEST_DAYS}d", "24h"),
]
"""A span of time in milliseconds."""

_OF_A_MACHINE: Final = frozenset({"localtime", "Factory"})
"""Zones that mean something else on each machine, or nothing."""


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones()) - _OF_A_MACHINE


def _check_timezone(value: str) -> str:
    if value == "UTC" or value in _timezones():
        return value
    by_lower = {name.lower(): name for name in _timezones()}
    near = get_close_matches(value.lower(), by_lower, n=1)
    raise invalid(f'unknown; did you mean "{by_lower[near[0]]}"?' if near else "unknown")


Timezone = Annotated[
    str,
    AfterValidator(_check_timezone),
    Accepts("the name of a time zone in the IANA database, or UTC", "Europe/Berlin"),
]
"""Where a calendar is read."""


def _read_budget_scope(value: object) -> ScopePattern:
    return _read_scope(value, subtree=False)


def _read_policy_scope(value: object) -> ScopePattern:
    return _read_scope(value, subtree=True)


def _read_scope(value: object, *, subtree: bool) -> ScopePattern:
    if not isinstance(value, str):
        raise invalid("not text")
    try:
        return parse_pattern(value, subtree=subtree)
    except ValueError as error:
        raise invalid(str(error)) from None


BudgetScope = Annotated[
    ScopePattern,
    PlainValidator(_read_budget_scope),
    WithJsonSchema({"type": "string"}),
    Accepts(
        'a scope, as level:value/level:value, or a template, in which "*" is any value and '
        '"/**/" any levels or none',
        '"tenant:dev/agent:*"',
    ),
]
"""One scope, or a template for many."""

PolicyScope = Annotated[
    ScopePattern,
    PlainValidator(_read_policy_scope),
    WithJsonSchema({"type": "string"}),
    Accepts(
        'a scope, a template, in which "*" is any value and "/**/" any levels or none, or with '
        '"/*" at the end a scope and all below it; "*" alone is every scope',
        '"tenant:dev/*"',
    ),
]
"""One scope, many, or a whole tree of them."""


def _check_level(value: str) -> str:
    if encode_value(value) != value.lower():
        raise invalid("cannot stand in a scope as it is written")
    return value


LevelValue = Annotated[
    str,
    AfterValidator(_check_level),
    Accepts("1 to 128 characters of A-Z a-z 0-9 _ . -, not starting with enc-", "dev"),
]
"""The value of one level of a subject; scopes carry it in lower case."""

Name = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"),
    Accepts("1 to 64 characters of A-Z a-z 0-9 _ -", "main"),
]
"""What people call a thing in logs and headers."""

ModelName = Annotated[
    str,
    StringConstraints(pattern=r"^[^\s*?\[\]\x00-\x1f]{1,256}$"),
    Accepts("the name of one model", "gpt-4o-mini"),
]
"""A model, exactly."""

ModelGlob = Annotated[
    str,
    StringConstraints(pattern=r"^[^\s\[\]\x00-\x1f]{1,256}$"),
    Accepts('a model name, in which "*" stands for any characters and "?" for one', '"gpt-4o*"'),
]
"""Models by name or by wildcard."""

ToolName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,128}$"),
    Accepts("the name of a function or custom tool, or a built-in's type", "web_search"),
]
"""A tool as caps name it."""

ImageKind = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_.-]{0,32}(/[A-Za-z0-9_.-]{1,32})?$"),
    Accepts('size/quality, a size alone, or "" for any image', "1024x1024/hd"),
]
"""An image as its price knows it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener is bound. Port 0 lets the system choose one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _read_address(value: object) -> Address:
    if not isinstance(value, str):
        raise invalid("not host:port")
    host, colon, digits = value.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    if not colon or not host or (":" in host and not bracketed):
        raise invalid("not host:port")
    if not (digits.isascii() and digits.isdigit()) or int(digits) > _PORT_MAX:
        raise invalid(f"the port is not a number from 0 to {_PORT_MAX:,}")
    return Address(host[1:-1] if bracketed else host, int(digits))


ListenAddress = Annotated[
    Address,
    PlainValidator(_read_address),
    WithJsonSchema({"type": "string", "pattern": ":[0-9]{1,5}$"}),
    Accepts('host:port, IPv6 as "[::1]:7676"; port 0 lets the system choose', "127.0.0.1:7676"),
]
"""Where to listen."""


def _check_host(value: str) -> str:
    host = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    if not (_HOST_NAME.fullmatch(host) or _is_ipv6(host)):
        raise invalid("not a host name or an address (without a port)")
    return host.lower()


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True


HostName = Annotated[
    str,
    AfterValidator(_check_host),
    Accepts("a host name or an IP address, without a port", "localhost"),
]
"""A value of the Host header, without its port, in lower case."""


def _check_origin(value: str) -> str:
    origin = value.lower()
    parts = urlsplit(origin)
    known = parts.scheme in ("http", "https") and parts.hostname is not None
    if not known or f"{parts.scheme}://{parts.netloc}" != origin:
        raise invalid("not an origin")
    return origin


Origin = Annotated[
    str,
    AfterValidator(_check_origin),
    Accepts(
        "an origin: scheme://host, with :port where it is not the usual one", "https://app.example"
    ),
]
"""A value of the Origin header, in lower case."""


def _check_base_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or any(c.isspace() or c == "\\" for c in value):
        raise invalid("not an http:// or https:// address")
    if "@" in parts.netloc:
        raise invalid("a user or password in the address: use api_key")
    if "?" in value or "#" in value:
        raise invalid("a query or fragment, which a base address cannot have")
    return value.rstrip("/")


BaseUrl = Annotated[
    str,
    AfterValidator(_check_base_url),
    Accepts(
        "an http:// or https:// address without user, query or fragment",
        "https://api.openai.com/v1",
    ),
]
"""The address that paths such as /chat/completions are added to; no slash at its end."""


def _read_free_path(value: object) -> PathPattern:
    if not isinstance(value, str):
        raise invalid("not a method and a path")
    try:
        pattern = parse_path_pattern(value)
    except ValueError as error:
        raise invalid(str(error)) from None
    if not pattern.path.startswith("/v1/"):
        raise invalid("not below /v1/, where all paths of APIs are")
    return pattern


FreePath = Annotated[
    PathPattern,
    PlainValidator(_read_free_path),
    WithJsonSchema({"type": "string", "pattern": f"^({'|'.join(METHODS)}) /v1/"}),
    Accepts(
        f"a method ({', '.join(METHODS)}), a blank, and a path below /v1/; * stands for any "
        "characters of one part of the path, at its end for all that follows",
        '"GET /v1/skills*"',
    ),
]
"""Requests that cost nothing, by method and path."""
