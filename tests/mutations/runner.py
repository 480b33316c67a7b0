"""Makes one edit at a time in a copy of the tree, and runs the tests that must notice it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.mutations.mutation import Mutation
from tests.mutations.verdict import complaints

ROOT: Final = Path(__file__).resolve().parents[2]
COPIED: Final = ("proxy", "pricing", "simulator", "tests", "docs", "deploy")
NOT_COPIED: Final = shutil.ignore_patterns("__pycache__", ".hypothesis", "node_modules")
TIMEOUT_S: Final = 300
_OUTCOMES: Final = {"PASSED": True, "FAILED": False, "ERROR": False}


@contextmanager
def copied_tree() -> Iterator[Path]:
    """A copy of the sources that may be edited; it is gone afterwards."""
    with TemporaryDirectory() as directory:
        tree = Path(directory)
        for name in COPIED:
            shutil.copytree(ROOT / name, tree / name, ignore=NOT_COPIED)
        for file in ROOT.iterdir():
            if file.is_file():
                shutil.copy(file, tree)
        yield tree


def occurrences(mutation: Mutation, tree: Path = ROOT) -> int:
    """How often the text to replace stands in its file."""
    return (tree / mutation.file).read_text("utf-8").count(mutation.old)


@contextmanager
def mutated(mutation: Mutation, tree: Path) -> Iterator[None]:
    """Make the edit, and take it back."""
    path = tree / mutation.file
    text = path.read_text("utf-8")
    path.write_text(text.replace(mutation.old, mutation.new), "utf-8")
    try:
        yield
    finally:
        path.write_text(text, "utf-8")


def tried(mutation: Mutation, tree: Path) -> list[str]:
    """Make the edit and run its tests: what is wrong with how they noticed it."""
    with mutated(mutation, tree):
        return complaints(mutation, results_of(mutation.tests, tree))


def results_of(tests: tuple[str, ...], tree: Path) -> dict[str, bool]:
    """Run the tests in the tree: by the id of each that ran, whether it is green."""
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rpfE", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *tests],
        cwd=tree,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    results = read_results(done.stdout)
    if not results:
        raise RuntimeError(done.stdout + done.stderr)
    return results


def read_results(summary: str) -> dict[str, bool]:
    """The results in a summary of pytest, one a line: `FAILED file::test[parameters] - why`."""
    found: dict[str, bool] = {}
    for line in summary.splitlines():
        outcome, _, told = line.partition(" ")
        if outcome in _OUTCOMES and "::" in told:
            test = told.partition(" - ")[0]
            found[test] = _OUTCOMES[outcome] and found.get(test, True)
    return found
