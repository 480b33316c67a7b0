"""What is valid and still not what anybody meant. Looks at the whole, not at one key."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

from pricing.override import lint
from pricing.profile import reviewed_profiles
from proxy.config.convert import policies
from proxy.config.findings import Finding, Path
from proxy.config.model import Config
from proxy.config.outward import (
    doubtful_azure,
    doubtful_stand_ins,
    idle_upstreams,
    is_this_machine,
    loops,
    unreadable_key_files,
    unusable_pem_files,
    unusable_stand_ins,
)
from proxy.config.reach import CALL_UNITS, bases, overlaps, unreachable, ways_out
from proxy.config.sections.ledger import is_elsewhere
from proxy.config.sections.upstreams import KeyMode
from proxy.dialects.unmetered import billed_by


def errors(config: Config) -> list[Finding]:
    """Findings that a proxy must not start with."""
    found = (
        *loops(config),
        *unusable_pem_files(config),
        *unusable_stand_ins(config),
        *_tokenizers(config),
        *_declared_elsewhere(config),
        *_holes(config),
        *_counts(config),
    )
    return _located(config, found)


def warnings(config: Config) -> list[Finding]:
    """Findings that a proxy may start with, and that somebody should read."""
    found = (
        *_credentials(config),
        *unreadable_key_files(config),
        *doubtful_azure(config),
        *doubtful_stand_ins(config),
        *idle_upstreams(config),
        *_open_doors(config),
        *_keys(config),
        *_budgets(config),
        *unreachable(config),
        *ways_out(config),
        *overlaps(config),
        *_prices(config),
        *_tools(config),
    )
    return _located(config, (replace(finding, severity="warning") for finding in found))


def _located(config: Config, findings: Iterable[Finding]) -> list[Finding]:
    origin = config.origin
    return [
        replace(finding, file=origin.file, line=origin.line_of(finding.path))
        for finding in findings
    ]


def _declared_elsewhere(config: Config) -> Iterator[Finding]:
    """What would have no effect with a ledger that is not ours."""
    if not is_elsewhere(config.ledger.url):
        return
    if config.dedupe.window_ms:
        yield Finding(
            ("dedupe", "window_ms"),
            "not supported with the authority at ledger.url, which does not say whether a hold "
            "is the first under its key",
            "0",
        )
    if config.budgets:
        yield Finding(("budgets",), "made at the authority at ledger.url, not here: none")
    for number, tool in enumerate(config.tools):
        if tool.max_calls_per_run is not None:
            problem = "not supported with the authority at ledger.url, which does not count calls"
            yield Finding(("tools", number, "max_calls_per_run"), problem)
    for path, _ in _paced(config):
        problem = "not supported with the authority at ledger.url, which does not count calls"
        yield Finding((*path, "caps"), problem, "neither max_steps_remaining nor cooldown_ms")


def _counts(config: Config) -> Iterator[Finding]:
    """Counts of calls that two policies would share."""
    first: dict[str, Path] = {}
    for path, name in _paced(config):
        if first.setdefault(name.lower(), path) != path:
            problem = (
                f"the name {name!r} counts calls twice: give policies with max_steps_remaining "
            )
            yield Finding(path, problem + "or cooldown_ms names of their own")


def _paced(config: Config) -> Iterator[tuple[Path, str]]:
    """Where policies limit how many calls come or how fast, and what their counts are called."""
    for number, (policy, stated) in enumerate(zip(config.policies, policies(config), strict=True)):
        for place, band in enumerate(stated.bands):
            if band.steps is not None:
                inner: Path = () if policy.bands is None else ("bands", place)
                yield ("policies", number, *inner), band.steps


def _holes(config: Config) -> Iterator[Finding]:
    """What would let pass what costs money: a hole in every budget."""
    for number, pattern in enumerate(config.passthrough):
        billed = billed_by(pattern)
        if billed is not None:
            yield Finding(("passthrough", number), f"lets pass what costs money: {billed}")


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


def _tools(config: Config) -> Iterator[Finding]:
    """Entries that change nothing: another one is about the same tools, or nothing counts."""
    names = [tool.name for tool in config.tools]
    for number, tool in enumerate(config.tools):
        before = next(
            (n for n, each in enumerate(names[:number]) if fnmatchcase(tool.name, each)), None
        )
        if before is not None:
            yield Finding(
                ("tools", number, "name"), f"entry [{before}] goes before, and matches too"
            )
        is_counted = any(budget.unit == "RISK_POINTS" for budget in config.budgets)
        if tool.risk_points and not is_counted and not is_elsewhere(config.ledger.url):
            yield Finding(("tools", number, "risk_points"), "no budget is in RISK_POINTS")


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
    loopback = is_this_machine(address.host) and address.host not in ("0.0.0.0", "::")  # noqa: S104
    if not loopback and not config.identity.require_key:
        problem = f"{address} is open to other machines, and identity.require_key is false"
        yield Finding(("listen", "proxy"), problem)


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
    elif not any(base.has_tenant for base in bases(config)):
        yield Finding(("identity", "default"), "without a tenant: every call is refused")


def _budgets(config: Config) -> Iterator[Finding]:
    pays = any(budget.unit in CALL_UNITS for budget in config.budgets)
    if not pays and not is_elsewhere(config.ledger.url):
        none = "none in US dollars or tokens" if config.budgets else "none"
        yield Finding(("budgets",), f"{none}: every call that costs anything is refused")
    longest_ms = max(upstream.response_timeout_ms for upstream in config.upstreams)
    for number, budget in enumerate(config.budgets):
        is_drawn = budget.unit == "RISK_POINTS" and any(tool.risk_points for tool in config.tools)
        if budget.unit in ("CREDITS", "RISK_POINTS") and not config.keys and not is_drawn:
            problem = "limits no call: calls are held in US dollars and in tokens, and in "
            problem += "RISK_POINTS for tools that have some (tools); clients of the authority "
            problem += "reserve in it, and need a key (keys)"
            yield Finding(("budgets", number, "unit"), problem)
        if budget.rolling is not None and budget.rolling < longest_ms:
            yield Finding(
                ("budgets", number, "rolling"),
                "shorter than a call may take (upstreams[].response_timeout_ms)",
            )
        if budget.per is not None and budget.idle_ttl is None:
            yield Finding(
                ("budgets", number, "per"),
                "without idle_ttl: runs pile up until templates_max, and then each new one "
                "is refused",
            )
