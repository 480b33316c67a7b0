"""`docs` writes the pages that come from the code."""

from pathlib import Path

import pytest

from proxy.config.reference import PAGE, SCHEMA, page, schema
from proxy.dialects.route_page import PAGE as ROUTES
from proxy.dialects.route_page import route_page
from tests.cli.commands import run


def test_all_pages_are_written_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()

    result = run("docs")

    assert (result.exit_code, result.stdout.split()) == (0, [PAGE, SCHEMA, ROUTES])
    assert (tmp_path / PAGE).read_text(encoding="utf-8") == page()
    assert (tmp_path / SCHEMA).read_text(encoding="utf-8") == schema()
    assert (tmp_path / ROUTES).read_text(encoding="utf-8") == route_page()


def test_elsewhere_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = run("docs")

    assert result.exit_code == 1
    assert "run it in the folder of the checkout" in result.stderr
    assert list(tmp_path.iterdir()) == []
