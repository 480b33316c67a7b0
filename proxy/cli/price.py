"""`spendgate price MODEL`: the rate card in use, and where it comes from."""

from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from proxy.cli.configured import config_option, read_config
from proxy.cli.output import counted, json_option, new_table, open_console, print_json, say_no

if TYPE_CHECKING:
    from pricing.card import RateLine
    from pricing.catalogue import Model
    from proxy.config.model import Config
    from proxy.gateway.routes import Route

_MAKERS: Final = ("openai", "anthropic")
"""Whose list prices are shown where no configuration names an upstream."""

_Fact = str | int | bool | list[str]
_Facts = dict[str, _Fact | None]


@click.command("price")
@click.argument("model")
@config_option
@json_option
def price_command(model: str, config_file: Path | None, as_json: bool) -> None:
    """Show what a model costs, and what is known of it.

    With a configuration, its overrides and its upstream count; without one, the list prices of
    OpenAI and Anthropic. A model without a price exits with 1 and similar names: its calls would
    be refused, never free.

    \b
    spendgate price gpt-4o
    spendgate price my-model -c config.yaml
    spendgate price gpt-4o --json
    """
    config = read_config(config_file) if config_file is not None else None
    found = _find(model, config)
    facts = _facts(found, config)
    if as_json:
        lines = [_line_object(line) for line in found.card.breakdown()]
        known = {name: value for name, value in facts.items() if value is not None}
        print_json({**known, "rates": lines})
    else:
        _show(found, facts)


def _find(name: str, config: "Config | None") -> "Model":
    from pricing.catalogue import Catalogue, UnknownModel
    from proxy.config.convert import price_overrides
    from proxy.domain.clock import SystemClock

    route = _route(name, config) if config is not None else None
    catalogue = Catalogue(price_overrides(config) if config is not None else ())
    now_ms = SystemClock().now_ms()
    missing = []
    for provider in _MAKERS if route is None else (route.provider,):
        try:
            return catalogue.model(name, provider=provider, from_ms=now_ms, until_ms=now_ms)
        except UnknownModel as unknown:
            missing.append(unknown)
    at = f" at upstream {route.name!r} ({route.api})" if route is not None else ""
    why = f" ({missing[0].why})" if missing[0].why else ""
    names = dict.fromkeys(near for unknown in missing for near in unknown.near)
    near = f" Did you mean {', '.join(names)}?" if names else ""
    say_no(
        f"no price is known for {name!r}{at}{why}.{near} "
        "Price it under pricing.overrides, or mark it `free: true`."
    )


def _route(name: str, config: "Config") -> "Route":
    """The upstream that serves a model, or what says that none does."""
    from proxy.outgoing import routes_of

    route = routes_of(config).find(name)
    if route is None:
        say_no(f"no upstream serves {name!r}: none of upstreams[].models matches it")
    return route


def _multiplier(name: str, config: "Config") -> Decimal:
    route = _route(name, config)
    upstreams = (each for each in config.upstreams if each.name == route.name)
    return next(upstreams).price_multiplier


def _facts(model: "Model", config: "Config | None") -> _Facts:
    profile = model.profile
    tokenizer = profile.tokenizer
    multiplier = _multiplier(model.name, config) if config is not None else Decimal(1)
    capabilities: list[str] | None = None
    if profile.capabilities is not None:
        capabilities = sorted(profile.capabilities)
    return {
        "model": model.name,
        "source": model.card.source,
        "free": model.card.free or None,
        "price_multiplier": f"{multiplier:f}" if multiplier != 1 else None,
        "context_window": profile.context_window,
        "max_output_tokens": profile.max_output_tokens,
        "limit_field": profile.limit_field,
        "tokenizer": tokenizer.name,
        "token_counts": "exact" if tokenizer.exact else "an upper bound",
        "hidden_output": profile.hidden_output,
        "capabilities": capabilities,
    }


def _line_object(line: "RateLine") -> dict[str, object]:
    fields: dict[str, object] = {**asdict(line), "usd": f"{line.usd:f}"}
    if line.above_tokens < 0:
        del fields["above_tokens"]
    return fields


def _show(model: "Model", facts: _Facts) -> None:
    console = open_console()
    about = new_table("what", "value")
    about.show_header = False
    for name, value in facts.items():
        if value is not None:
            about.add_row(name.replace("_", " "), _words(value))
    console.print(about)
    console.print()
    if model.card.free:
        console.print("Every call is free; it is stopped by a frozen or closed budget only.")
        return
    rates = new_table("what", "tier", "input", ">USD", "per")
    for line in model.card.breakdown():
        above = "" if line.above_tokens < 0 else f"above {counted(line.above_tokens, 'token')}"
        rates.add_row(
            line.what.replace("_", " "), line.service_tier, above, _cents(line.usd), line.per
        )
    console.print(rates)


def _cents(usd: Decimal) -> str:
    """With two decimals at least, as prices are read."""
    whole, _, decimals = f"{usd:f}".partition(".")
    return f"{whole}.{decimals.ljust(2, '0')}"


def _words(value: _Fact) -> str:
    match value:
        case list():
            return ", ".join(value)
        case bool():
            return "yes" if value else "no"
        case int():
            return counted(value, "token")
        case _:
            return value
