import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from tests.benchmarks import __main__ as command


class FakeReport:
    def __init__(self, name: str, failed: bool) -> None:
        self.name = name
        self.failed = failed

    def show(self, console: Console) -> None:
        console.print(f"table of the {self.name}")

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name}


@pytest.fixture(autouse=True)
def runs(monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Which courses were run, and where."""
    runs: dict[str, Path] = {}

    def fake(name: str, *, failed: bool) -> command.Run:
        def run(quick: bool, directory: Path, console: Console) -> FakeReport:
            assert directory.is_dir()
            runs[name] = directory
            return FakeReport(f"{name}{' in a hurry' if quick else ''}", failed)

        return run

    monkeypatch.setattr(command, "_run_proxy", fake("proxy", failed=False))
    monkeypatch.setattr(command, "_run_ledger", fake("ledger", failed=True))
    monkeypatch.setattr(command, "_run_protocol", fake("protocol", failed=False))
    return runs


@pytest.mark.parametrize(
    ("arguments", "courses", "code"),
    [
        ([], ["proxy", "ledger", "protocol"], 1),
        (["--only", "proxy"], ["proxy"], 0),
        (["--only", "ledger"], ["ledger"], 1),
        (["--only", "protocol"], ["protocol"], 0),
    ],
)
def test_a_run_measures_what_it_is_asked_for_and_fails_when_it_cannot(
    arguments: list[str], courses: list[str], code: int, runs: dict[str, Path]
) -> None:
    result = CliRunner().invoke(command.main, arguments)
    assert [*runs] == courses
    assert result.output.splitlines() == [f"table of the {name}" for name in courses]
    assert result.exit_code == code


def test_files_are_put_where_they_shall_be_and_figures_are_kept(
    runs: dict[str, Path], tmp_path: Path
) -> None:
    arguments = ["--quick", "--directory", str(tmp_path), "--json", str(tmp_path / "results.json")]
    CliRunner().invoke(command.main, arguments)
    assert {directory.parent for directory in runs.values()} == {tmp_path}
    assert [path.name for path in tmp_path.iterdir()] == ["results.json"]
    told = json.loads((tmp_path / "results.json").read_text())
    assert told == {
        "proxy": {"name": "proxy in a hurry"},
        "ledger": {"name": "ledger in a hurry"},
        "protocol": {"name": "protocol in a hurry"},
    }
