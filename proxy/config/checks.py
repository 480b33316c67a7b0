"""What is valid and still not what anybody meant. Looks at the whole, not at one key."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from itertools import combinations
from typing import Final
from urllib.parse import urlsplit

from pricing.override import lint
from pricing.profile import reviewed_profiles
from proxy.config.findings import Finding, Path
from proxy.config.model import Config
from proxy.config.sections.network import KeyMode
from proxy.config.sections.values import Address
from proxy.domain.scope import ScopePattern
from proxy.domain.subject import LEVELS

_USUAL_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


def errors(config: Config) -> list[Finding]:
    """Findings that a proxy must not start with."""
    return _located(config, [*_loops(config), *_tokenizers(config)])


def warnings(config: Config) -> list[Finding]:
    """Findings that a proxy may start with, and that somebody should read."""
    found = (
        *_credentials(config),
        *_open_doors(config),
        *_keys(config),
        *_unreachable(config),
        *_ways_out(config),
        *_prices(config),
    )
    return _located(config, (replace(finding, severity="warning") for finding in found))


def _located(config: Config, findings: Iterable[Finding]) -> list[Finding]:
    origin = config.origin
    return [
        replace(finding, file=origin.file, line=origin.line_of(finding.path))
        for finding in findings
    ]


def _loops(config: Config) -> Iterator[Finding]:
    """Upstreams that are this proxy itself."""
    listeners = {"listen.proxy": config.listen.proxy, "listen.admin": config.listen.admin}
    for number, upstream in enumerate(config.upstreams):
        for name, listener in listeners.items():
            if _is_at(upstream.base_url, listener):
                problem = f"is {name} itself: calls would go round in a circle"
                yield Finding(("upstreams", number, "base_url"), problem)
    if config.listen.proxy == config.listen.admin and config.listen.proxy.port != 0:
        yield Finding(("listen", "admin"), "the same address as listen.proxy")


def _is_at(base_url: str, listener: Address) -> bool:
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if (parts.port or _USUAL_PORTS[parts.scheme]) != listener.port:
        return False
    return host == listener.host.lower() or (
        _is_this_machine(host) and _is_this_machine(listener.host)
    )


def _is_this_machine(host: str) -> bool:
    """Whether a host is a loopback address, or all addresses of the machine."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _tokenizers(config: Config) -> Iterator[Finding]:
    for number, override in enumerate(config.pricing.overrides):
        if override.tokenizer is not None:
            known = reviewed_profiles().tokenizers
            if override.tokenizer not in known:
                path: Path = ("pricing", "overrides", number, "tokenizer")
                yield Finding(path, "unknown", ", ".join(sorted(known)))


def _prices(config: Config) -> Iterator[Finding]:
    for number, override in enumerate(config.pricing.overrides):
        for problem in lint(override.stated):
            yield Finding(("pricing", "overrides", number), problem)


def _credentials(config: Config) -> Iterator[Finding]:
    for number, upstream in enumerate(config.upstreams):
        path: Path = ("upstreams", number, "api_key")
        match upstream.key_mode:
            case KeyMode.MISSING:
                variables = config.origin.variables.get(path, ())
                hint = f" (is {variables[0]} set?)" if variables else ""
                yield Finding(
                    path,
                    f"empty{hint}: calls will be refused with 503",
                    "a secret; passthrough; or none for a server that asks for no key",
                )
            case KeyMode.PASSTHROUGH if config.identity.require_key:
                yield Finding(
                    path, "passthrough, while callers must bring our keys, which never pass"
                )
            case KeyMode.PASSTHROUGH:
                yield Finding(
                    path, "passthrough: callers hold keys of their own, and may go around us"
                )


def _open_doors(config: Config) -> Iterator[Finding]:
    address = config.listen.proxy
    loopback = _is_this_machine(address.host) and address.host not in ("0.0.0.0", "::")  # noqa: S104
    if not loopback and not config.identity.require_key:
        problem = f"{address} is open to other machines, and identity.require_key is false"
        yield Finding(("listen", "proxy"), problem)


@dataclass(frozen=True, slots=True)
class _Base:
    """What is fixed of a subject before a call adds to it."""

    fixed: Mapping[str, str]
    accepts: frozenset[str]

    def reaches(self, pattern: ScopePattern) -> bool:
        """Whether some call has a scope that the pattern matches."""
        if pattern.text == "*":
            return True
        wanted = dict(
            segment.split(":", 1) for segment in pattern.text.removesuffix("/*").split("/")
        )
        for level in LEVELS[: LEVELS.index(list(wanted)[-1]) + 1]:
            value, fixed = wanted.get(level), self.fixed.get(level)
            if value is None and fixed is not None:
                return False
            if value is not None and fixed is None and level not in self.accepts:
                return False
            if value not in (None, "*") and fixed is not None and fixed != value:
                return False
        return True

    def leaves(self, template: ScopePattern, added: frozenset[str]) -> bool:
        """Whether a call that names just these levels has no scope of this template."""
        values = {**dict.fromkeys(added, "*"), **self.fixed}
        return not _Base(values, frozenset()).reaches(template)


def _bases(config: Config) -> Iterator[_Base]:
    """The default subject, and what each key makes of it; without keys that contradict it."""
    default = _lowered(config.identity.default.given())
    accepts = frozenset(config.identity.accept)
    if not config.identity.require_key:
        yield _Base(default, accepts - default.keys())
    for key in config.keys:
        subject = _lowered(key.subject.given())
        if all(default.get(level, value) == value for level, value in subject.items()):
            fixed = {**default, **subject}
            yield _Base(fixed, accepts - fixed.keys())


def _lowered(levels: Mapping[str, str]) -> dict[str, str]:
    return {level: value.lower() for level, value in levels.items()}


def _keys(config: Config) -> Iterator[Finding]:
    default = config.identity.default.given()
    for number, key in enumerate(config.keys):
        for level, value in key.subject.given().items():
            if default.get(level, value).lower() != value.lower():
                yield Finding(
                    ("keys", number, "subject", level),
                    f"not the {level} of identity.default: calls with this key are refused",
                )
    if config.identity.require_key and not config.keys:
        path: Path = ("identity", "require_key")
        yield Finding(path, "true, and there are no keys: every call is refused")
    elif not any({"tenant"} & (base.fixed.keys() | base.accepts) for base in _bases(config)):
        yield Finding(("identity", "default"), "without a tenant: every call is refused")


def _unreachable(config: Config) -> Iterator[Finding]:
    bases = list(_bases(config))
    if not config.budgets:
        yield Finding(("budgets",), "none: every call that costs anything is refused")
    lines = [
        *((("budgets", n, "scope"), b.scope) for n, b in enumerate(config.budgets)),
        *((("policies", n, "scope"), p.scope) for n, p in enumerate(config.policies)),
    ]
    for path, scope in lines:
        if bases and not any(base.reaches(scope) for base in bases):
            yield Finding(
                path,
                "no call can have this scope, as identity.default, identity.accept and keys stand",
            )


def _ways_out(config: Config) -> Iterator[Finding]:
    """Accepted levels with which a call leaves every template that would hold it without."""
    templates = [budget.scope for budget in config.budgets if budget.scope.is_template]
    for number, level in enumerate(config.identity.accept):
        if any(_leads_out(base, level, templates) for base in _bases(config)):
            yield Finding(
                ("identity", "accept", number),
                f"a call that names its {level} leaves every budget template: "
                f"add a template with {level} in it, or fix its {level}",
            )


def _leads_out(base: _Base, level: str, templates: list[ScopePattern]) -> bool:
    if level not in base.accepts:
        return False
    others = sorted(base.accepts - {level, "run"})
    return any(
        not all(base.leaves(template, frozenset(named)) for template in templates)
        and all(base.leaves(template, frozenset((*named, level))) for template in templates)
        for size in range(len(others) + 1)
        for named in combinations(others, size)
    )
