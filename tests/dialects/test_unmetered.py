"""What is billed and not metered never passes, whatever an operator lists."""

import pytest

from proxy.dialects.path_pattern import parse_path_pattern
from proxy.dialects.route_page import WORDS
from proxy.dialects.routes import FREE_PATHS, METERED, free_at
from proxy.dialects.unmetered import UNMETERED, billed_by, costs_nothing, unmetered_at


@pytest.mark.parametrize(
    "pattern",
    [
        "POST /v1/chat/completions",
        "POST /v1/*",
        "POST /v1/chat/*",
        "POST /v1/resp*",
        "POST /v1/audio/speech",
        "POST /v1/images/generations",
        "POST /v1/*/batches",
        "POST /v1/threads/*/runs",
        "POST /v1/batch*",
        "POST /v1/models/*",
    ],
)
def test_what_would_let_pass_what_is_billed_is_found_out(pattern: str) -> None:
    assert billed_by(parse_path_pattern(pattern)) is not None


@pytest.mark.parametrize(
    "pattern",
    ["GET /v1/*", "POST /v1/files", "POST /v1/moderations", "DELETE /v1/threads/*"],
)
def test_what_is_free_may_be_listed(pattern: str) -> None:
    assert billed_by(parse_path_pattern(pattern)) is None


@pytest.mark.parametrize(
    ("method", "path", "api"),
    [
        ("POST", "/v1/moderations", "moderations"),
        ("GET", "/v1/files", "files"),
        ("POST", "/v1/files", "files"),
        ("GET", "/v1/files/file-abc_1", "files"),
        ("GET", "/v1/files/file-abc/content", "files"),
        ("DELETE", "/v1/files/file-abc", "files"),
        ("POST", "/v1/uploads", "uploads"),
        ("POST", "/v1/uploads/upload_1/parts", "uploads"),
        ("POST", "/v1/uploads/upload_1/complete", "uploads"),
        ("POST", "/v1/uploads/upload_1/cancel", "uploads"),
    ],
)
def test_what_no_provider_bills_is_free(method: str, path: str, api: str) -> None:
    assert free_at(method, path, "") == api


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/files"),
        ("POST", "/v1/files/file-abc"),
        ("POST", "/v1/files/../chat/completions"),
        ("GET", "/v1/files/file%2Fabc/content"),
        ("GET", "/v1/uploads/upload_1"),
        ("POST", "/v1/uploads/upload_1/other"),
        ("POST", "/v1/moderations/"),
        ("POST", "/v1/filesystem"),
    ],
)
def test_what_is_like_it_is_not(method: str, path: str) -> None:
    assert free_at(method, path, "") is None


@pytest.mark.parametrize("path", METERED)
@pytest.mark.parametrize("before", ["/v1", "/V1", "/v1/v1", "/v1/v1/v1"])
def test_by_no_pattern_a_metered_path_passes(path: str, before: str) -> None:
    wide = parse_path_pattern("POST /*")
    assert wide.matches("POST", before + path.removeprefix("/v1"))
    assert not costs_nothing(wide, "POST", before + path.removeprefix("/v1"))
    assert not costs_nothing(wide, "POST", before + path.removeprefix("/v1").title())


def test_by_no_pattern_a_billed_path_passes() -> None:
    wide = parse_path_pattern("POST /*")
    for row in UNMETERED:
        for pattern in row.patterns:
            for path in pattern.examples:
                assert unmetered_at("POST", path) is row
                assert not costs_nothing(wide, "POST", path)
    assert costs_nothing(wide, "POST", "/v1/files")


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/v1/batches", "Instead: send their calls one by one."),
        ("/v1/videos", "Nothing stands in for it yet."),
    ],
)
def test_who_is_refused_is_told_what_to_do_instead(path: str, advice: str) -> None:
    billed = unmetered_at("POST", path)

    assert billed is not None
    assert billed.advice == advice


def test_every_metered_path_has_words_and_no_other() -> None:
    assert WORDS.keys() == METERED.keys()


def test_the_free_paths_that_people_read_are_free() -> None:
    for line in FREE_PATHS:
        methods, _, path = line.partition(" /")
        for method in methods.split(" and "):
            assert free_at(method, "/" + path.replace("{id}", "resp_1"), "") is not None
