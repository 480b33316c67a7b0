"""Requests that cost nothing, as they are listed."""

import pytest

from proxy.config.findings import ConfigError
from tests.config.writing import read


def test_nothing_is_listed_by_default() -> None:
    assert read("").passthrough == ()


def test_entries_are_methods_and_paths() -> None:
    config = read('passthrough: ["GET /v1/files*", "POST /v1/moderations"]')

    assert list(map(str, config.passthrough)) == ["GET /v1/files*", "POST /v1/moderations"]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("/v1/files", "does not begin with a method"),
        ("GET /files", "not below /v1/"),
        ("GET /v1beta/models", "not below /v1/"),
        ("GET /v1/../files", "not a plain path"),
        ("POST /v1/chat/completions", "lets pass what costs money"),
        ("POST /v1/*", "lets pass what costs money"),
        ("POST /v1/videos/edits", r"lets pass what costs money: POST /v1/videos\* is billed"),
        ("POST /v1/images/edits", "lets pass what costs money: POST /v1/images/edits is metered"),
    ],
)
def test_what_is_not_free_or_not_clear_is_a_finding(entry: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as error:
        read(f'passthrough: ["GET /v1/files", "{entry}"]')

    (finding,) = error.value.findings
    assert finding.path == ("passthrough", 1)


def test_an_entry_stands_once() -> None:
    with pytest.raises(ConfigError, match="the same as entry"):
        read('passthrough: ["GET /v1/files", "GET /v1/files"]')
