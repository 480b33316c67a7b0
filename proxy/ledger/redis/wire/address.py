"""Where a store is, as people write it.

    redis://user:password@host:6379/0             one server
    rediss://host:6380/0?ssl_ca_certs=/ca.pem     the same over TLS
    unix:///run/redis.sock?db=0                   a socket on this machine
    redis+sentinel://h1:26379,h2:26379/name/0     the master that these sentinels call `name`
    redis+cluster://h1:7000,h2:7001               the cluster that these nodes belong to

`rediss+sentinel://` and `rediss+cluster://` are the last two over TLS. What a message says
of an address never holds a piece of it that could be a piece of its password.

Options, after `?` and with `&` in between:

    db                                      the database, where the path does not name it
    ssl_ca_certs                            PEM: who vouches for the servers, if not the system
    ssl_certfile, ssl_keyfile               PEM: who we are, where servers ask; one file may be both
    ssl_password                            what the key is encrypted with
    sentinel_username, sentinel_password    for sentinels that have a password of their own

Source: https://www.iana.org/assignments/uri-schemes/prov/redis, for redis and rediss; the
others, and the options, follow the words of redis-py.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple, NoReturn
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_DATABASE_MAX: Final = 2**31 - 1
_TLS_OPTIONS: Final = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_password"})
_NEEDED: Final = MappingProxyType(
    {
        "ssl_keyfile": "ssl_certfile",
        "ssl_password": "ssl_certfile",
        "sentinel_username": "sentinel_password",
    }
)
_SENTINEL_OPTIONS: Final = frozenset({"sentinel_username", "sentinel_password"})


class AddressError(ValueError):
    """This is not the address of a store. The text says what is accepted."""


class Endpoint(NamedTuple):
    """A TCP port; with port 0, the path of a unix socket."""

    host: str
    port: int

    def __str__(self) -> str:
        if self.port == 0:
            return self.host
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Kind(Enum):
    """What answers at the endpoints."""

    SERVER = "server"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


_KINDS: Final = MappingProxyType(
    {
        "redis": (Kind.SERVER, False),
        "rediss": (Kind.SERVER, True),
        "unix": (Kind.SERVER, False),
        "redis+sentinel": (Kind.SENTINEL, False),
        "rediss+sentinel": (Kind.SENTINEL, True),
        "redis+cluster": (Kind.CLUSTER, False),
        "rediss+cluster": (Kind.CLUSTER, True),
    }
)
SCHEMES: Final = tuple(_KINDS)


@dataclass(frozen=True, slots=True)
class Address:
    """A store: its endpoints, and what to say on arrival.

    `master_name` is set for sentinels only, and `sentinel_password` for those with one of
    their own. `tls` is None without TLS.
    """

    kind: Kind
    endpoints: tuple[Endpoint, ...]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    master_name: str | None = None
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """For messages: the endpoints."""
        return ", ".join(map(str, self.endpoints))


def parse(url: str) -> Address:
    """The address that a URL means.

    Raises:
        AddressError: it means none, or its certificates cannot be read.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise AddressError("the address of the store is not a URL") from None
    if parts.scheme not in _KINDS:
        _refuse(f"the address of a store begins with one of: {', '.join(SCHEMES)}")
    kind, has_tls = _KINDS[parts.scheme]
    userinfo, _, hosts = parts.netloc.rpartition("@")
    if parts.fragment or "@" in parts.path or "@" in parts.query:
        _refuse("write @ / ? # % in a user name or a password as %40 %2F %3F %23 %25")
    options = _options(parts, kind, has_tls=has_tls)
    username, password = _credentials(userinfo)
    path = [unquote(step) for step in parts.path.split("/")[1:] if step]
    endpoints: tuple[Endpoint, ...]
    if parts.scheme == "unix":
        endpoints, path = (_socket(hosts, unquote(parts.path)),), []
    else:
        port = _SENTINEL_PORT if kind is Kind.SENTINEL else _PORT
        endpoints = tuple(_endpoint(host, port) for host in hosts.split(","))
    if len(endpoints) > 1 and kind is Kind.SERVER:
        _refuse(f"{parts.scheme}:// takes one host; sentinels and clusters have schemes of theirs")
    return Address(
        kind=kind,
        endpoints=endpoints,
        username=username,
        password=password,
        master_name=_master_name(path) if kind is Kind.SENTINEL else None,
        database=_database(kind, path, options),
        sentinel_username=options.get("sentinel_username"),
        sentinel_password=options.get("sentinel_password"),
        tls=_context(options) if has_tls else None,
    )


def _refuse(why: str) -> NoReturn:
    raise AddressError(why)


def _options(parts: SplitResult, kind: Kind, *, has_tls: bool) -> dict[str, str]:
    accepted = {"db"}
    if has_tls:
        accepted |= _TLS_OPTIONS
    if kind is Kind.SENTINEL:
        accepted |= _SENTINEL_OPTIONS
    # A plus is a plus, as before the @: many passwords have one.
    pairs = parse_qsl(parts.query.replace("+", "%2B"), keep_blank_values=True)
    options = dict(pairs)
    if len(options) < len(pairs):
        _refuse("an option stands twice in the address of the store")
    if unknown := options.keys() - accepted:
        _refuse(
            f"{parts.scheme}:// has no option {', '.join(sorted(unknown))}; "
            f"it has: {', '.join(sorted(accepted))}"
        )
    if empty := [name for name, value in options.items() if not value]:
        _refuse(f"{', '.join(sorted(empty))} in the address of the store: nothing follows the =")
    for name, needed in _NEEDED.items():
        if name in options and needed not in options:
            _refuse(f"{name} in the address of the store is of no use without {needed}")
    return options


def _credentials(userinfo: str) -> tuple[str | None, str | None]:
    username, _, password = userinfo.partition(":")
    if username and not password:
        _refuse("the address of the store has a user without a password")
    return unquote(username) or None, unquote(password) or None


def _socket(hosts: str, path: str) -> Endpoint:
    if hosts or path.strip("/") == "":
        _refuse("unix:// is followed by an absolute path: unix:///run/redis.sock")
    return Endpoint(path, 0)


def _endpoint(text: str, default_port: int) -> Endpoint:
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(default_port)
    is_bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if is_bracketed else host
    if not host or (":" in host and not is_bracketed):
        _refuse("a host is missing in the address of the store, or an IPv6 one lacks its [ ]")
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65_536):
        _refuse("a port in the address of the store is not a number from 1 to 65535")
    return Endpoint(host, int(port))


def _master_name(path: list[str]) -> str:
    if not path:
        _refuse("the name of the master is missing: redis+sentinel://host:26379/name/0")
    return path.pop(0)


def _database(kind: Kind, path: list[str], options: dict[str, str]) -> int:
    named = [*path, *([options["db"]] if "db" in options else [])]
    if len(named) > 1:
        _refuse("the address of the store names more than one database")
    text = named[0] if named else "0"
    if not (text.isascii() and text.isdecimal() and int(text) <= _DATABASE_MAX):
        _refuse("the database in the address of the store is not a number")
    if int(text) and kind is Kind.CLUSTER:
        _refuse("a cluster has only database 0")
    return int(text)


def _context(options: Mapping[str, str]) -> ssl.SSLContext:
    ca_path = options.get("ssl_ca_certs")
    try:
        context = ssl.create_default_context(cafile=ca_path)
    except (OSError, ssl.SSLError):
        raise AddressError(f"ssl_ca_certs: no certificates can be read from {ca_path}") from None
    if "ssl_certfile" in options:
        _identify(context, options)
    return context


def _identify(context: ssl.SSLContext, options: Mapping[str, str]) -> None:
    """Let servers that ask know who we are."""
    chain_path = options["ssl_certfile"]
    key_path = options.get("ssl_keyfile", chain_path)
    try:
        # Without any password a key that has one would be asked for on the terminal.
        context.load_cert_chain(chain_path, key_path, options.get("ssl_password", ""))
    except (OSError, ValueError):
        raise AddressError(
            f"ssl_certfile: no certificate can be read from {chain_path} with its key from "
            f"{key_path}; they have to belong together, and an encrypted key needs ssl_password"
        ) from None
