"""When a call is sent again, and where, as its file says it."""

import pytest

from proxy.config.checks import warnings
from proxy.config.sections.retries import RetriesConfig
from tests.config.writing import problems, read

UPSTREAMS = """
upstreams:
  - name: openai
    base_url: https://api.openai.com/v1
    api_key: none
    {more}
  - {{name: spare, base_url: "https://openrouter.ai/api/v1", api_key: none}}
  - {{name: azure, base_url: "https://a.openai.azure.com/openai", api_key: none, api: azure, api_version: "1"}}
  - {{name: claude, base_url: "https://api.anthropic.com/v1", api_key: none, api: anthropic}}
"""  # noqa: E501


def upstreams(more: str) -> str:
    return UPSTREAMS.format(more=more)


def test_by_default_a_call_is_sent_once() -> None:
    upstream = read().upstreams[0]

    assert upstream.retries.max_attempts == 1
    assert not upstream.retries.after_no_status
    assert upstream.fallback == ()


def test_stand_ins_are_named_in_their_order() -> None:
    config = read(upstreams("fallback: [spare, azure]"))

    assert config.upstreams[0].fallback == ("spare", "azure")


@pytest.mark.parametrize(
    ("more", "place", "problem"),
    [
        ("fallback: [nobody]", 0, "no upstream has this name"),
        ("fallback: [spare, openai]", 1, "this upstream itself: see retries.max_attempts"),
        ("fallback: [claude]", 0, "speaks anthropic: it cannot take a call of openai"),
    ],
)
def test_a_stand_in_that_cannot_be_one_is_refused(more: str, place: int, problem: str) -> None:
    assert problems(upstreams(more)) == [(f"upstreams[0].fallback[{place}]", problem)]


def test_a_stand_in_is_named_once() -> None:
    ((path, problem),) = problems(upstreams("fallback: [spare, spare]"))

    assert (path, problem) == ("upstreams[0].fallback[1]", "the same as entry [0] of this list")


def test_a_stand_in_that_is_shown_what_callers_brought_for_another_is_told() -> None:
    text = upstreams("fallback: [spare]").replace(
        'api/v1", api_key: none', 'api/v1", api_key: passthrough'
    )

    (told,) = [each for each in warnings(read(text)) if "fallback" in each.path]
    assert told.path == ("upstreams", 0, "fallback", 0)
    assert "what callers bring" in told.problem


@pytest.mark.parametrize("status", [409, 425, 429, 500, 529, 599])
def test_errors_that_cost_nothing_may_be_tried_again(status: int) -> None:
    assert RetriesConfig(statuses=(status,)).statuses == (status,)


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (408, "billed, and that would be paid for twice"),
        (400, "not an error that passes by itself"),
        (404, "not an error that passes by itself"),
    ],
)
def test_other_errors_are_not_tried_again(status: int, problem: str) -> None:
    ((path, said),) = problems(upstreams(f"retries: {{statuses: [503, {status}]}}"))

    assert path == "upstreams[0].retries.statuses[1]"
    assert problem in said
