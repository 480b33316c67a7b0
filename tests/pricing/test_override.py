"""A wrong unit in a price is found before it is spent by."""

from dataclasses import replace
from decimal import Decimal

import pytest

from pricing.override import Override, lint


def priced(input_usd: str, output_usd: str, **others: str) -> Override:
    override = Override("m", input_per_mtok=Decimal(input_usd), output_per_mtok=Decimal(output_usd))
    for name, usd in others.items():
        override = replace(override, **{f"{name}_per_mtok": Decimal(usd)})  # type: ignore[arg-type]
    return override


@pytest.mark.parametrize(
    "override",
    [
        priced("2.50", "10"),
        priced("0.05", "0.40", cache_read="0.005"),
        priced("0.029", "0.14"),
        priced("150", "600"),
        priced("0.10", "0"),
        Override("m", free=True),
        Override("m", context_window=8_192),
        Override("m", tool_fees={"code_interpreter": Decimal(30)}),
        Override("m", image_fees={"1024x1024/hd": Decimal("0.08")}),
        Override("m", audio_per_hour=Decimal("0.36")),
        Override("m", input_per_mchar=Decimal(15)),
    ],
)
def test_real_prices_pass(override: Override) -> None:
    assert lint(override) == []


def test_a_price_per_token_is_noticed_and_put_right() -> None:
    found = lint(priced("0.0000025", "0.00001"))

    assert len(found) == 2
    assert "if it was meant per token write 2.5," in found[0]
    assert "input_per_mtok" in found[0]


def test_a_price_per_thousand_tokens_is_noticed_and_put_right() -> None:
    (found,) = lint(priced("0.00015", "0.6"))

    assert "if per thousand tokens 0.15" in found


def test_a_price_in_cents_or_less_is_noticed() -> None:
    (found,) = lint(priced("2.5", "100000"))

    assert "more than any model known" in found


@pytest.mark.parametrize(
    ("override", "words"),
    [
        (priced("-2.5", "10"), "input_per_mtok is negative"),
        (priced("NaN", "10"), "input_per_mtok is NaN"),
        (priced("2.5", "Infinity"), "output_per_mtok is Infinity"),
        (priced("0", "0"), "write free: true"),
        (Override("m", tool_fees={"t": Decimal(-1)}), "the fee of t is -1"),
        (Override("m", tool_fees={"t": Decimal("NaN")}), "the fee of t is NaN"),
        (Override("m", free=True, tool_fees={"t": Decimal(1)}), "contradict"),
        (Override("m", free=True, audio_per_hour=Decimal(1)), "contradict"),
        (Override("m", audio_per_hour=Decimal(-1)), "audio_per_hour is negative"),
        (Override("m", image_fees={"a/b": Decimal("NaN")}), "the fee of images of a/b is NaN"),
        (Override("m", image_fees={"": Decimal(0)}), "write free: true"),
        (priced("1", "1", cache_read="2"), "cache_read_per_mtok is above input_per_mtok"),
        (Override("m", output_per_mtok=Decimal(1)), "are needed together"),
        (Override("m", free=True, input_per_mtok=Decimal(1)), "contradict"),
    ],
)
def test_what_cannot_be_meant_is_named(override: Override, words: str) -> None:
    assert any(words in finding for finding in lint(override))


def test_every_price_of_an_override_reaches_its_card() -> None:
    override = priced(
        "1", "2", cache_read="0.5", cache_write="1.25", input_audio="8", output_audio="16"
    )
    rates = override.card("m").standard[0].rates
    scale = override.card("m").denominator

    assert [
        rate // scale if rate is not None else None
        for rate in (
            rates.input,
            rates.output,
            rates.cache_read,
            rates.cache_write,
            rates.input_audio,
            rates.cache_read_audio,
            rates.output_audio,
        )
    ] == [100, 200, 50, 125, 800, 800, 1_600]
