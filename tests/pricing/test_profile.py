"""What is known of models is data; what is not known makes bounds larger, never smaller."""

import pytest

from pricing.profile import Capability, Profiles, reviewed_profiles
from pricing.published import listing
from pricing.published.listing import NotListed, find_listing
from pricing.published.matching import literals
from tests.pricing.make import profile_of

NOT_FOR_CHAT = (
    "davinci", "curie", "babbage", "ada", "realtime", "transcribe", "tts", "computer", "embedding",
    "gpt-image", "chatgpt-image", "gpt-live", "whisper",
)  # fmt: skip


def chat_models() -> list[str]:
    names = set[str]()
    for info in listing._PROVIDERS["openai"].models:
        for name in literals(info.match):
            try:
                find_listing(name, "openai")
            except NotListed:
                continue
            if not any(word in name for word in NOT_FOR_CHAT):
                names.add(name)
    return sorted(names)


UNDESCRIBED = {
    "gpt-4o:extended",
    "gpt-5-image",
    "gpt-5-image-mini",
    "gpt-rosalind-discovery",
    "gpt-rosalind-research",
}


@pytest.mark.parametrize("name", chat_models())
def test_every_openai_chat_model_with_a_price_is_described(name: str) -> None:
    profile = profile_of(name)

    if name in UNDESCRIBED:
        assert profile.max_output_tokens is None
        return
    assert profile.tokenizer.vocabulary is not None
    assert profile.context_window is not None
    assert profile.max_output_tokens is not None
    assert profile.max_output_tokens <= profile.context_window


DESCRIBED = [
    # name, tokenizer, window, most output, hidden output, limit field
    ("gpt-4o", "o200k_base", 128_000, 16_384, False, "max_completion_tokens"),
    ("gpt-4o-2024-05-13", "o200k_base", 128_000, 4_096, False, "max_completion_tokens"),
    ("gpt-4o-mini", "o200k_base", 128_000, 16_384, False, "max_completion_tokens"),
    ("ft:gpt-4o-mini-2024-07-18:acme::1", "o200k_base", 128_000, 16_384, False, None),
    ("openai/gpt-4.1", "o200k_base", 1_047_576, 32_768, False, "max_completion_tokens"),
    ("GPT-4", "cl100k_base", 8_192, 8_192, False, "max_tokens"),
    ("gpt-4-turbo-2024-04-09", "cl100k_base", 128_000, 4_096, False, "max_tokens"),
    ("gpt-3.5-turbo", "cl100k_base", 16_385, 4_096, False, "max_tokens"),
    ("gpt-3.5-turbo-instruct", "cl100k_base", 4_096, 4_096, False, "max_tokens"),
    ("davinci-002", "cl100k_base", 16_384, 16_384, False, "max_tokens"),
    ("text-embedding-3-large", "cl100k_base", 8_192, None, False, "max_tokens"),
    ("o3", "o200k_base", 200_000, 100_000, True, "max_completion_tokens"),
    ("o4-mini", "o200k_base", 200_000, 100_000, True, "max_completion_tokens"),
    ("gpt-5", "o200k_base", 400_000, 128_000, True, "max_completion_tokens"),
    ("gpt-5-chat-latest", "o200k_base", 128_000, 16_384, True, "max_completion_tokens"),
    ("gpt-5.4-mini", "o200k_base", 400_000, 128_000, True, "max_completion_tokens"),
    ("gpt-6.1-sol", "o200k_presumed", 1_050_000, 128_000, True, "max_completion_tokens"),
    ("claude-sonnet-4-5", "unknown", None, None, True, "max_tokens"),
    ("meta-llama/Llama-3.3-70B-Instruct", "bytes", None, None, False, "max_tokens"),
]


@pytest.mark.parametrize(
    ("name", "tokenizer", "window", "most_output", "hidden", "limit_field"), DESCRIBED
)
def test_a_model_has_the_facts_of_its_page(
    name: str,
    tokenizer: str,
    window: int | None,
    most_output: int | None,
    hidden: bool,
    limit_field: str | None,
) -> None:
    profile = profile_of(name)

    assert profile.tokenizer.name == tokenizer
    assert (profile.context_window, profile.max_output_tokens) == (window, most_output)
    assert profile.hidden_output is hidden
    assert limit_field in (None, profile.limit_field)


def test_nothing_is_concluded_from_a_model_nobody_described() -> None:
    profile = profile_of("house-model-7b")

    assert profile.hidden_output
    assert profile.tokenizer.normalises
    assert not profile.tokenizer.exact
    assert (profile.context_window, profile.max_output_tokens, profile.image_rule) == (None,) * 3
    assert profile.capabilities is None


def test_capabilities_are_those_of_the_page() -> None:
    tools, reasoning = Capability.TOOLS, Capability.REASONING

    assert profile_of("gpt-audio").capabilities == frozenset({tools, Capability.AUDIO})
    assert profile_of("o3-mini").capabilities == frozenset(
        {tools, reasoning, Capability.JSON_SCHEMA}
    )
    assert Capability.IMAGES in (profile_of("gpt-4o").capabilities or ())


def test_only_byte_level_tokenizers_without_normalisation_are_bounded_by_bytes() -> None:
    families = reviewed_profiles().tokenizers
    byte_level = {name for name, tokenizer in families.items() if not tokenizer.normalises}

    assert byte_level == {
        "o200k_base",
        "cl100k_base",
        "o200k_presumed",
        "o200k_harmony",
        "bytes",
    }
    assert {name for name in byte_level if families[name].exact} == {"o200k_base", "cl100k_base"}


FAMILY = "{match: ['*'], tokenizer: t, hidden_output: true, limit_field: max_tokens}"


@pytest.mark.parametrize(
    "text",
    [
        "tokenizers: {}\nimage_rules: {}\nfamilies: []",
        f"tokenizers: {{}}\nimage_rules: {{}}\nfamilies: [{FAMILY}]",
        f"tokenizers: {{t: {{}}}}\nimage_rules: {{}}\nfamilies: [{FAMILY[:-1]}, windows: 9}}]",
        "tokenizers: {t: {}}\nimage_rules: {}\nfamilies: "
        "[{match: [a], tokenizer: t, hidden_output: true, limit_field: max_tokens}]",
        "tokenizers: {t: {}}\nimage_rules: {r: {rule: circle}}\nfamilies: "
        f"[{FAMILY[:-1]}, image_rule: r}}]",
    ],
)
def test_profiles_that_say_something_wrong_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Profiles.read(text)


def test_profiles_that_say_little_are_enough() -> None:
    profiles = Profiles.read(f"tokenizers: {{t: {{}}}}\nimage_rules: {{}}\nfamilies: [{FAMILY}]")

    assert profiles.find("anything").capabilities is None
