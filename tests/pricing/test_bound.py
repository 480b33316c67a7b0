"""Every part of a prompt is bounded, and the worst part says how good the bound is."""

from dataclasses import replace

import pytest

from pricing.bound import BoundClass, BoundLine, InputBound, count_prompt
from pricing.profile import Profile
from pricing.prompt import (
    Audio,
    File,
    Image,
    Part,
    Prompt,
    Sealed,
    Text,
    Tokens,
    Unbounded,
    Unseen,
)
from pricing.tokens import Tokenizers
from tests.pricing.make import loaded_tokenizers, profile_of

GPT_4O = profile_of("gpt-4o")


def count(*parts: Part, profile: Profile = GPT_4O, framing_tokens: int = 0) -> InputBound:
    return count_prompt(Prompt(parts, framing_tokens), profile, loaded_tokenizers())


def test_text_and_framing_are_exact_with_the_models_own_tokenizer() -> None:
    bound = count(Text("tiktoken is great!"), Text("2 + 2 = 4"), framing_tokens=11)

    assert (bound.text_tokens, bound.total_tokens) == (24, 24)
    assert bound.bound_class is BoundClass.EXACT
    assert bound.lines == (
        BoundLine("framing", 1, 11, BoundClass.EXACT, "chat template, o200k_base"),
        BoundLine("text", 2, 13, BoundClass.EXACT, "counted with o200k_base"),
    )


def test_text_that_had_to_be_bounded_makes_the_whole_a_margin() -> None:
    bound = count(Text("great"), Text(" " * 200_000))

    assert bound.text_tokens == 200_001
    assert bound.bound_class is BoundClass.MARGIN


def test_before_a_vocabulary_is_loaded_the_class_says_so() -> None:
    bound = count_prompt(Prompt((Text("great"),), 3), GPT_4O, Tokenizers())

    assert (bound.text_tokens, bound.bound_class) == (8, BoundClass.MARGIN)


def test_other_chat_templates_get_room() -> None:
    profile = profile_of("claude-sonnet-4-5")
    bound = count(Text("great"), profile=profile, framing_tokens=10)

    assert bound.text_tokens == 6 + 4 * 10 + 1_024
    assert bound.bound_class is BoundClass.MARGIN


def test_kinds_are_kept_apart() -> None:
    profile = replace(GPT_4O, audio_tokens_per_second=10)
    bound = count(
        Text("great"),
        Image(512, 512),
        Image(512, 512, "low"),
        Audio("wav", 1_000, duration_ms=2_000),
        profile=profile,
        framing_tokens=3,
    )

    assert (bound.text_tokens, bound.image_tokens, bound.audio_tokens) == (4, 340, 21)
    assert bound.unseen_tokens == 0
    assert bound.total_tokens == 365
    assert bound.bound_class is BoundClass.MARGIN


AUDIO = [
    (Audio("wav", 999, duration_ms=1), 2),
    (Audio("wav", 999, duration_ms=60_000), 601),
    (Audio("wav", 999, duration_ms=60_001), 602),
    # 8 kbit/s is the lowest rate of mp3: 1,000 bytes are at most a second
    (Audio("mp3", 1_000), 11),
    (Audio("mp3", 1_001), 12),
]


@pytest.mark.parametrize(("audio", "tokens"), AUDIO)
def test_audio_counts_by_its_length(audio: Audio, tokens: int) -> None:
    bound = count(audio, profile=profile_of("gpt-audio"))

    assert (bound.audio_tokens, bound.bound_class) == (tokens, BoundClass.MARGIN)


UNSEEN = [
    Unseen("file id"),
    File("report.pdf", 10),
    Audio("flac", 10),
    Image(None, None, "original"),
]


@pytest.mark.parametrize("part", UNSEEN)
def test_what_only_the_provider_sees_counts_as_what_is_left_of_the_window(part: Part) -> None:
    profile = replace(profile_of("gpt-6-sol"), context_window=10_000)
    bound = count(Text("great"), part, profile=profile, framing_tokens=98)

    assert bound.text_tokens == 100
    assert bound.unseen_tokens == 9_900
    assert bound.total_tokens == 10_000
    assert bound.bound_class is BoundClass.WINDOW
    assert bound.lines[-1].tokens == 9_900


def test_each_round_of_a_loop_may_read_a_whole_window() -> None:
    profile = replace(profile_of("gpt-6-sol"), context_window=10_000)
    bound = count_prompt(Prompt((Text("great"),), 99, rounds=3), profile, loaded_tokenizers())

    assert (bound.text_tokens, bound.unseen_tokens) == (101, 29_899)
    assert bound.bound_class is BoundClass.WINDOW


def test_what_has_no_limit_anywhere_has_no_bound_in_a_window_either() -> None:
    bound = count(Text("great"), Unbounded("a second model"), Unseen("file id"))

    assert (bound.bound_class, bound.unseen_tokens) == (BoundClass.NONE, 0)


def test_audio_of_a_format_without_a_lowest_rate_is_unseen() -> None:
    bound = count(Audio("flac", 10), profile=profile_of("gpt-audio"))

    assert (bound.audio_tokens, bound.bound_class) == (0, BoundClass.WINDOW)


def test_several_unseen_parts_share_the_window() -> None:
    bound = count(Unseen("file id"), File("a.pdf", 1), Unseen("stored prompt"))

    assert bound.unseen_tokens == 128_000
    assert [line.tokens for line in bound.lines if line.what != "framing"] == [128_000, 0, 0]


def test_without_a_window_there_is_no_bound() -> None:
    bound = count(Unseen("file id"), profile=replace(GPT_4O, context_window=None))

    assert (bound.unseen_tokens, bound.bound_class) == (0, BoundClass.NONE)


def test_a_prompt_beyond_the_window_leaves_nothing_unseen() -> None:
    profile = replace(GPT_4O, context_window=2)
    bound = count(Text("tiktoken is great!"), Unseen("file id"), profile=profile)

    assert (bound.text_tokens, bound.unseen_tokens) == (6, 0)


def test_an_image_of_a_model_without_a_rule_is_unseen() -> None:
    bound = count(Image(10, 10), profile=profile_of("o3-mini"))

    assert (bound.image_tokens, bound.bound_class) == (0, BoundClass.WINDOW)


def test_an_empty_prompt_is_exact() -> None:
    assert count().bound_class is BoundClass.EXACT


def test_lines_stay_few_however_many_parts_there_are() -> None:
    bound = count(*(Text("a") for _ in range(1_000)), *(Image(1, 1) for _ in range(1_000)))

    assert [(line.what, line.count) for line in bound.lines] == [
        ("framing", 1),
        ("text", 1_000),
        ("image", 1_000),
    ]
    assert sum(line.tokens for line in bound.lines) == bound.total_tokens


def test_the_worst_class_wins_whatever_the_order() -> None:
    worst_last = list(BoundClass)

    for better in worst_last:
        for worse in worst_last[worst_last.index(better) :]:
            assert better.or_worse(worse) is worse
            assert worse.or_worse(better) is worse


def test_tokens_are_as_many_as_the_caller_sent_whatever_the_model() -> None:
    ours, unknown = count(Tokens(7)), count(Tokens(7), profile=profile_of("house-model-7b"))

    assert (ours.text_tokens, ours.bound_class) == (7, BoundClass.EXACT)
    assert unknown.text_tokens == 7 + 1024


def test_what_only_the_provider_can_read_has_no_more_tokens_than_bytes() -> None:
    bound = count(Text("great"), Sealed(3_000))

    assert (bound.text_tokens, bound.unseen_tokens) == (3_001, 0)
    assert bound.bound_class is BoundClass.MARGIN


@pytest.mark.parametrize(
    ("window", "unseen_tokens"), [(None, 2 * 600), (10_000, 2 * 600), (550, 2 * 550)]
)
def test_a_round_that_finds_little_reads_little_more(
    window: int | None, unseen_tokens: int
) -> None:
    prompt = Prompt((Text("great"),), 99, rounds=3, rounds_add_tokens=500)
    bound = count_prompt(prompt, replace(GPT_4O, context_window=window), loaded_tokenizers())

    assert (bound.text_tokens, bound.unseen_tokens) == (100, unseen_tokens)
    assert bound.bound_class is BoundClass.WINDOW


def test_a_round_after_what_cannot_be_seen_may_fill_the_window() -> None:
    prompt = Prompt((Unseen("file id"),), 100, rounds=3, rounds_add_tokens=500)
    bound = count_prompt(prompt, replace(GPT_4O, context_window=10_000), loaded_tokenizers())

    assert bound.total_tokens == 30_000
