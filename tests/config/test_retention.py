"""How long settled calls are kept."""

import pytest

from tests.config.writing import problems, read

DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("text", "retention_ms"),
    [
        ("retention: 24h", DAY_MS),
        ("retention: 1d", DAY_MS),
        ("retention: 366d", 366 * DAY_MS),
        ("retention: null", None),
        ("reservation_ttl_ms: 60000", 90 * DAY_MS),
    ],
)
def test_it_is_a_time_or_for_ever(text: str, retention_ms: int | None) -> None:
    assert read(f"ledger: {{{text}}}").ledger.retention == retention_ms


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("23h", "shorter than a day, in which callers may try again"),
        ("90", "not a duration"),
        ("2y", "not a duration"),
    ],
)
def test_it_leaves_time_to_try_again(text: str, problem: str) -> None:
    assert problems(f"ledger: {{retention: {text}}}") == [("ledger.retention", problem)]
