"""`price` shows the rates in use, and never a zero for what nobody priced."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commands import answered, run, write_config

OVERRIDE = """
pricing:
  overrides:
    - {model: my-model, input_per_mtok: 0.15, output_per_mtok: 0.60, context_window: 8192}
    - {model: "local/*", free: true}
"""


def rates(card: dict[str, Any], tier: str = "standard") -> dict[str, str]:
    return {
        line["what"]: line["usd"]
        for line in card["rates"]
        if line["service_tier"] == tier and "above_tokens" not in line
    }


def test_a_listed_model_shows_its_rates_and_their_source() -> None:
    """Source of the figures: https://developers.openai.com/api/docs/pricing."""
    card = answered("price", "gpt-4o")

    assert card["source"].startswith("genai-prices ")
    shown = rates(card)
    assert (shown["input"], shown["cache_read"], shown["output"]) == ("2.5", "1.25", "10")
    assert rates(card, "priority")["input"] == "4.25"
    assert card["context_window"] == 128_000
    assert card["tokenizer"] == "o200k_base"
    assert card["hidden_output"] is False


def test_a_model_of_either_maker_is_found_without_a_configuration() -> None:
    """Source of the figures: https://platform.claude.com/docs/en/about-claude/pricing."""
    shown = rates(answered("price", "claude-haiku-4-5"))

    assert (shown["input"], shown["output"]) == ("1", "5")


def test_a_model_that_goes_to_an_upstream_without_its_price_is_told_which(tmp_path: Path) -> None:
    file = write_config(tmp_path)

    result = run("price", "claude-haiku-4-5", "-c", str(file))

    assert result.exit_code == 1
    assert "'claude-haiku-4-5' at upstream 'openai' (openai)" in result.stderr


def test_long_context_has_lines_of_its_own() -> None:
    lines = answered("price", "gpt-5.4")["rates"]

    long = [line for line in lines if line.get("above_tokens") == 272_000]
    assert {"what": "input", "usd": "5"}.items() <= long[0].items()


def test_people_get_a_table() -> None:
    result = run("price", "gpt-5.4")

    assert result.exit_code == 0
    assert "above 272,000 tokens" in result.stdout
    assert "1,050,000 tokens" in result.stdout
    assert "hidden output" in result.stdout


def test_overrides_of_the_configuration_win(tmp_path: Path) -> None:
    file = write_config(tmp_path, more=OVERRIDE)

    card = answered("price", "my-model", "-c", str(file))

    assert card["source"] == "override"
    assert card["context_window"] == 8192
    assert rates(card) == {"input": "0.15", "output": "0.6"}


def test_a_free_model_says_so(tmp_path: Path) -> None:
    file = write_config(tmp_path, more=OVERRIDE)

    shown = run("price", "local/llama", "-c", str(file))

    assert shown.exit_code == 0
    assert "Every call is free" in shown.stdout
    assert answered("price", "local/llama", "-c", str(file))["free"] is True


def test_what_the_upstream_adds_is_shown(tmp_path: Path) -> None:
    file = write_config(tmp_path)
    text = file.read_text().replace("api_key: none", "api_key: none, price_multiplier: 1.1")
    file.write_text(text)

    assert answered("price", "gpt-4o", "-c", str(file))["price_multiplier"] == "1.1"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_model_without_a_price_is_a_no_with_similar_names(form: tuple[str, ...]) -> None:
    result = run("price", "gpt-4o-minj", *form)

    assert result.exit_code == 1
    assert "no price is known for 'gpt-4o-minj'" in result.stderr
    assert "gpt-4o-mini" in result.stderr
    assert result.stdout == ""


def test_rates_are_exact_text_not_floats() -> None:
    for line in json.loads(run("price", "gpt-4.1-nano", "--json").stdout)["rates"]:
        assert isinstance(line["usd"], str)
