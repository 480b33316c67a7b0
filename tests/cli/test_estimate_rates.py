"""The rates that `spendgate estimate` shows are those that the hold was made of."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from proxy.cli.estimate.taken import taken
from proxy.domain.money import Unit
from tests.cli.commands import run, write_config
from tests.cli.estimates import forecast_of, load_once, loaded, written

__all__ = ["load_once", "loaded"]

IMAGE = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n": 3},
        {"service_tier": "priority"},
        {"service_tier": "flex", "model": "gpt-5", "max_tokens": None},
        {"messages": [{"role": "user", "content": [IMAGE]}]},
        {"web_search_options": {}},
        {"model": "gpt-5.4", "max_tokens": None},
        {"model": "gpt-5.6-terra", "max_tokens": None},
    ],
)
def test_the_rates_that_are_shown_make_up_the_hold(tmp_path: Path, fields: dict[str, Any]) -> None:
    config_file = write_config(tmp_path)
    config_file.write_text(
        config_file.read_text().replace("api_key: none", "api_key: none, price_multiplier: 1.1")
    )
    way = forecast_of(config_file, written(tmp_path, **fields)).plan.ways[0]

    shown = taken(way)

    tokens = sum(Decimal(r.tokens * r.microcents_per_mtok) / 1_000_000 for r in shown.rates)
    total = (tokens + shown.fees_microcents) * Decimal("1.1")
    assert 0 <= way.rung[Unit.USD_MICROCENTS].want - total < 1, "rounded up once"
    assert shown.multiplier == Decimal("1.1")


def test_the_dearest_tier_that_may_be_billed_is_taken(config_file: Path, tmp_path: Path) -> None:
    body = written(tmp_path, service_tier="priority")

    shown = taken(forecast_of(config_file, body).plan.ways[0])

    assert (shown.service_tier, shown.tiers) == ("priority", ("priority", "standard"))


def test_input_above_the_edge_takes_the_price_above_it(tmp_path: Path) -> None:
    config_file = write_config(tmp_path)
    long = [{"role": "user", "content": "word " * 300_000}]
    body = written(tmp_path, model="gpt-5.4", max_tokens=None, messages=long)

    result = run("estimate", str(body), "-c", str(config_file))

    assert "Rates taken, tier standard, input above 272,000 tokens" in result.stdout
