"""Overrides first, then the data; the dearest price of a span; unknown is never free."""

from decimal import Decimal

import pytest

from pricing.card import Unpriced
from pricing.catalogue import Catalogue, Model, Override, UnknownModel, provider_of
from tests.pricing.make import NOW, ms


def look_up(catalogue: Catalogue, name: str, provider: str | None = "openai") -> Model:
    return catalogue.model(name, provider=provider, from_ms=NOW, until_ms=NOW)


def input_rate(model: Model) -> Decimal:
    return model.card.breakdown()[0].usd


def test_a_listed_model_comes_with_its_price_its_source_and_its_profile() -> None:
    model = look_up(Catalogue(), "gpt-4o")

    assert (model.name, model.card.model) == ("gpt-4o", "gpt-4o")
    assert model.card.source.startswith("genai-prices ")
    assert not model.card.is_override
    assert model.profile.context_window == 128_000


def test_a_model_is_looked_up_once() -> None:
    catalogue = Catalogue()
    catalogue.load()

    assert look_up(catalogue, "gpt-4o") is look_up(catalogue, "gpt-4o")


def test_an_unknown_model_is_an_error_with_similar_names_and_never_free() -> None:
    """365 calls of an unknown model were logged at $1.16 instead of $185 (field report 51)."""
    with pytest.raises(UnknownModel) as unknown:
        look_up(Catalogue(), "gpt-4o-minni")

    assert unknown.value.near[0] == "gpt-4o-mini"
    assert isinstance(unknown.value, Unpriced)


@pytest.mark.parametrize(
    ("name", "provider"),
    [
        ("mistral-ocr-2512", "mistral"),
        ("voxtral-small-24b-2507", "mistral"),
        ("gemini-2.5-flash-image", "google"),
    ],
)
def test_a_listed_model_that_cannot_be_metered_is_unknown_and_says_why(
    name: str, provider: str
) -> None:
    with pytest.raises(UnknownModel) as unknown:
        look_up(Catalogue(), name, provider)

    assert unknown.value.why
    assert unknown.value.why in str(unknown.value)


def test_without_a_provider_only_overrides_have_a_price() -> None:
    catalogue = Catalogue([Override("local/*", free=True)])

    assert look_up(catalogue, "local/llama", provider=None).card.free
    with pytest.raises(UnknownModel, match="its provider is not known"):
        look_up(catalogue, "gpt-4o", provider=None)


def test_an_endless_model_name_is_refused_and_not_repeated() -> None:
    with pytest.raises(UnknownModel) as unknown:
        look_up(Catalogue(), "x" * 1_000_000)

    assert len(str(unknown.value)) < 500


def test_an_override_with_prices_replaces_the_listed_price() -> None:
    override = Override("gpt-4o", input_per_mtok=Decimal(7), output_per_mtok=Decimal(9))
    model = look_up(Catalogue([override]), "gpt-4o")

    assert (model.card.source, model.card.is_override) == ("override", True)
    assert input_rate(model) == 7
    assert model.card.standard[0].rates.cache_read == 700
    assert model.card.brackets("priority") == model.card.standard


def test_an_override_with_limits_refines_and_keeps_the_listed_price() -> None:
    override = Override(
        "GPT-4o", context_window=9_000, max_output_tokens=800, hidden_output=True, tokenizer="bytes"
    )
    model = look_up(Catalogue([override]), "gpt-4o")

    assert input_rate(model) == Decimal("2.5")
    assert (model.profile.context_window, model.profile.max_output_tokens) == (9_000, 800)
    assert (model.profile.hidden_output, model.profile.tokenizer.name) == (True, "bytes")


def test_an_override_can_say_that_nothing_is_hidden() -> None:
    override = Override("gpt-5", hidden_output=False)

    assert not look_up(Catalogue([override]), "gpt-5").profile.hidden_output


def test_the_first_override_that_matches_holds() -> None:
    special = Override("local/big", input_per_mtok=Decimal(1), output_per_mtok=Decimal(1))
    catalogue = Catalogue([special, Override("local/*", free=True)])

    assert not look_up(catalogue, "local/big", provider=None).card.free
    assert look_up(catalogue, "local/small", provider=None).card.free


def test_an_override_of_an_unlisted_model_without_prices_does_not_price_it() -> None:
    with pytest.raises(UnknownModel):
        look_up(Catalogue([Override("house-model", context_window=8_192)]), "house-model")


@pytest.mark.parametrize(
    "override",
    [
        Override("m", input_per_mtok=Decimal(-1), output_per_mtok=Decimal(1)),
        Override("m", input_per_mtok=Decimal("NaN"), output_per_mtok=Decimal(1)),
        Override("m", input_per_mtok=Decimal(1), output_per_mtok=Decimal("Infinity")),
        Override("m", input_per_mtok=Decimal(0), output_per_mtok=Decimal(0)),
        Override("m", input_per_mtok=Decimal(1)),
        Override("m", audio_per_hour=Decimal(0)),
        Override("m", input_per_mchar=Decimal(-1)),
        Override("m", image_fees={"": Decimal("NaN")}),
        Override("m", free=True, image_fees={"": Decimal(1)}),
        Override("m", free=True, output_per_mtok=Decimal(1)),
        Override("m", tokenizer="o300k_base"),
    ],
)
def test_an_override_that_cannot_be_used_is_refused_at_the_start(override: Override) -> None:
    with pytest.raises(ValueError, match="override of m: "):
        Catalogue([override])


def test_a_hold_that_spans_a_price_change_takes_the_dearer_price() -> None:
    """o3 fell from 10 to 2 per million on 2025-06-10."""
    change = ms("2025-06-10T00:00:00")
    catalogue = Catalogue()

    def usd(from_ms: int, until_ms: int) -> Decimal:
        return input_rate(
            catalogue.model("o3", provider="openai", from_ms=from_ms, until_ms=until_ms)
        )

    assert usd(change - 60_000, change - 1) == 10
    assert usd(change - 60_000, change) == 10
    assert usd(change, change + 60_000) == 2


def test_a_hold_that_spans_the_start_of_peak_hours_takes_the_peak_price() -> None:
    catalogue = Catalogue()

    def usd(from_text: str, until_text: str) -> Decimal:
        span = {"from_ms": ms(from_text), "until_ms": ms(until_text)}
        return input_rate(catalogue.model("deepseek-chat", provider="deepseek", **span))

    off_peak, peak = Decimal("0.135"), Decimal("0.27")
    assert usd("2026-03-01T17:00:00", "2026-03-01T18:00:00") == off_peak
    assert usd("2026-03-01T00:00:00", "2026-03-01T01:00:00") == peak
    assert usd("2026-03-01T00:00:00", "2026-03-01T00:30:00") == peak
    assert usd("2026-03-01T16:00:00", "2026-03-01T17:00:00") == peak
    assert usd("2026-03-01T23:00:00", "2026-03-02T00:29:59") == off_peak
    assert usd("2026-03-01T17:00:00", "2026-03-05T17:00:00") == peak


def test_spans_are_remembered_but_not_without_end() -> None:
    catalogue = Catalogue()
    day_ms = 86_400_000
    for day in range(200):
        at_ms = NOW + day * day_ms
        catalogue.model("deepseek-chat", provider="deepseek", from_ms=at_ms, until_ms=at_ms)

    entry = catalogue._entry("deepseek-chat", "deepseek")

    assert len(getattr(entry, "_by_span")) <= 64  # noqa: B009


def test_a_window_the_profiles_do_not_know_comes_from_the_data() -> None:
    model = look_up(Catalogue(), "gemini-2.5-flash", provider="google")

    assert model.profile.context_window == 1_048_576


def test_a_listed_free_model_costs_nothing() -> None:
    assert look_up(Catalogue(), "deepseek/deepseek-r1:free", provider="openrouter").card.free


def test_the_provider_of_an_address_is_known() -> None:
    assert provider_of("https://api.deepseek.com") == "deepseek"


def test_a_fee_comes_beside_those_that_are_listed() -> None:
    fees = {"code_interpreter": Decimal(30), "web_search": Decimal("12.5")}
    card = Catalogue([Override("gpt-4.1", tool_fees=fees)])
    found = card.model("gpt-4.1", provider="openai", from_ms=0, until_ms=0).card

    per_call = {tool: found.fee(tool) // found.denominator for tool in found.fees}
    assert per_call == {
        "web_search": 1_250_000,
        "file_search": 250_000,
        "code_interpreter": 3_000_000,
    }
    assert found.standard[0].rates.input == 200 * found.denominator


def test_a_fee_belongs_to_a_price_of_ones_own() -> None:
    local = Override(
        "local",
        input_per_mtok=Decimal(1),
        output_per_mtok=Decimal(2),
        tool_fees={"search": Decimal("0.5")},
    )
    card = Catalogue([local]).model("local", provider=None, from_ms=0, until_ms=0).card

    assert card.fee("search") == 50_000 * card.denominator


def test_a_fee_that_is_no_amount_is_refused() -> None:
    with pytest.raises(ValueError, match="the fee of t is -1"):
        Catalogue([Override("gpt-4.1", tool_fees={"t": Decimal(-1)})])
