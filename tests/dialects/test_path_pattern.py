"""Which paths a pattern means, and that none leads anywhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.path_pattern import parse_path_pattern


@pytest.mark.parametrize(
    ("pattern", "path", "is_meant"),
    [
        ("GET /v1/files", "/v1/files", True),
        ("GET /v1/files", "/v1/files/file-1", False),
        ("GET /v1/files*", "/v1/files", True),
        ("GET /v1/files*", "/v1/files/file-1/content", True),
        ("GET /v1/files/*", "/v1/files", False),
        ("GET /v1/files/*/content", "/v1/files/file-1/content", True),
        ("GET /v1/files/*/content", "/v1/files/a/b/content", False),
        ("GET /v1/files/*/content", "/v1/files/file-1", False),
        ("GET /v1/f.les", "/v1/files", False),
        ("GET /v1/files*", "/V1/files", False),
    ],
)
def test_a_wildcard_is_one_part_of_a_path_and_at_its_end_all_that_follows(
    pattern: str, path: str, is_meant: bool
) -> None:
    assert parse_path_pattern(pattern).matches("GET", path) is is_meant
    assert not parse_path_pattern(pattern).matches("POST", path)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/../chat",
        "/v1/files/..",
        "/v1/files/.hidden",
        "/v1/files/%2e%2e/chat",
        "/v1/files/a%2Fb",
        "/v1/files/a%252e",
        "/v1/files//chat",
        "/v1/files/",
        "/v1/files/..;/chat",
        "/v1/files\\..\\chat",
        "/v1/files/a b",
        "/v1/files/\n",
        "/v1/files/\uff41",
    ],
)
def test_no_wildcard_climbs(path: str) -> None:
    assert not parse_path_pattern("GET /v1/files*").matches("GET", path)
    assert not parse_path_pattern("GET /v1/*").matches("GET", path)


@given(st.text(alphabet="abv1/.%2eEfF\\;*", max_size=24))
def test_whatever_matches_stays_below_what_was_written(rest: str) -> None:
    path = f"/v1/files{rest}"
    if parse_path_pattern("GET /v1/files*").matches("GET", path):
        assert not any(part.startswith(".") or part == "" for part in path.split("/")[1:])
        assert "%" not in path
        assert "\\" not in path


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("/v1/files", "method"),
        ("get /v1/files", "method"),
        ("HEAD /v1/files", "method"),
        ("* /v1/files", "method"),
        ("GET v1/files", "plain path"),
        ("GET  /v1/files", "plain path"),
        ("GET /v1/../x", "plain path"),
        ("GET /v1/%66iles", "plain path"),
        ("GET /v1//files", "plain path"),
        ("GET /v1/files/", "plain path"),
        ("GET /v1/files?x=1", "plain path"),
        ("GET /v1/[a-z]", "plain path"),
    ],
)
def test_what_cannot_be_meant_is_not_read(written: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_path_pattern(written)
